"""Fast minimum-norm attack: the nearest adversarial point. Pintor et al. 2021, arXiv:2102.12827, algorithm 1.

With two differences. Before the first success the radius also grows by its share in every step: where clipping to the box eats up
part of each step, the estimated distance alone would approach the boundary for ever and never cross it. And in L-infinity a step is
as long as the radius asks for, so that one length suits images of every size.
"""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.balls import farthest, onto_ball
from robustsuite.numerics.losses import margin
from robustsuite.numerics.norms import TINY, dual_size, size, steepest
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, PerImage, Query

NORMS = ("linf", "l2", "l1", "l0")
MINIMAL = True

LAST_STEP = 0.01  # share of the first step's length
LAST_GAMMA = 0.001


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `nearest` is the distance of the nearest fooling point so far, infinite before the first."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    radius: PerImage
    nearest: PerImage
    limit: PerImage
    taken: Labels
    threat: ThreatModel
    steps: int
    gamma: float
    length: float


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: Noise,
    steps: int = 100,
    gamma: float = 0.05,
    step: float = 1.0,
) -> State:
    """The clean images, nothing found yet.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: the norm; the radius is not needed, the nearest point is looked for.
        noise: not needed.
        steps: how many steps to take.
        gamma: by which share the radius shrinks at first after a point that fools the model, and grows after one that does not.
        step: the length of the first step, in L2; for L-infinity, in units of the L2 length of the largest change within the radius.
    """
    nothing = torch.full_like(labels, torch.inf, dtype=images.dtype)
    return State(
        images,
        torch.zeros_like(labels, dtype=torch.bool),
        images,
        labels,
        torch.zeros_like(nothing),
        nothing,
        farthest(images, threat.norm),
        torch.zeros_like(labels),
        threat,
        steps,
        gamma,
        step,
    )


def boundary(points: Images, lead: PerImage, gradient: Images, threat: ThreatModel) -> PerImage:
    """The distance to the boundary, were the model linear.

    For L0, the fewest pixels of which the change to 0 or 1 would reach it, one more than all where that does not suffice.
    """
    if threat.norm != "l0":
        return lead.abs() / dual_size(gradient, threat.norm).clamp(min=TINY)
    gains = (gradient * torch.where(gradient > 0, 1 - points, points)).abs().sum(dim=1).flatten(1).sort(dim=1, descending=True).values
    return (gains.cumsum(dim=1) < lead.abs()[:, None]).sum(dim=1).to(lead.dtype) + 1


def step(state: State, query: Query) -> State:
    """The radius drawn to the boundary, then a step down the true class's lead, back into the ball of that radius and the box."""
    answer = query(state.points, lambda logits: -margin(logits, state.labels))
    norm = state.threat.norm
    fooled = answer.logits.argmax(dim=1) != state.labels
    distance = size(state.points - state.clean, norm)
    nearest = torch.where(fooled, torch.minimum(state.nearest, distance), state.nearest)

    cosine = (1 + torch.cos(torch.pi * state.taken / state.steps)) / 2
    gamma = LAST_GAMMA + (state.gamma - LAST_GAMMA) * cosine
    smaller, larger = state.radius * (1 - gamma), state.radius * (1 + gamma)
    if norm == "l0":
        smaller, larger = torch.minimum(smaller.floor(), state.radius - 1), torch.maximum(larger.floor(), state.radius + 1)
    estimate = distance + boundary(state.points, answer.loss, answer.gradient, state.threat)
    searching = torch.where(nearest.isfinite(), larger, torch.maximum(larger, estimate))
    radius = torch.minimum(torch.where(fooled, torch.minimum(smaller, nearest), searching), state.limit)

    length = state.length * (LAST_STEP + (1 - LAST_STEP) * cosine)
    if norm == "linf":
        length = length * radius * answer.gradient[0].numel() ** 0.5
    moved = state.points + length[:, None, None, None] * steepest(answer.gradient, "l2")
    points = (state.clean + onto_ball(moved - state.clean, radius, norm)).clamp(0, 1)
    taken = state.taken + 1
    return replace(state, points=points, radius=radius, nearest=nearest, taken=taken, finished=taken >= state.steps)
