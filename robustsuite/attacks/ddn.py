"""Decoupled direction and norm: the nearest adversarial point in L2. Rony et al. 2019, arXiv:1811.09600, algorithm 1.

In floats: the paper's rounding of every point to 256 levels is left out, which would make the distances found larger. The logits are
scaled so that the clean image's margin is 10, about what a trained network has: the softmax, and so the direction, would depend on
their scale. The radius starts at 1 and shrinks by 5 % at most: 100 steps do not reach below 0.006.
"""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.balls import farthest
from robustsuite.numerics.losses import log_odds, margin
from robustsuite.numerics.norms import TINY, size, steepest
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, PerImage, Query

NORMS = ("l2",)
MINIMAL = True

FIRST_RADIUS = 1.0
CLEAN_MARGIN = 10.0
FIRST_STEP, LAST_STEP = 1.0, 0.01  # lengths in L2


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `aside` is a random direction of length 1, for where the gradient is zero."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    change: Images
    radius: PerImage
    limit: PerImage
    unit: PerImage
    aside: Images
    taken: Labels
    steps: int
    gamma: float


def start(
    images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, steps: int = 100, gamma: float = 0.05
) -> State:
    """The clean images, and a first radius of 1.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: of the clean images; their margins set the scale of the loss.
        threat: not needed; the nearest point is looked for.
        noise: for the direction taken where the gradient is zero.
        steps: how many steps to take.
        gamma: by which share the radius shrinks after a point that fools the model, and grows after one that does not.
    """
    limit = farthest(images, "l2")
    return State(
        images,
        torch.zeros_like(labels, dtype=torch.bool),
        images,
        labels,
        torch.zeros_like(images),
        limit.clamp(max=FIRST_RADIUS),
        limit,
        margin(logits, labels).clamp(min=TINY) / CLEAN_MARGIN,
        steepest(noise.normal(*images.shape[1:]), "l2"),
        torch.zeros_like(labels),
        steps,
        gamma,
    )


def step(state: State, query: Query) -> State:
    """A step along the gradient (the direction), then the change scaled to a smaller or a larger radius (the norm)."""
    answer = query(state.points, lambda logits: log_odds(logits / state.unit[:, None], state.labels))
    fooled = answer.logits.argmax(dim=1) != state.labels
    blind = size(answer.gradient, "linf") == 0
    direction = torch.where(blind[:, None, None, None], state.aside, steepest(answer.gradient, "l2"))
    length = LAST_STEP + (FIRST_STEP - LAST_STEP) * (1 + torch.cos(torch.pi * state.taken / state.steps)) / 2
    moved = state.change + length[:, None, None, None] * direction
    radius = torch.minimum(state.radius * torch.where(fooled, 1 - state.gamma, 1 + state.gamma), state.limit)
    points = (state.clean + radius[:, None, None, None] * steepest(moved, "l2")).clamp(0, 1)
    taken = state.taken + 1
    return replace(state, points=points, change=points - state.clean, radius=radius, taken=taken, finished=taken >= state.steps)
