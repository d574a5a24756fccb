"""Carlini & Wagner's attack: a near adversarial point in L2. Carlini & Wagner 2017, arXiv:1608.04644, section VI.A.

The paper's loss (its f6, kappa 0), its change of variable, Adam and binary search, made to finish in 9 searches of 100 steps instead
of 10,000. So the learning rate falls along a cosine within a search and doubles after one without success; and a search has success
only where one of its last tenth of steps fools the model: the first ones overshoot whatever the constant is. The tanh is stretched
beyond the box and cut off there, so that pixels of exactly 0 and 1 are represented exactly and can move. The loss is in units of the
clean image's margin, so that the scale of the logits does not matter. Each image aborts its searches by itself.
"""

from dataclasses import dataclass, replace
from math import atanh

import torch

from robustsuite.numerics.losses import margin
from robustsuite.numerics.norms import TINY
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, PerImage, Query

NORMS = ("l2",)
MINIMAL = True

SQUEEZE = 0.9  # pixels 0 and 1 are at tanh(w) = -SQUEEZE and SQUEEZE
EDGE = atanh(SQUEEZE)
FIRST_DECAY, SECOND_DECAY, ADAM_EPSILON = 0.9, 0.999, 1e-8
LAST_RATE = 0.01  # share of the first learning rate
STALLED = 0.9999  # a search ends where a tenth of its steps leaves more than this share of the cost
LONG = 10  # with so many searches, the last one tries the largest constant that has succeeded once more


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `place` is the point in tanh space, `constant` the weight of the loss against the squared distance."""

    points: Images
    finished: Mask
    clean: Images
    labels: Labels
    unit: PerImage
    place: Images
    first: Images
    second: Images
    taken: Labels
    searches: Labels
    constant: PerImage
    lower: PerImage
    upper: PerImage
    succeeded: Mask
    cost: PerImage
    rate: PerImage
    steps: int
    binary_steps: int


def in_tanh_space(images: Images) -> Images:
    """The `w` of which `(tanh(w) / SQUEEZE + 1) / 2` is the image."""
    return (SQUEEZE * (2 * images - 1)).atanh()


def start(
    images: Images,
    labels: Labels,
    logits: Logits,
    threat: ThreatModel,
    noise: Noise,
    steps: int = 100,
    binary_steps: int = 9,
    learning_rate: float = 0.01,
    constant: float = 0.01,
) -> State:
    """The clean images, before the first of the searches.

    Args:
        images: the clean images.
        labels: their true classes.
        logits: of the clean images; their margins are the unit of the loss.
        threat: not needed; the nearest point is looked for.
        noise: not needed.
        steps: at most so many in each search.
        binary_steps: how many searches, each with another constant.
        learning_rate: Adam's.
        constant: the first weight of the loss against the squared distance; ten times as much after each search without success.
    """
    nothing = torch.zeros_like(images)
    none = torch.zeros_like(labels)
    return State(
        images,
        torch.zeros_like(labels, dtype=torch.bool),
        images,
        labels,
        margin(logits, labels).clamp(min=TINY),
        in_tanh_space(images),
        nothing,
        nothing,
        none,
        none,
        torch.full_like(labels, constant, dtype=images.dtype),
        torch.zeros_like(labels, dtype=images.dtype),
        torch.full_like(labels, torch.inf, dtype=images.dtype),
        torch.zeros_like(labels, dtype=torch.bool),
        torch.full_like(labels, torch.inf, dtype=images.dtype),
        torch.full_like(labels, learning_rate, dtype=images.dtype),
        steps,
        binary_steps,
    )


def step(state: State, query: Query) -> State:
    """One step of Adam down `||x - clean||² + constant * max(margin, 0)`; at the end of a search, the next constant."""
    answer = query(state.points, lambda logits: margin(logits, state.labels).clamp(min=0) / state.unit)
    tenth = max(state.steps // 10, 1)
    change = state.points - state.clean
    cost = change.square().flatten(1).sum(dim=1) + state.constant * answer.loss
    fresh = state.taken % tenth == 0
    succeeded = (state.succeeded & ~fresh) | (answer.logits.argmax(dim=1) != state.labels)

    slope = 2 * change + state.constant[:, None, None, None] * answer.gradient
    slope = slope * (1 - state.place.tanh().square()) / (2 * SQUEEZE)
    taken = state.taken + 1
    first = FIRST_DECAY * state.first + (1 - FIRST_DECAY) * slope
    second = SECOND_DECAY * state.second + (1 - SECOND_DECAY) * slope.square()
    unbiased = first / (1 - FIRST_DECAY**taken)[:, None, None, None]
    spread = (second / (1 - SECOND_DECAY**taken)[:, None, None, None]).sqrt() + ADAM_EPSILON
    rate = state.rate * (LAST_RATE + (1 - LAST_RATE) * (1 + torch.cos(torch.pi * state.taken / state.steps)) / 2)
    place = (state.place - rate[:, None, None, None] * unbiased / spread).clamp(-EDGE, EDGE)

    looked = taken % tenth == 0
    over = (looked & (cost > STALLED * state.cost)) | (taken >= state.steps)
    searches = state.searches + over
    upper = torch.where(over & succeeded, torch.minimum(state.upper, state.constant), state.upper)
    lower = torch.where(over & ~succeeded, torch.maximum(state.lower, state.constant), state.lower)
    following = torch.where(upper.isfinite(), (lower + upper) / 2, 10 * state.constant)
    if state.binary_steps >= LONG:
        following = torch.where((searches == state.binary_steps - 1) & upper.isfinite(), upper, following)
    finished = searches >= state.binary_steps
    again = (over & ~finished)[:, None, None, None]
    return replace(
        state,
        points=torch.where(again, state.clean, (place.tanh() / SQUEEZE + 1) / 2),
        finished=finished,
        place=torch.where(again, in_tanh_space(state.clean), place),
        first=torch.where(again, 0, first),
        second=torch.where(again, 0, second),
        taken=torch.where(over, 0, taken),
        searches=searches,
        constant=torch.where(over, following, state.constant),
        lower=lower,
        upper=upper,
        succeeded=succeeded & ~over,
        rate=torch.where(over & upper.isinf(), 2 * state.rate, state.rate),
        cost=torch.where(over, torch.inf, torch.where(looked, cost, state.cost)),
    )
