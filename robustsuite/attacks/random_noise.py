"""Random points on the surface of the ball, the baseline of every attack. Fawzi et al. 2016, arXiv:1608.08967, section 2.

A model that falls to this falls to noise, and an attack by gradients that does no better than this has failed.
"""

from dataclasses import dataclass, replace

import torch

from robustsuite.errors import UsageError
from robustsuite.numerics.norms import steepest, take_back
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Query

NORMS = ("linf", "l2")
BLACK_BOX = True


@dataclass(frozen=True)
class State:
    """See `roles.Attack`."""

    points: Images
    finished: Mask
    clean: Images
    taken: Labels
    noise: KeyedNoise
    threat: ThreatModel
    tries: int


def start(images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: KeyedNoise, tries: int = 100) -> State:
    """The first random point.

    Args:
        images: the clean images.
        labels: their true classes; needed for their shape alone.
        logits: not needed.
        threat: the ball; L-infinity or L2.
        noise: for all points; point number `k` belongs to `noise.fork(k)`.
        tries: how many points to try, at least 2: the last is left to the engine.
    """
    if tries < 2:
        raise UsageError(f"expected tries >= 2 for random_noise, got {tries}")
    taken = torch.zeros_like(labels)
    points = _on_the_surface(images, threat, noise.fork(taken))
    return State(points, torch.zeros_like(labels, dtype=torch.bool), images, taken, noise, threat, tries)


def step(state: State, query: Query) -> State:
    """Show one point and draw the next; nothing is learned from the answer."""
    query.forward(state.points)
    taken = state.taken + 1
    points = _on_the_surface(state.clean, state.threat, state.noise.fork(taken))
    return replace(state, points=points, taken=taken, finished=taken >= state.tries - 1)


def _on_the_surface(clean: Images, threat: ThreatModel, noise: KeyedNoise) -> Images:
    """A corner of the cube for L-infinity, each as probable as any other; a uniform direction for L2; then the box."""
    epsilon, shape = float(threat.epsilon), clean.shape[1:]
    if threat.norm == "linf":
        change = torch.where(noise.uniform(*shape) < 0.5, -epsilon, epsilon)
    else:
        change = epsilon * steepest(noise.normal(*shape), "l2")
    return take_back(clean + change, clean, threat)
