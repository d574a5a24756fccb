"""Fast gradient sign method: one step of full length. Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572, section 4."""

from dataclasses import dataclass, replace

import torch

from robustsuite.numerics.losses import cross_entropy
from robustsuite.numerics.norms import steepest, take_back
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NORMS = ("linf", "l2")


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    labels: Labels
    finished: Mask
    threat: ThreatModel


def start(images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise) -> State:
    """The clean images: the gradient is taken there."""
    return State(images, labels, torch.zeros_like(labels, dtype=torch.bool), threat)


def step(state: State, query: Query) -> State:
    """`x + epsilon * sign(gradient)` for L-infinity; `x + epsilon * gradient / ||gradient||` for L2."""
    answer = query(state.points, lambda logits: cross_entropy(logits, state.labels))
    epsilon = float(state.threat.epsilon)
    moved = take_back(state.points + epsilon * steepest(answer.gradient, state.threat.norm), state.points, state.threat)
    return replace(state, points=moved, finished=torch.ones_like(state.finished))
