"""The engine of every attack: it alone runs the model, counts passes, drops an image the moment it falls, and checks again.

An attack proposes points; this file classifies them, after moving them back into the threat model, and believes only what
it has classified itself. An image that is wrong without any attack has fallen at step 0 and costs nothing more.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from robustsuite.catalog import module
from robustsuite.errors import EvaluationError
from robustsuite.numerics.losses import margin
from robustsuite.numerics.norms import size, take_back
from robustsuite.numerics.random import keyed
from robustsuite.records import Attacked
from robustsuite.roles import Classifier, Images, Labels, Logits, Mask, PerImage

LONGEST = 100_000  # queries; no attack of the literature needs as many, and one that forgets to finish must not hang a run


@dataclass(frozen=True)
class AttackResult:
    """What an attack found, image by image.

    Attributes:
        adversarial: the most adversarial legal point visited (the first that fooled the model); the image itself where it
            was wrong from the start.
        logits: the model's answer to `adversarial`, in a forward pass of its own after the attack.
        robust: whether that answer is still right.
        distance: the size of the change in the threat model's norm.
        first_success: queries until the image fell; 0 where it was wrong from the start, -1 where it never fell.
        forwards: forward passes spent, one per image shown, those of `backwards` and of the final check included.
        backwards: backward passes spent, likewise.
    """

    adversarial: Images
    logits: Logits
    robust: Mask
    distance: PerImage
    first_success: Labels
    forwards: int
    backwards: int


@dataclass(frozen=True)
class _Answer:
    logits: Logits
    loss: PerImage
    gradient: Images


class _Search:
    """The state of an attack on one batch: who is still standing, the best point of each, and the passes spent."""

    def __init__(self, model: Classifier, images: Images, labels: Labels, attacked: Attacked):
        self.model, self.images, self.labels, self.threat = model, images, labels, attacked.threat
        self.best = images.clone()
        self.least = torch.full_like(labels, torch.inf, dtype=torch.float32)
        self.first_success = torch.full_like(labels, -1)
        self.rows = torch.arange(len(images), device=images.device)
        self.fallen = torch.zeros_like(labels, dtype=torch.bool)
        self.queries = 0
        self.forwards = self.backwards = 0

    def look(self, points: Images, logits: Logits) -> None:
        """Remember the points that are more adversarial than all before, and the images that have fallen."""
        margins = margin(logits, self.labels[self.rows])
        # By the prediction and not by the margin: a tie goes to the lower class, so that an image can fall at an unchanged margin.
        wrong = logits.argmax(dim=1) != self.labels[self.rows]
        falling = wrong & ~self.fallen[self.rows]
        better = (margins < self.least[self.rows]) | falling
        improved = self.rows[better]
        self.best[improved] = points[better]
        self.least[improved] = margins[better]
        self.first_success[self.rows[falling]] = self.queries
        self.fallen[self.rows[wrong]] = True

    def classify(self, points: Images) -> Logits:
        """A forward pass without a gradient."""
        self.forwards += len(points)
        with torch.inference_mode():
            return self.model(points).float().clone()

    def query(self, points: Images, loss: Callable[[Logits], PerImage]) -> _Answer:
        """See `roles.Query`."""
        self.queries += 1
        self.forwards += len(points)
        self.backwards += len(points)
        points = take_back(points.detach(), self.images[self.rows], self.threat).requires_grad_()
        with torch.enable_grad():
            logits = self.model(points).float()
            losses = loss(logits)
            (gradient,) = torch.autograd.grad(losses.sum(), points)
        logits = logits.detach()
        self.look(points.detach(), logits)
        return _Answer(logits, losses.detach(), gradient)

    def drop(self, state: Any, finished: Mask) -> Any:
        """The state without the images that have fallen or finished; the last points of the finished are looked at first."""
        last = finished & ~self.fallen[self.rows]
        if bool(last.any()):
            everyone, self.rows = self.rows, self.rows[last]
            points = take_back(state.points[last], self.images[self.rows], self.threat)
            self.look(points, self.classify(points))
            self.rows = everyone
        staying = ~finished & ~self.fallen[self.rows]
        self.rows = self.rows[staying]
        return rows_of(state, staying)


def rows_of(state: Any, rows: Tensor) -> Any:
    """The state of some of the images: every tensor field indexed, all else shared."""
    tensors = {name: value[rows] for name in (field.name for field in fields(state)) if isinstance(value := getattr(state, name), Tensor)}
    return replace(state, **tensors)


def attack(
    model: Classifier, images: Images, labels: Labels, attacked: Attacked, keys: Tensor, seed: int, clean: Logits | None = None
) -> AttackResult:
    """Attack a batch.

    Args:
        model: in eval mode; logits of images in [0, 1].
        images: float32.
        labels: the true classes.
        attacked: attack, threat model and options.
        keys: `image_keys` of the images, on the same device.
        seed: of the attack's noise.
        clean: the model's logits of the images where they are known already; one forward pass saved.
    """
    attacking = module("attacks", attacked.attack)
    search = _Search(model, images, labels, attacked)
    search.look(images, search.classify(images) if clean is None else clean)
    search.rows = search.rows[~search.fallen]
    if len(search.rows):
        noise = keyed(keys[search.rows], seed, attacked)
        state = attacking.start(images[search.rows], labels[search.rows], attacked.threat, noise, **dict(attacked.options))
        while len(search.rows):
            if search.queries > LONGEST:
                raise EvaluationError(f"attack {attacked.attack!r} has not finished after {LONGEST} queries; it must set `finished`")
            state = attacking.step(state, search.query)
            state = search.drop(state, state.finished)
    logits = search.classify(search.best)
    robust = logits.argmax(dim=1) == labels
    return AttackResult(
        search.best,
        logits,
        robust,
        size(search.best - images, attacked.threat.norm),
        torch.where(robust, -1, search.first_success),
        search.forwards,
        search.backwards,
    )
