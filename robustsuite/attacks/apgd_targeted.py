"""Auto-PGD on the targeted difference of logits ratio, one target after the other. Croce & Hein 2020, arXiv:2003.01690, section 4.1.

Any wrong prediction is a success, the target or not. Models of fewer than four classes, for which the ratio is not defined, are
attacked on the difference of the target's and the label's logits. Targets may be chosen by the linearised distance of Melamed,
Yehudai & Vardi 2024, arXiv:2407.02240.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from robustsuite.attacks import _apgd
from robustsuite.attacks._apgd import PHASES, advanced, begin, merged, rows
from robustsuite.errors import UsageError
from robustsuite.numerics.losses import targeted_logits_ratio, targeted_margin
from robustsuite.numerics.norms import LEAST, dual_size
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel
from robustsuite.roles import Answer, Images, Labels, Logits, PerImage, Query

NORMS = ("linf", "l2", "l1")

CHOICES = ("logits", "linearised")
CANDIDATES = 2  # times the targets: how many of the highest wrong logits are measured


@dataclass(frozen=True)
class State(_apgd.State):
    """See `roles.Attack`.

    Attributes:
        order: `[batch, candidates]`, wrong classes in the order in which they are aimed at.
        distances: the linearised distance of each, as far as it has been measured.
        unmeasured: how many are still to be measured.
        restarts: climbs to each target.
        choose: how the targets are chosen.
    """

    order: Tensor
    distances: Tensor
    unmeasured: Labels
    restarts: int
    choose: str


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: KeyedNoise,
    steps: int = 100,
    targets: int = 9,
    restarts: int = 1,
    choose: str = "logits",
) -> State:
    """A random point on the surface of the ball around each image, and the targets.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: of the clean images.
        threat: the ball; L-infinity, L2 or L1.
        noise: for the random points.
        steps: of each climb.
        targets: how many wrong classes to aim at (all, where there are fewer).
        restarts: climbs to each target.
        choose: `logits`, the wrong classes with the highest logits; `linearised`, of twice as many those with the nearest
            boundary, measured by one query each at the clean image.
    """
    if choose not in CHOICES:
        raise UsageError(f"expected choose to be one of {', '.join(CHOICES)}, got {choose!r}")
    wrong = logits.shape[1] - 1
    targets = min(targets, wrong)
    measured = min(CANDIDATES * targets, wrong) if choose == "linearised" and wrong > 1 else 0
    order = logits.scatter(1, labels[:, None], -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, : max(targets, measured)]
    climb = begin(images, labels, threat, noise, steps, targets * restarts)
    return State(
        **{field.name: getattr(climb, field.name) for field in fields(climb)},
        order=order,
        distances=torch.full_like(order, torch.inf, dtype=logits.dtype),
        unmeasured=torch.full_like(labels, measured),
        restarts=restarts,
        choose=choose,
    )


def step(state: State, query: Query) -> State:
    """One query and the step that follows; first of all a query at the clean image for each candidate."""
    measuring = state.unmeasured > 0
    run = state.phase // len(PHASES[state.threat.norm])
    target = _at(state.order, torch.where(measuring, state.unmeasured - 1, run // state.restarts))

    def loss(logits: Logits) -> PerImage:
        return targeted_logits_ratio(logits, state.labels, target)

    if state.choose == "logits" or not bool(measuring.any()):
        return advanced(state, query(state.points, loss))

    def near_or_ratio(logits: Logits) -> PerImage:
        return torch.where(measuring, targeted_margin(logits, state.labels, target), loss(logits))

    answer = query(rows(measuring, state.clean, state.points), near_or_ratio)
    return merged(measuring, _measured(state, answer), advanced(state, answer))


def _measured(state: State, answer: Answer) -> State:
    """The state with one more linearised distance, `(z_label - z_target) / dual size of its gradient`; sorted, once all are there."""
    distance = -answer.loss / dual_size(answer.gradient, state.threat.norm).clamp(min=LEAST)
    unmeasured = (state.unmeasured - 1).clamp(min=0)
    distances = state.distances.scatter(1, unmeasured[:, None], distance[:, None])
    nearest = state.order.gather(1, distances.argsort(dim=1, stable=True))
    order = rows(unmeasured == 0, nearest, state.order)
    return replace(state, order=order, distances=distances, unmeasured=unmeasured)


def _at(table: Tensor, places: Labels) -> Labels:
    """One entry of each row."""
    return table.gather(1, places[:, None])[:, 0]
