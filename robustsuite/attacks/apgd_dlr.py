"""Auto-PGD on the difference of logits ratio. Croce & Hein 2020, arXiv:2003.01690, section 4.1; for L1 arXiv:2103.01208.

On models of two classes, for which the ratio is not defined, it climbs the margin.
"""

from robustsuite.attacks._apgd import State, advanced, begin
from robustsuite.numerics.losses import logits_ratio
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
    return advanced(state, query(state.points, lambda logits: logits_ratio(logits, state.labels)))
