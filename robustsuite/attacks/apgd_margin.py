"""Auto-PGD on the margin. Croce & Hein 2020, arXiv:2003.01690, with the loss of Carlini & Wagner 2017, arXiv:1608.04644, equation f6."""

from robustsuite.attacks._apgd import State, advanced, begin
from robustsuite.numerics.losses import margin
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Query

NORMS = ("linf", "l2", "l1")


def start(
    images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: KeyedNoise, steps: int = 100, restarts: int = 1
) -> State:
    """A random point on the surface of the ball around each image.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: not needed.
        threat: the ball; L-infinity, L2 or L1.
        noise: for the random points.
        steps: of each climb.
        restarts: how many climbs from random points, one after the other.
    """
    return begin(images, labels, threat, noise, steps, restarts)


def step(state: State, query: Query) -> State:
    """One query and the step that follows."""
    return advanced(state, query(state.points, lambda logits: -margin(logits, state.labels)))
