"""Fast adaptive boundary attack, targeted: a near adversarial point in L-infinity, L2 or L1. Croce & Hein 2020, arXiv:1907.02044.

Section 2, with one target class after the other (FAB-T of arXiv:2003.01690, section 5), any misclassification being a success. One
start for each target, at the clean image; no final search.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robustsuite.numerics.norms import TINY, size
from robustsuite.records import Norm, ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, PerImage, Query

NORMS = ("linf", "l2", "l1")
MINIMAL = True

ALPHA_MAX = 0.1  # how far a step leans to the clean image at most
ETA = 1.05  # how far a step goes beyond the linearised boundary
BETA = 0.9  # where to go on, between the clean image and a point that fools the model
SHORTEST = 1e-8


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `targets` are classes, one row for each image; `number` says which of them is being tried."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    targets: Tensor
    number: Labels
    taken: Labels
    threat: ThreatModel
    steps: int


def start(images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, steps: int = 100, targets: int = 9) -> State:
    """The clean images, and the classes to try.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: of the clean images; the targets are the likeliest wrong classes, the likeliest first.
        threat: the norm; the radius is not needed, the nearest point is looked for.
        noise: not needed.
        steps: how many steps to take for each target.
        targets: how many wrong classes to try; fewer where there are fewer.
    """
    wrong = logits.scatter(1, labels[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    chosen = wrong[:, : min(targets, logits.shape[1] - 1)]
    none = torch.zeros_like(labels)
    return State(images, torch.zeros_like(labels, dtype=torch.bool), images, labels, chosen, none, none, threat, steps)


def onto_hyperplane(points: Images, normal: Images, gap: PerImage, norm: Norm) -> Images:
    """The smallest change in `norm` that adds `gap` to `<normal, points>` and stays in [0, 1]; section 2.2, equation 6.

    Where the box does not allow it, the change that comes closest: every pixel at its limit. A coordinate moves in the direction of
    its own, `room` at most. For L-infinity all move equally far until they meet their limits, for L2 in proportion to `normal`: so
    what is gained is `sum(rate * min(reach, t))`, which rises with `t` and bends where a `reach` is met; sorted by reach, the bend
    before the gap is counted off. For L1 the steepest coordinates move, one after the other, each to its limit.
    """
    slopes = (normal * gap.sign()[:, None, None, None]).flatten(1)
    flat, steep, wanted = points.flatten(1), slopes.abs(), gap.abs()[:, None].double()
    room = torch.where(slopes > 0, 1 - flat, torch.where(slopes < 0, flat, 0))
    if norm == "l1":
        order = steep.argsort(dim=1, descending=True)
        gains = (steep * room).gather(1, order).double()
        before = gains.cumsum(dim=1) - gains
        share = ((wanted - before) / gains.clamp(min=TINY)).clamp(0, 1).to(room.dtype)
        moved = room * torch.zeros_like(room).scatter(1, order, share)
    else:
        speed = torch.ones_like(steep) if norm == "linf" else steep
        reach = torch.where(speed > 0, room / speed.clamp(min=TINY), 0)
        sorted_reach, order = reach.sort(dim=1)
        rates = (steep * speed).gather(1, order).double()
        met = (rates * sorted_reach).cumsum(dim=1)
        left = rates.sum(dim=1, keepdim=True) - rates.cumsum(dim=1)
        first = (met + sorted_reach * left < wanted).sum(dim=1, keepdim=True)
        place = first.clamp(max=reach.shape[1] - 1)
        rate = rates.gather(1, place)
        time = (wanted - met.gather(1, place) + rate * sorted_reach.gather(1, place)) / (left.gather(1, place) + rate).clamp(min=TINY)
        time = torch.where(first < reach.shape[1], time, torch.inf).to(reach.dtype)
        moved = speed * torch.minimum(reach, time)
    return (moved * slopes.sign()).view_as(points)


def step(state: State, query: Query) -> State:
    """A step onto the linearised boundary, leaning towards the clean image; pulled back where it fools the model; section 2.3."""
    target = state.targets.gather(1, state.number[:, None])

    def lead(logits: Logits) -> PerImage:
        return (logits.gather(1, state.labels[:, None]) - logits.gather(1, target))[:, 0]

    answer = query(state.points, lead)
    norm = state.threat.norm
    # The boundary is where the lead is 0: it must change by its negative; from the clean image, by the linearised lead there.
    here = -answer.loss
    there = here + ((state.points - state.clean) * answer.gradient).flatten(1).sum(dim=1)
    onward = onto_hyperplane(state.points, answer.gradient, here, norm)
    direct = onto_hyperplane(state.clean, answer.gradient, there, norm)
    near, far = size(onward, norm).clamp(min=SHORTEST), size(direct, norm).clamp(min=SHORTEST)
    alpha = (near / (near + far)).clamp(max=ALPHA_MAX)[:, None, None, None]
    points = ((1 - alpha) * (state.points + ETA * onward) + alpha * (state.clean + ETA * direct)).clamp(0, 1)

    fooled = query.forward(points).argmax(dim=1) != state.labels
    points = torch.where(fooled[:, None, None, None], state.clean + BETA * (points - state.clean), points)
    over = state.taken + 1 >= state.steps
    number = state.number + over
    finished = number >= state.targets.shape[1]
    return replace(
        state,
        points=torch.where((over & ~finished)[:, None, None, None], state.clean, points),
        finished=finished,
        number=number.clamp(max=state.targets.shape[1] - 1),
        taken=torch.where(over, 0, state.taken + 1),
    )
