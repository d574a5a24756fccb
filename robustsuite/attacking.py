"""The engine of every attack: it alone runs the model, counts passes, drops an image the moment it falls, and checks again.

An attack proposes points; this file classifies them, after moving them back into the threat model, and believes only what
it has classified itself. An image that is wrong without any attack has fallen at query 0 and costs nothing more. The place of
an image that has left is taken by one that waits, so that the model always sees about the same number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from robustsuite.catalog import module
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.numerics.losses import margin
from robustsuite.numerics.norms import size, take_back
from robustsuite.numerics.random import KeyedNoise, keyed
from robustsuite.records import Attacked, ThreatModel
from robustsuite.roles import Classifier, Images, Labels, Logits, Mask, PerImage

LONGEST = 1_000_000  # queries of one image; no attack of the literature needs as many, and one that forgets to finish must not hang
EVERYWHERE = Fraction(10**9)  # the radius of a minimal-norm attack: the box alone
LATE = 0.8  # what a fall of the margin is worth after each further query, when it is asked how fast it fell of late
ROUNDING = 1e-6  # how far beyond the radius float32 may put a point that was projected onto it


@dataclass(frozen=True)
class AttackResult:
    """What an attack found, image by image.

    Attributes:
        adversarial: the first legal point visited that fooled the model, of a minimal-norm attack the nearest one; of an image
            that stood, the most adversarial legal point. The image itself where it was wrong from the start.
        logits: the model's answer to `adversarial`, in a forward pass of its own after the attack.
        robust: whether that answer is still right.
        distance: the size of the change in the threat model's norm.
        first_success: queries until the image fell; 0 where it was wrong from the start, -1 where it never fell.
        stage: of an attack with several, the number of the one that felled the image; -1 where none did.
        counts: how much was spent, and what a reader needs to know whether the attack worked:
            `forwards`: forward passes, one per image shown, those of `backwards` and of the final check included.
            `backwards`: backward passes, likewise.
            `zero_gradients`: backward passes whose gradient was zero everywhere.
            `attacked`: images that were right before the attack.
            `standing`: images that stood to the end, and `still_rising` of them those whose margin was still falling more than
            half as fast as on average when the attack ended (of at least 10 queries): it stopped before it was done.
            `taken_back`: images that had fallen during the attack and stood in the final check.
    """

    adversarial: Images
    logits: Logits
    robust: Mask
    distance: PerImage
    first_success: Labels
    stage: Labels
    counts: Mapping[str, int]

    @property
    def forwards(self) -> int:
        """Forward passes spent."""
        return self.counts["forwards"]

    @property
    def backwards(self) -> int:
        """Backward passes spent."""
        return self.counts["backwards"]


@dataclass(frozen=True)
class _Answer:
    logits: Logits
    loss: PerImage
    gradient: Images


class _Search:
    """An attack on some images: who is being attacked now, the best point of each, and the passes spent. See `roles.Query`."""

    def __init__(self, model: Classifier, images: Images, labels: Labels, threat: ThreatModel):
        self.model, self.images, self.labels, self.threat = model, images, labels, threat
        self.best = images.clone()
        self.least = torch.full_like(labels, torch.inf, dtype=torch.float32)  # the margin at `best`; the distance, once fooled freely
        self.fallen = torch.zeros_like(labels, dtype=torch.bool)
        self.first_success, self.stage = torch.full_like(labels, -1), torch.full_like(labels, -1)
        self.queries = torch.zeros_like(labels)
        self.rows = labels.new_empty(0)
        self.free = False  # whether points may leave the ball
        self.current = -1  # the number of the stage
        self.forwards = self.backwards = 0
        self.zero_gradients = labels.new_zeros(())
        self.fall, self.late = torch.zeros_like(self.least), torch.zeros_like(self.least)  # of the margin: in all; of late

    def legal(self, points: Images) -> Images:
        """The points moved back into the threat model."""
        return points.clamp(0, 1) if self.free else take_back(points, self.images[self.rows], self.threat)

    def look(self, points: Images, logits: Logits) -> None:
        """Remember the points that are better than all before, and the images that have fallen."""
        rows, labels = self.rows, self.labels[self.rows]
        # By the prediction and not by the margin: a tie goes to the lower class, so that an image can fall at an unchanged margin.
        wrong = logits.argmax(dim=1) != labels
        if self.free:
            score = size(points - self.images[rows], self.threat.norm)
            wrong &= score <= float(self.threat.epsilon) * (1 + ROUNDING)
            better = wrong & (~self.fallen[rows] | (score < self.least[rows]))
        else:
            score = margin(logits, labels)
            better = (score < self.least[rows]) | (wrong & ~self.fallen[rows])
        falling = wrong & ~self.fallen[rows]
        self.best[rows] = torch.where(better.view(-1, 1, 1, 1), points, self.best[rows])
        if not self.free:
            fall = torch.where(better & self.least[rows].isfinite(), self.least[rows] - score, 0)
            self.fall[rows] += fall
            self.late[rows] = LATE * self.late[rows] + fall
        self.least[rows] = torch.where(better, score, self.least[rows])
        self.first_success[rows] = torch.where(falling, self.queries[rows], self.first_success[rows])
        self.stage[rows] = torch.where(falling, self.current, self.stage[rows])
        self.fallen[rows] |= wrong

    def classify(self, points: Images) -> Logits:
        """A forward pass without a gradient; nothing is remembered."""
        self.forwards += len(points)
        with torch.inference_mode():
            return self.model(points).float().clone()

    def forward(self, points: Images) -> Logits:
        """See `roles.Query`."""
        points = self.legal(points.detach())
        self.queries[self.rows] += 1
        logits = self.classify(points)
        self.look(points, logits)
        return logits

    def __call__(self, points: Images, loss: Callable[[Logits], PerImage]) -> _Answer:
        """See `roles.Query`."""
        self.forwards += len(points)
        self.backwards += len(points)
        self.queries[self.rows] += 1
        points = self.legal(points.detach()).requires_grad_()
        with torch.enable_grad():
            logits = self.model(points).float()
            losses = loss(logits)
            gradient = torch.autograd.grad(losses.sum(), points, allow_unused=True)[0] if losses.requires_grad else None
        if gradient is None:
            raise EvaluationError(
                "expected logits with a gradient with respect to the images, got none; the model detaches them or leaves torch: attack it "
                "with square, which needs no gradient"
            )
        self.zero_gradients += (gradient.flatten(1) == 0).all(dim=1).sum()
        logits = logits.detach()
        self.look(points.detach(), logits)
        return _Answer(logits, losses.detach(), gradient)

    def drop(self, state: Any, keep_on: bool) -> Any:
        """The state without the images that have finished or fallen; the last points of the finished are looked at first.

        `keep_on` keeps the fallen: a minimal-norm attack goes on to bring them nearer.
        """
        last = state.finished if keep_on else state.finished & ~self.fallen[self.rows]
        if bool(last.any()):
            everyone, self.rows = self.rows, self.rows[last]
            points = self.legal(state.points[last])
            self.look(points, self.classify(points))
            self.rows = everyone
        staying = ~state.finished if keep_on else ~state.finished & ~self.fallen[self.rows]
        if bool(staying.all()):
            return state
        self.rows = self.rows[staying]
        return rows_of(state, staying)


def rows_of(state: Any, rows: Tensor) -> Any:
    """The state of some of the images: every field with a row for each image is indexed, all else shared."""
    parts = {field.name: getattr(state, field.name) for field in fields(state)}
    return replace(state, **{name: part[rows] for name, part in parts.items() if isinstance(part, Tensor | KeyedNoise)})


def joined(one: Any, other: Any) -> Any:
    """The states of two groups of images as one."""
    parts = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)}
    found = {name: torch.cat(pair) for name, pair in parts.items() if isinstance(pair[0], Tensor)}
    noises = {name: KeyedNoise(torch.cat([part.keys for part in pair])) for name, pair in parts.items() if isinstance(pair[0], KeyedNoise)}
    return replace(one, **found, **noises)


def attack(
    model: Classifier,
    images: Images,
    labels: Labels,
    attacked: Attacked,
    keys: Tensor,
    seed: int,
    clean: Logits | None = None,
    width: int | None = None,
) -> AttackResult:
    """Attack some images.

    Args:
        model: in eval mode; logits of images in [0, 1].
        images: float32.
        labels: the true classes.
        attacked: attack, threat model and options.
        keys: `image_keys` of the images, on the same device.
        seed: of the attack's noise.
        clean: the model's logits of the images where they are known already; one forward pass saved.
        width: how many images to show to the model at a time; by default all.
    """
    return curve(model, images, labels, [attacked], keys, seed, clean, width)[0]


def curve(
    model: Classifier,
    images: Images,
    labels: Labels,
    radii: Sequence[Attacked],
    keys: Tensor,
    seed: int,
    clean: Logits | None = None,
    width: int | None = None,
) -> list[AttackResult]:
    """The results of one minimal-norm attack at several radii, from a single run; or of any attack at one radius.

    See `attack`. `radii` differ in epsilon only. The passes are counted in the first result.
    """
    attacking, threat = module("attacks", radii[0].attack), radii[0].threat
    minimal = is_minimal(radii[0].attack)
    search = _Search(model, images, labels, ThreatModel(threat.norm, EVERYWHERE) if minimal else threat)
    search.rows = torch.arange(len(images), device=images.device)
    if clean is None:
        clean = torch.cat([search.classify(piece) for piece in images.split(width or len(images))])
    if len(labels) and int(labels.max()) >= clean.shape[1]:
        raise UsageError(f"expected labels below {clean.shape[1]}, the number of the model's logits, got {int(labels.max())}")
    search.look(images, clean)
    options = dict(radii[0].options)
    stages = attacking.stages(threat, clean.shape[1], **options) if hasattr(attacking, "stages") else [(radii[0].attack, options)]
    reach = margin(clean, labels)
    for search.current, (name, own, *share) in enumerate(stages):
        waiting = ~search.fallen & (search.least < share[0] * reach) if share else ~search.fallen
        noise = keyed(keys, seed, f"{name} {threat} {sorted(own.items())}")
        _run(search, name, own, clean, noise, waiting.nonzero()[:, 0], width or len(images), minimal)
    return [_judged(search, one.threat if minimal else None, width or len(images), place == 0) for place, one in enumerate(radii)]


def is_minimal(attack: str) -> bool:
    """Whether the attack looks for the nearest adversarial point instead of keeping to a radius."""
    return getattr(module("attacks", attack), "MINIMAL", False)


def _run(
    search: _Search, attack: str, options: dict[str, Any], clean: Logits, noise: KeyedNoise, waiting: Tensor, width: int, keep_on: bool
) -> None:
    """One attack on the images that wait, by number."""
    attacking = module("attacks", attack)
    search.free = is_minimal(attack)
    search.rows, state = waiting[:0], None
    while len(waiting) or len(search.rows):
        if len(waiting) and len(search.rows) < width:
            free = width - len(search.rows)
            new, waiting = waiting[:free], waiting[free:]
            images, labels = search.images[new], search.labels[new]
            fresh = attacking.start(images, labels, clean[new], search.threat, noise[new], **options)
            state = fresh if state is None or not len(search.rows) else joined(state, fresh)
            search.rows = torch.cat([search.rows, new])
        before = search.forwards
        state = attacking.step(state, search)
        if int(search.queries.max()) > LONGEST or (search.forwards == before and not bool(state.finished.any())):
            raise EvaluationError(f"attack {attack!r} does not come to an end; every step must query the model or set `finished`")
        state = search.drop(state, keep_on)


def _judged(search: _Search, threat: ThreatModel | None, width: int, counted: bool) -> AttackResult:
    """The result; of a minimal-norm attack, within the radius of `threat`."""
    distance = size(search.best - search.images, search.threat.norm)
    beyond = torch.zeros_like(search.fallen)
    if threat is not None:
        beyond = (search.first_success != 0) & (~search.fallen | (distance > float(threat.epsilon) * (1 + ROUNDING)))
    adversarial = torch.where(beyond.view(-1, 1, 1, 1), search.images, search.best)
    before = search.forwards
    logits = torch.cat([search.classify(piece) for piece in adversarial.split(width)])
    robust = logits.argmax(dim=1) == search.labels
    queries = search.queries.clamp(min=1)
    if_even = search.fall * (1 - LATE**queries) / ((1 - LATE) * queries)  # what `late` would be, had the margin fallen evenly
    counts = {
        "forwards": search.forwards,
        "backwards": search.backwards,
        "zero_gradients": int(search.zero_gradients),
        "attacked": int((search.first_success != 0).sum()),
        "standing": int(robust.sum()),
        "still_rising": int((robust & (search.queries >= 10) & (search.late > if_even / 2)).sum()),
        "taken_back": int((search.fallen & ~beyond & robust).sum()),
    }
    if not counted:
        search.forwards = before
        counts |= dict.fromkeys(("forwards", "backwards", "zero_gradients"), 0)
    return AttackResult(
        adversarial,
        logits,
        robust,
        torch.where(beyond, 0, distance),
        torch.where(robust, -1, search.first_success),
        torch.where(robust, -1, search.stage),
        counts,
    )
