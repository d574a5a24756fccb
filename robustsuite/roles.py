"""What a contributor writes: the calling convention of each room, and the tensor shapes they speak in.

A role is a `Protocol`, not a class to inherit from. A file in a room holds one function of the role, named after the file;
its module docstring says what it is and which paper it comes from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from robustsuite.predictions import Evidence, Head, Predictions, PredictionSets
from robustsuite.records import Condition, Dataset, Preprocessing, ThreatModel

Images = Float[Tensor, "batch 3 height width"]
"""RGB in [0, 1], before the model's own normalisation."""

Levels = UInt8[Tensor, "batch 3 height width"]
"""RGB in the 256 levels that a benchmark stores."""

Labels = Int[Tensor, "batch"]
Logits = Float[Tensor, "batch classes"]
PerImage = Float[Tensor, "batch"]
Mask = Bool[Tensor, "batch"]


@runtime_checkable
class Classifier(Protocol):
    """A model: images in [0, 1] to logits. Normalisation is the model's own business."""

    def __call__(self, images: Images, /) -> Logits:
        """Unnormalised scores, the larger the likelier; not probabilities."""
        ...


@runtime_checkable
class Noise(Protocol):
    """Random numbers that belong to an image: the same for it in any batch, order or process.

    Each call draws afresh; `shape` is that of one image's draw, and the answer has a leading batch dimension.
    """

    def uniform(self, *shape: int) -> Tensor:
        """float32 in (0, 1)."""
        ...

    def normal(self, *shape: int) -> Tensor:
        """float32, mean 0, variance 1."""
        ...

    def integers(self, bound: int | Tensor, *shape: int) -> Tensor:
        """int64 in [0, bound), equally probable; `bound` is one number, or int64 `[batch]`, one for each image."""
        ...

    def fork(self, numbers: Tensor) -> "Noise":
        """Other noise of the same images, from its beginning: int64 `[batch]`, one number for each, such as the number of its step."""
        ...

    def poisson(self, levels: Levels, rates: Tensor) -> Tensor:
        """Counts as float32 of the shape of `levels`: a Poisson draw for every element, of mean `rates[level]` (float64 `[256]`)."""
        ...


@runtime_checkable
class Corruption(Protocol):
    """An algorithmic corruption. The file also holds its constants, five severities for each profile.

    It may hold `BENCHMARKS`, the benchmarks that it belongs to, and `GROUP`, its group there (`noise`, `blur`, `weather`,
    `digital`).
    """

    def __call__(self, levels: Levels, severity: int, noise: Noise, profile: str) -> Images | Levels:
        """Corrupt images as a benchmark stores them.

        Args:
            levels: uint8 RGB; not to be changed.
            severity: 1 to 5.
            noise: the only source of randomness allowed.
            profile: `imagenet`, `imagenet-299`, `tiny` or `cifar`: which published constants to use.

        Returns:
            Floats on the [0, 1] scale, which the caller clips and rounds **down** to levels, as the benchmark does; or levels,
            where the algorithm itself ends in them. Where the benchmark computes in float64, so should this: where the exact
            answer is a whole level (flat areas, simple ratios), float64 falls on a certain side of it, and float32 would not.
        """
        ...


@runtime_checkable
class PerturbationSequence(Protocol):
    """A perturbation sequence, as of ImageNet-P.

    The file also holds, as literals: `FRAMES`, the number of frames by profile; `REFERENCE`, what a frame is compared with
    (`previous`, or `first` for noise); `MARGIN`, whether frames may show what lies around the central crop; and it may hold
    `BENCHMARKS`.
    """

    def __call__(self, levels: Levels, noise: Noise, profile: str) -> Iterator[Levels]:
        """The frames of every image, in order, each of the size of `levels`.

        Args:
            levels: uint8 RGB; not to be changed.
            noise: the only source of randomness allowed.
            profile: `imagenet`, `imagenet-299`, `tiny` or `cifar`: which published constants to use.
        """
        ...


@runtime_checkable
class SequenceMetric(Protocol):
    """A number for one sequence. The module also holds `HIGHER_IS_BETTER`, `RANGE` and `per_image` with the same arguments."""

    def __call__(self, frames: Sequence[Predictions], reference: str) -> float:
        """The metric on exactly these images.

        Args:
            frames: the predictions of every frame, in order, of the same images.
            reference: what a frame is compared with, `previous` or `first`.
        """
        ...


@runtime_checkable
class Answer(Protocol):
    """What a query returns, row by row."""

    logits: Logits
    loss: PerImage
    gradient: Images


@runtime_checkable
class Query(Protocol):
    """The engine's side of an attack. It alone runs the model, counts passes, and notices when an image falls.

    Points are moved back into the ball and the box first (of a minimal-norm attack, into the box).
    """

    def __call__(self, points: Images, loss: Callable[[Logits], PerImage], /) -> Answer:
        """One forward and one backward at `points`; the gradient is of each image's own loss."""
        ...

    def forward(self, points: Images, /) -> Logits:
        """One forward at `points`, for attacks without gradients."""
        ...


@runtime_checkable
class Attack(Protocol):
    """A module with two functions, in the paper's order. The state is a small frozen dataclass.

    Every tensor (or noise) of the state has one row for each image, so that the engine can drop an image and put another in its
    place: images of one batch may be at different steps, and counters are tensors. What is shared by all images is a plain
    number. The state has the fields `points`, the images to be judged next, and `finished`, whether an image has used up its
    budget. In every step each image is queried at least once, or finished.

    The file also holds `NORMS`; and `MINIMAL = True` where it looks for the nearest adversarial point rather than for one within
    a radius: then one run gives the result at every radius, and images go on after they have fallen. `BLACK_BOX = True` says that
    it asks for no gradient.

    An ensemble has, instead of the two, `stages(threat, classes, **options)`: names and options of the attacks to be run in turn
    on the images that still stand. A third entry keeps a stage to those whose least margin so far is below this share of the clean one.
    """

    def start(self, images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, **options: object) -> object:
        """The state before the first step. Raises `UsageError` for a norm that the attack does not know.

        `logits` are the model's of the clean images. `noise` may be kept in the state and forked by step (`noise.fork`); drawing
        from it anew in a step would make an image's draws depend on its neighbours.
        """
        ...

    def step(self, state: object, query: Query) -> object:
        """The state after one more query."""
        ...


@runtime_checkable
class DatasetReader(Protocol):
    """Opens a data set, strictly: names, counts and layout are checked before the first image is decoded."""

    def __call__(self, root: Path | None) -> Dataset:
        """Raises `UsageError` saying what was expected and what was found."""
        ...


@runtime_checkable
class ModelLoader(Protocol):
    """A module for one form of model reference: `FORM` shows it to a user, `accepts` recognises it, `load` loads it."""

    FORM: str

    def accepts(self, reference: str) -> bool:
        """Whether the reference has this form."""
        ...

    def load(self, reference: str) -> "tuple[Classifier, Preprocessing | None]":
        """The model, and the preprocessing that it was trained for where it is known. Raises `UsageError`."""
        ...


@runtime_checkable
class Metric(Protocol):
    """A number for one condition. The module also holds `HIGHER_IS_BETTER`, and `per_image` or `interval`.

    `per_image(predictions) -> float64 [images]` where the metric is a mean over images; otherwise
    `interval(predictions, alpha) -> (low, high)` for the population, wrong on each side with probability at most `alpha`.

    `NEEDS_LOGITS = True` says that it reads `predictions.logits`. A metric that is a function of sums over images holds also
    `sums(predictions) -> float64 array`, additive over images, and `of_sums(sums) -> float`: then it can be taken of a stream
    (`Stream`), in memory that does not grow with the images.
    """

    def __call__(self, predictions: Predictions) -> float:
        """The metric on exactly these images."""
        ...


@runtime_checkable
class Summary(Protocol):
    """One number from several conditions.

    The file may hold `METRIC`, the only metric that it makes sense of; `BENCHMARK`, whose corruptions alone it knows; `NEEDS_CLEAN`, where
    it wants the clean condition among the others; `HIGHER_IS_BETTER`, where its number has a unit of its own; and `LINEAR = True`, where
    it is a weighted sum of the values and a constant, so that it is also a mean over images. One that is the worst of several means holds
    `parts(conditions)`, the conditions of each of these.
    """

    def __call__(self, values: Mapping[Condition, float], higher_is_better: bool) -> float:
        """Fold the metric's values, one for each condition."""
        ...


@runtime_checkable
class Recalibration(Protocol):
    """A map on logits, fitted on the calibration images and applied to judged ones."""

    parameters: Mapping[str, float]
    note: str

    def __call__(self, logits: np.ndarray, /) -> np.ndarray:
        """Recalibrated logits `[images, classes]`."""
        ...


@runtime_checkable
class Conformal(Protocol):
    """A conformal predictor. The function named after the file fits it; `fitted(logits, draws)` gives sets of classes."""

    def __call__(
        self, logits: np.ndarray, labels: np.ndarray, alpha: float, draws: np.ndarray
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Fit on calibration images.

        Args:
            logits: `[images, classes]`.
            labels: int `[images]`.
            alpha: a new image's label may be missing with at most this probability.
            draws: float64 `[images]` in (0, 1), one number of each image's own: the only source of randomness.

        Returns:
            From logits `[others, classes]` and their draws `[others]` to sets, bool `[others, classes]`.
        """
        ...


@runtime_checkable
class SetMetric(Protocol):
    """A number for prediction sets. The module also holds `HIGHER_IS_BETTER`, `RANGE`, and `per_image` or `interval` as a metric's does."""

    def __call__(self, sets: PredictionSets) -> float:
        """The metric on exactly these images."""
        ...


@runtime_checkable
class Detector(Protocol):
    """A score that tells familiar images from others. The function named after the file fits it on the calibration images.

    `NEEDS_FEATURES = True` says that it reads features or the head. The file may hold `shown(classifier, images, **options) -> images`,
    what the model is to be shown in place of the images themselves.
    """

    def __call__(self, familiar: Evidence, labels: np.ndarray, head: Head | None, **options: float) -> Callable[[Evidence], np.ndarray]:
        """Fit on familiar images with their labels; returns scores, float64 `[images]`, the **higher** the more familiar."""
        ...


@runtime_checkable
class DetectionMetric(Protocol):
    """How well scores separate two sets of images.

    The module also holds `HIGHER_IS_BETTER`, `RANGE` and `interval(inside, outside, alpha) -> (low, high)`.
    """

    def __call__(self, inside: np.ndarray, outside: np.ndarray) -> float:
        """From the scores of familiar and of other images, the higher the more familiar."""
        ...


@runtime_checkable
class Diagnostic(Protocol):
    """A measurement of a model that is neither a perturbation with a right answer nor an attack on accuracy.

    The file also holds `COLUMNS`, a literal: from each name of a number to whether higher is better (`True`, `False`) or neither (`None`).
    """

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, logits: Logits, noise: Noise, **options: object
    ) -> Mapping[str, PerImage]:
        """Numbers of every image, named as in `COLUMNS`, finite.

        Args:
            model: in eval mode, without parameter gradients; images in [0, 1] to logits. May be called with any number of images.
            images: float32.
            labels: the true classes.
            logits: the model's answers to the images.
            noise: the only source of randomness allowed.
            options: the diagnostic's own.
        """
        ...
