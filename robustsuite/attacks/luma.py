"""Projected gradient descent on brightness alone. Pestana, Akhtar, Liu, Glance & Mian 2020, arXiv:2003.00883, section 3.

Every pixel's three channels move by the same amount, which changes Y of YCbCr and neither of the colour differences. To be read
beside `pgd` at the same radius.
"""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.losses import log_odds
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NORMS = ("linf",)


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    taken: Labels
    epsilon: float
    steps: int
    relative_step: float


def start(
    images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, steps: int = 20, relative_step: float = 2.5
) -> State:
    """A random brightness for every pixel, within the radius.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: the largest change of a value.
        noise: for the random point.
        steps: how many steps to take.
        relative_step: a step is `relative_step * epsilon / steps` long.
    """
    epsilon = float(threat.epsilon)
    points = images + _allowed((2 * noise.uniform(1, *images.shape[2:]) - 1) * epsilon, images, epsilon)
    return State(
        points, torch.zeros_like(labels, dtype=torch.bool), images, labels, torch.zeros_like(labels), epsilon, steps, relative_step
    )


def step(state: State, query: Query) -> State:
    """One step up the log-odds along the sign of the gradient in brightness, then back into the radius and the box."""
    gradient = query(state.points, lambda logits: log_odds(logits, state.labels)).gradient
    length = state.relative_step * state.epsilon / state.steps
    change = (state.points - state.clean)[:, :1] + length * gradient.sum(dim=1, keepdim=True).sign()
    points, taken = state.clean + _allowed(change, state.clean, state.epsilon), state.taken + 1
    return replace(state, points=points, taken=taken, finished=taken >= state.steps)


def _allowed(change: torch.Tensor, clean: Images, epsilon: float) -> torch.Tensor:
    """The change of brightness that all three channels of each pixel can make, `[batch, 1, height, width]`."""
    darkest, brightest = clean.amin(dim=1, keepdim=True), clean.amax(dim=1, keepdim=True)
    return change.clamp(-epsilon, epsilon).clamp(-darkest, 1 - brightest)
