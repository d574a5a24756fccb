"""A plain square in front of the image at random places, the baseline of `patch`. Zeiler & Fergus 2014, arXiv:1311.2901, section 4.2.

The threat model is L0: `epsilon` is the number of pixels that may change, and the square is the largest within that.
"""

from dataclasses import dataclass, replace
from math import isqrt

import torch

from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Query

NORMS = ("l0",)
BLACK_BOX = True


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    taken: Labels
    noise: KeyedNoise
    side: int
    tries: int


def start(images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: KeyedNoise, tries: int = 100) -> State:
    """The clean images.

    Args:
        images: the clean images.
        labels: their true classes; needed for their shape alone.
        logits: not needed.
        threat: how many pixels may change.
        noise: for places and colours.
        tries: how many squares to show, one after the other.
    """
    side = max(1, min(isqrt(int(threat.epsilon)), *images.shape[-2:]))
    taken = torch.zeros_like(labels)
    return State(_covered(images, noise.fork(taken), side), torch.zeros_like(labels, dtype=torch.bool), images, taken, noise, side, tries)


def step(state: State, query: Query) -> State:
    """Show one square and draw the next; nothing is learned from the answer. The last is left to the engine."""
    query.forward(state.points)
    taken = state.taken + 1
    points = _covered(state.clean, state.noise.fork(taken), state.side)
    return replace(state, points=points, taken=taken, finished=taken >= state.tries - 1)


def _covered(clean: Images, noise: KeyedNoise, side: int) -> Images:
    """The images with a square of one colour each, at any place and of any colour."""
    height, width = clean.shape[-2:]
    top, left = noise.integers(height - side + 1), noise.integers(width - side + 1)
    colour = noise.uniform(3, 1, 1)
    rows, columns = (torch.arange(length, device=clean.device) for length in (height, width))
    below, beside = rows - top[:, None], columns - left[:, None]
    inside = [(offset >= 0) & (offset < side) for offset in (below, beside)]
    return torch.where((inside[0][:, :, None] & inside[1][:, None, :])[:, None], colour, clean)
