"""A square patch with any content, its place swept over the image. Karmon, Zoran & Goldberg 2018 (LaVAN), arXiv:1801.02608.

The threat model is L0: `epsilon` is the number of pixels that may change, and the patch is the largest square within that.
"""

from dataclasses import dataclass, replace
from math import isqrt

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from robustsuite.numerics.losses import margin
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NORMS = ("l0",)


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    taken: Labels
    order: Tensor  # int64 [batch, places], numbers of places in a grid, the most promising first
    side: int
    steps: int
    relative_step: float


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: Noise,
    places: int = 9,
    steps: int = 20,
    relative_step: float = 4.0,
) -> State:
    """The clean images: the gradient there tells which places to try first.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: how many pixels may change.
        noise: not needed.
        places: how many places to try, of all that lie half a patch apart.
        steps: of the climb at each place.
        relative_step: a step is `relative_step / steps` long, on the [0, 1] scale.
    """
    side = max(1, min(isqrt(int(threat.epsilon)), *images.shape[-2:]))
    order = torch.zeros(len(images), places, dtype=torch.int64, device=images.device)
    return State(
        images, torch.zeros_like(labels, dtype=torch.bool), images, labels, torch.zeros_like(labels), order, side, steps, relative_step
    )


def step(state: State, query: Query) -> State:
    """One step down the label's margin inside the patch; at a new place from the clean image."""
    answer = query(state.points, lambda logits: -margin(logits, state.labels))
    first = state.taken == 0
    order = torch.where(first[:, None], _most_promising(state, answer.gradient), state.order)
    climbed = state.taken - 1  # steps so far, at all places
    place = (climbed + 1).div(state.steps, rounding_mode="floor").clamp(max=order.shape[1] - 1)
    here = _window(state, order.gather(1, place[:, None])[:, 0])
    arriving = first | ((climbed + 1) % state.steps == 0)
    base = torch.where(arriving.view(-1, 1, 1, 1), state.clean, state.points)
    moved = (base + state.relative_step / state.steps * answer.gradient.sign()).clamp(0, 1)
    taken = state.taken + 1
    done = taken > state.steps * order.shape[1]
    return replace(state, points=torch.where(here[:, None], moved, state.clean), taken=taken, order=order, finished=done)


def _corners(state: State) -> tuple[Tensor, Tensor]:
    """Top rows and left columns of all places, numbered along the rows: half a patch apart, and up to the last row and column."""
    apart = max(1, state.side // 2)
    tops, lefts = (
        torch.arange(0, length - state.side + apart, apart, device=state.points.device).clamp(max=length - state.side)
        for length in state.clean.shape[-2:]
    )
    return tops.repeat_interleave(len(lefts)), lefts.repeat(len(tops))


def _most_promising(state: State, gradient: Images) -> Tensor:
    """The places under which the gradient is largest in sum: what a first-order change of all pixels there would gain."""
    sums = F.avg_pool2d(gradient.abs().sum(dim=1, keepdim=True), state.side, stride=1)[:, 0]
    tops, lefts = _corners(state)
    best = sums[:, tops, lefts].sort(dim=1, descending=True, stable=True).indices
    return best.repeat(1, -(-state.order.shape[1] // best.shape[1]))[:, : state.order.shape[1]]  # again, where there are fewer places


def _window(state: State, place: Tensor) -> Bool[Tensor, "batch height width"]:
    """Whether a pixel lies in the patch."""
    tops, lefts = _corners(state)
    rows, columns = (torch.arange(length, device=place.device) for length in state.clean.shape[-2:])
    below = rows - tops[place][:, None]
    beside = columns - lefts[place][:, None]
    inside = [(offset >= 0) & (offset < state.side) for offset in (below, beside)]
    return inside[0][:, :, None] & inside[1][:, None, :]
