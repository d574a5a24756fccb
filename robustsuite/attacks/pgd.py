"""Projected gradient descent with a random start. Madry et al. 2018, arXiv:1706.06083, section 2.1."""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.losses import cross_entropy
from robustsuite.numerics.norms import random_point, steepest, take_back
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NORMS = ("linf", "l2")


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    taken: Labels
    threat: ThreatModel
    steps: int
    length: float


def start(
    images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, steps: int = 20, relative_step: float = 2.5
) -> State:
    """A random point of the ball around each image.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: the ball; L-infinity or L2.
        noise: for the random point.
        steps: how many steps to take.
        relative_step: a step is `relative_step * epsilon / steps` long, so that `steps` of them can cross the ball.
    """
    points = take_back(images + random_point(images, threat, noise), images, threat)
    length = relative_step * float(threat.epsilon) / steps
    return State(points, torch.zeros_like(labels, dtype=torch.bool), images, labels, torch.zeros_like(labels), threat, steps, length)


def step(state: State, query: Query) -> State:
    """One step up the cross-entropy in the norm's steepest direction, then back into the ball and the box."""
    answer = query(state.points, lambda logits: cross_entropy(logits, state.labels))
    moved = state.points + state.length * steepest(answer.gradient, state.threat.norm)
    taken = state.taken + 1
    return replace(state, points=take_back(moved, state.clean, state.threat), taken=taken, finished=taken >= state.steps)
