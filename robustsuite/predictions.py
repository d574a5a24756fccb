"""What is kept of every image a model was shown: enough for every metric, a few dozen bytes, no logits. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from robustsuite.records import Condition


@dataclass(frozen=True)
class Predictions:
    """A model's answers to `images` images, one row each. All logarithms are natural.

    Attributes:
        labels: int16 or int32 `[images]`, the true classes.
        top_classes: int16 or int32 `[images, kept]`, the most probable classes, the best first; ties go to the lower class.
        top_log_probabilities: float32 `[images, kept]`, their log-probabilities.
        label_log_probability: float32 `[images]`, the log-probability of the true class.
        label_rank: int16 or int32 `[images]`, 0 where the true class is the prediction.
        log_sum_exp: float32 `[images]`, of the logits as the model gave them (adding it to a log-probability gives the logit).
        sum_of_squares: float32 `[images]`, of all probabilities (what the Brier score needs of the classes not kept).
        logits: float32 `[images, classes]`, kept only where a metric asks for every class (`NEEDS_LOGITS`).
        right_unmasked: bool `[images]`, whether the largest of all the outputs of an ImageNet model stands for the label; only where the
            data set has other classes than these.
        rivals: int16 or int32 `[images]`, the class that another cue of the image points to, -1 where there is none; only where the
            data set has such.
    """

    labels: np.ndarray
    top_classes: np.ndarray
    top_log_probabilities: np.ndarray
    label_log_probability: np.ndarray
    label_rank: np.ndarray
    log_sum_exp: np.ndarray
    sum_of_squares: np.ndarray
    logits: np.ndarray | None = None
    right_unmasked: np.ndarray | None = None
    rivals: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def prediction(self) -> np.ndarray:
        """The predicted class, `[images]`."""
        return self.top_classes[:, 0]

    @property
    def correct(self) -> np.ndarray:
        """Whether the prediction is the label, bool `[images]`."""
        return self.top_classes[:, 0] == self.labels

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the prediction, float64 `[images]` in (0, 1]."""
        return np.exp(self.top_log_probabilities[:, 0].astype(np.float64))

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """What was kept, by name; one row for each image."""
        return {name: column for name, column in vars(self).items() if column is not None}

    def take(self, rows: np.ndarray) -> "Predictions":
        """The chosen rows (numbers, possibly repeated, or a mask), as for a bootstrap or a subgroup."""
        return Predictions(**{name: column[rows] for name, column in self.columns.items()})


@dataclass(frozen=True)
class PredictionSets:
    """Sets of classes that a conformal predictor gave for `images` images, and what it was made from.

    Attributes:
        labels: int `[images]`, the true classes.
        covered: bool `[images]`, whether the set holds the label.
        sizes: int `[images]`, the number of classes in the set.
        calibrated_on: the number of images that the predictor was fitted on.
        alpha: the error rate that it promises: a new image's label is missing with at most this probability.
    """

    labels: np.ndarray
    covered: np.ndarray
    sizes: np.ndarray
    calibrated_on: int
    alpha: float

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Evidence:
    """What a detector of unfamiliar images sees of `images` images.

    Attributes:
        logits: float32 `[images, classes]`.
        features: float32 `[images, width]`, the input of the model's last linear layer; `None` where no detector asks for them.
    """

    logits: np.ndarray
    features: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True)
class Head:
    """A model's last linear layer: `logits = features @ weight.T + bias`. float32 `[classes, width]` and `[classes]`."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What became of the judged images of one condition on one model, as far as they have been shown.

    Attributes:
        model: the model's alias.
        condition: what it was shown.
        rows: int64 `[images]`, the numbers of the images in the data set, ascending.
        predictions: aligned with `rows`; `None` where there are none, or none that could be right or wrong.
        recalibrated: the predictions after each fitted recalibration, by its name, aligned with `rows`.
        measured: other numbers of every image, by name, each one-dimensional and aligned with `rows`: a diagnostic's columns; `score X`
            of a detector X; `covered X`, `size X` and `fitted_on X` of a conformal predictor X (see `PredictionSets`).
        expected: how many judged images the data set has; fewer rows mean that the run was cut short.
        distance: float32 `[images]`, the perturbation's size in the threat model's norm; attacks only.
        counts: what an attack spent on these images, and how it went; see `AttackResult.counts`.
        error: why the condition could not be evaluated; empty where it could.
        arrival: int64 `[images]`, aligned with `rows`: the places in the random order of all images, or of all (image, condition) pairs
            of the data set; only where a run may stop before the last one.
        groups: by attribute, the name of the group that each image belongs to, str `[images]`, aligned with `rows`.
    """

    model: str
    condition: Condition
    rows: np.ndarray
    predictions: Predictions | None
    expected: int
    recalibrated: Mapping[str, Predictions] = field(default_factory=dict)
    distance: np.ndarray | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    measured: Mapping[str, np.ndarray] = field(default_factory=dict)
    arrival: np.ndarray | None = None
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every judged image has been shown."""
        return not self.error and len(self.rows) == self.expected

    def take(self, places: np.ndarray) -> "Outcome":
        """Some of the rows (numbers or a mask), with all that is known of them; as many are expected as before."""
        arrays = {name: column[places] for name in ("distance", "arrival") if (column := getattr(self, name)) is not None}
        return replace(
            self,
            rows=self.rows[places],
            predictions=self.predictions and self.predictions.take(places),
            recalibrated={name: part.take(places) for name, part in self.recalibrated.items()},
            measured={name: column[places] for name, column in self.measured.items()},
            groups={attribute: belongs[places] for attribute, belongs in self.groups.items()},
            **arrays,
        )


@dataclass(frozen=True)
class CalibrationLogits:
    """What a model said of calibration images, shown clean: the only full logits that are kept.

    `rows` int64 `[images]`, `labels` int64 `[images]`, `logits` float32 `[images, classes]`.
    """

    model: str
    dataset: str
    rows: np.ndarray
    labels: np.ndarray
    logits: np.ndarray

    @staticmethod
    def join(parts: Sequence["CalibrationLogits"]) -> "CalibrationLogits":
        """The parts of one model and data set as one, by ascending row."""
        rows = np.concatenate([part.rows for part in parts])
        order = np.argsort(rows)
        columns = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("labels", "logits"))
        return CalibrationLogits(parts[0].model, parts[0].dataset, rows[order], *columns)


@dataclass(frozen=True)
class Picture:
    """An image as a model was shown it: uint8 `[3, height, width]`. `model` is empty where every model saw the same.

    `heat` uint8 `[height, width]` is what the model looked at, where that was asked; see `explaining.heat`.
    """

    row: int
    condition: Condition
    pixels: np.ndarray
    model: str = ""
    heat: np.ndarray | None = None


@dataclass(frozen=True)
class Block:
    """What one step of a run found out: parts of outcomes, about the same few images.

    `notes` are sentences for the reader of the report; `facts` go into its provenance.
    """

    dataset: str
    images: int
    outcomes: tuple[Outcome, ...] = ()
    calibration: tuple[CalibrationLogits, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
