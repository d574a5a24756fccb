"""Projected gradient descent with a random start. Madry et al. 2018, arXiv:1706.06083, section 2.1."""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.losses import log_odds
from robustsuite.numerics.norms import random_point, steepest, take_back
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Query

NORMS = ("linf", "l2")


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `taken` counts the steps since the last start, of which there have been `restarted` + 1."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    taken: Labels
    restarted: Labels
    noise: KeyedNoise
    threat: ThreatModel
    steps: int
    restarts: int
    length: float


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: KeyedNoise,
    steps: int = 20,
    relative_step: float = 2.5,
    restarts: int = 1,
) -> State:
    """A random point of the ball around each image.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: the ball; L-infinity or L2.
        noise: for the random points.
        steps: how many steps to take from each random point.
        relative_step: a step is `relative_step * epsilon / steps` long, so that `steps` of them can cross the ball.
        restarts: how many random points to start from, one after the other.
    """
    points = take_back(images + random_point(images, threat, noise), images, threat)
    finished, taken = torch.zeros_like(labels, dtype=torch.bool), torch.zeros_like(labels)
    length = relative_step * float(threat.epsilon) / steps
    return State(points, finished, images, labels, taken, taken, noise, threat, steps, restarts, length)


def step(state: State, query: Query) -> State:
    """One step up the cross-entropy in the norm's steepest direction, then back into the ball and the box; or a new start."""
    answer = query(state.points, lambda logits: log_odds(logits, state.labels))
    moved = state.points + state.length * steepest(answer.gradient, state.threat.norm)
    points, taken, restarted = take_back(moved, state.clean, state.threat), state.taken + 1, state.restarted
    last = restarted + 1 >= state.restarts
    over = ~last & (taken > state.steps)  # the last point of all is looked at without a query, those before it only in one
    if state.restarts > 1 and bool(over.any()):
        restarted, taken = restarted + over, torch.where(over, 0, taken)
        change = random_point(state.clean, state.threat, state.noise.fork(restarted))
        points = torch.where(over.view(-1, 1, 1, 1), take_back(state.clean + change, state.clean, state.threat), points)
    return replace(state, points=points, taken=taken, restarted=restarted, finished=last & (taken >= state.steps))
