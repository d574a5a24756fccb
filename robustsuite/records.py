"""What things are: the frozen records that travel along the line from a suite file to a report. No torch, no behaviour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from PIL.Image import Image

Norm = Literal["linf", "l2", "l1", "l0", "spatial"]
Status = Literal["passed", "failed", "inconclusive", "error", "skipped"]
Split = Literal["judged", "calibration"]
Explanation = Literal["none", "eigen-cam", "grad-cam", "hires-cam"]


# ---------------------------------------------------------------------------------------------- what a model is shown


@dataclass(frozen=True)
class ThreatModel:
    """What an attacker may do: move an image by at most `epsilon` in `norm`, on the [0, 1] scale.

    For `l0`, epsilon is a number of pixels; for `spatial`, which turns and shifts, the largest shift as a share of the side.

    `epsilon` is exact (`Fraction("8/255")`), so that two suites that write it differently mean the same condition.
    """

    norm: Norm
    epsilon: Fraction

    def __str__(self) -> str:
        """Norm and radius, as in `linf 8/255` or `l2 0.5`."""
        levels = self.epsilon * 255
        if self.norm == "linf" and levels.denominator == 1:
            return f"linf {levels.numerator}/255"
        return f"{self.norm} {float(self.epsilon):g}"


@dataclass(frozen=True)
class Corrupted:
    """A common corruption at one of the five severities of Hendrycks & Dietterich (2019).

    `as_published` adds the JPEG compression with which the benchmark's files were distributed.
    """

    corruption: str
    severity: int
    as_published: bool = False

    def __str__(self) -> str:
        """Name and severity, as in `fog-3` or `fog-3 as published`."""
        return f"{self.corruption}-{self.severity}{' as published' if self.as_published else ''}"


@dataclass(frozen=True)
class Frame:
    """One frame of a perturbation sequence (ImageNet-P of Hendrycks & Dietterich 2019), made with a profile's constants."""

    sequence: str
    profile: str
    number: int

    def __str__(self) -> str:
        """Sequence, profile and number, as in `tilt-p imagenet frame 7`."""
        return f"{self.sequence}-p {self.profile} frame {self.number}"


@dataclass(frozen=True)
class Attacked:
    """An adversarial attack within a threat model. `options` are the attack's own keyword arguments, sorted by name."""

    attack: str
    threat: ThreatModel
    options: tuple[tuple[str, int | float | bool | str], ...] = ()

    def __str__(self) -> str:
        """Attack, threat model and options, as in `pgd linf 8/255 steps=20`."""
        return " ".join([self.attack, str(self.threat), *(f"{name}={value}" for name, value in self.options)])


@dataclass(frozen=True)
class Diagnosed:
    """A measurement of its own kind, such as `smoothing`; the images are shown as the diagnostic pleases. `options` as of `Attacked`."""

    diagnostic: str
    options: tuple[tuple[str, int | float | bool | str], ...] = ()

    def __str__(self) -> str:
        """Diagnostic and options, as in `ordered_top_k k=5`."""
        return " ".join([self.diagnostic, *(f"{name}={value}" for name, value in self.options)])


@dataclass(frozen=True)
class Grouped:
    """Some of the images of a condition: those of one group of an attribute. Never shown by itself; what is measured is told by it."""

    attribute: str
    group: str

    def __str__(self) -> str:
        """Attribute and group, as in `style=sketch`."""
        return f"{self.attribute}={self.group}"


Perturbation = Corrupted | Frame | Attacked | Diagnosed | Grouped | None


@dataclass(frozen=True)
class Condition:
    """What a model is shown: the judged images of a data set, as they are (`None`), or perturbed."""

    dataset: str
    perturbation: Perturbation = None

    def __str__(self) -> str:
        """`data set/perturbation`, as in `digits/fog-3`; unique within a suite, and stable: it names stored results."""
        return f"{self.dataset}/{self.perturbation or 'clean'}"


@dataclass(frozen=True)
class Preprocessing:
    """How a decoded photo becomes the pixels that the benchmark (or the model) defines, before any perturbation.

    In this order, each step left out when `None`: the central square of `central_fraction` of the shorter side; a resize
    of the shorter side to `resize` pixels; the central `crop` x `crop` pixels. `interpolation` is Pillow's, antialiased.
    All steps `None` shows the images as they are stored.
    """

    central_fraction: float | None = None
    resize: int | None = None
    crop: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __str__(self) -> str:
        """The steps in words, for reports."""
        steps = [
            *([f"central {self.central_fraction:g}"] if self.central_fraction else []),
            *([f"resize {self.resize} {self.interpolation}"] if self.resize else []),
            *([f"crop {self.crop}"] if self.crop else []),
        ]
        return ", ".join(steps) or "as stored"


@dataclass(frozen=True)
class LabelSpace:
    """What the outputs of an ImageNet model mean where a data set has other classes, or fewer.

    Attributes:
        outputs: for each class, the numbers of the outputs (of 1,000) that stand for it; outputs of no class are masked.
        joined: what the outputs of one class amount to: the largest logit (`max`), or the `mean` or `sum` of their probabilities, which
            were made of all 1,000.
    """

    outputs: Sequence[tuple[int, ...]]
    joined: Literal["max", "mean", "sum"] = "max"

    def __str__(self) -> str:
        """How many outputs stand for how many classes, as in `125 outputs for 113 classes, by max`."""
        used = len({output for each in self.outputs for output in each})
        return f"{used:,} outputs for {len(self.outputs):,} classes, by {self.joined}"


@dataclass(frozen=True)
class Dataset:
    """Images that can be read one at a time, in a fixed order, with their labels.

    Attributes:
        name: the catalog's name of the data set.
        ids: one stable, unique name per image (a path relative to the folder); noise and splits are keyed by it.
        labels: int64 `[images]`, an index into `classes`; all -1 where the images have no labels.
        classes: class names in label order; none where the images have no labels.
        read: decodes image number `index` to an RGB Pillow image; raises `EvaluationError` naming an image it cannot read.
        calibration: numbers of the images set aside by the data set itself for fitting; never judged.
        source: where the images came from, for the report.
        space: what an ImageNet model's outputs mean here; `None` where a model's outputs are the classes.
        accepted: for each image, all the classes that are right, where there may be several; its label is the first of them.
        rivals: int64 `[images]`, the class that another cue of the image (its texture) points to, -1 where there is none.
        groups: by attribute (`style`, `hospital`), the group that each image belongs to; an empty name where it belongs to none.
        as_stored: whether the benchmark defines its images as they are stored, never to be resized.
    """

    name: str
    ids: Sequence[str]
    labels: np.ndarray
    classes: Sequence[str]
    read: Callable[[int], Image]
    calibration: Sequence[int] = ()
    source: str = ""
    space: LabelSpace | None = None
    accepted: Sequence[tuple[int, ...]] | None = None
    rivals: np.ndarray | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    as_stored: bool = False


@dataclass(frozen=True)
class Model:
    """A model under test: `classifier` maps images in [0, 1] to logits; `preprocessing` is its own, where it is known."""

    alias: str
    reference: str
    classifier: Callable[..., Any]
    preprocessing: Preprocessing | None = None


@dataclass(frozen=True)
class Settings:
    """How to compute, none of which may change a verdict.

    Attributes:
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:1`.
        batch_size: images decoded and shown at a time; `None` chooses. Halved for as long as memory runs out.
        workers: processes that decode; `None` chooses, 0 decodes in this process.
        amp: automatic mixed precision of the forward passes: `off`, `bf16` or `fp16`.
        seed: of every random draw.
        shuffle: show the images in a random order (fixed by the seed) instead of the data set's own.
        keep: `predictions`, or every image's `logits` too (4 bytes a class), for suites that judge the run's records later.
        shard: which part of the judged images to show, counted from 1, and of how many; `(1, 1)` is all of them.
        unreadable: so many images of each data set may be left out, named, where they cannot be read; more are an error.
        timeout: seconds that a model may take for one pass of a batch; any time where `None`.
        explain: the method by which a report's pictures tell what the model looked at, or `none`.
    """

    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    amp: Literal["off", "bf16", "fp16"] = "off"
    seed: int = 0
    shuffle: bool = False
    keep: Literal["predictions", "logits"] = "predictions"
    shard: tuple[int, int] = (1, 1)
    unreadable: int = 0
    timeout: float | None = None
    explain: Explanation = "none"


# ------------------------------------------------------------------------------------------------- what a suite demands


@dataclass(frozen=True)
class Gate:
    """A threshold. With `relative_to`, the threshold is added to the same metric's value under that condition.

    `no_worse` compares with a stored run: the threshold is how much worse the number may be, in its own unit.
    """

    bound: Literal["at_least", "at_most", "no_worse"]
    threshold: float
    relative_to: Condition | None = None

    def __str__(self) -> str:
        """The demand in the field's signs, as in `≥ 0.9`."""
        if self.bound == "no_worse":
            return f"no worse than baseline by {self.threshold:g}"
        sign = "≥" if self.bound == "at_least" else "≤"
        return f"{sign} {self.relative_to} {self.threshold:+g}" if self.relative_to else f"{sign} {self.threshold:g}"


@dataclass(frozen=True)
class Decision:
    """How a number becomes a verdict.

    Attributes:
        target: `test-set` judges the number on exactly these images; `population` the distribution they came from.
        alpha: the error rate allowed on each side of a `population` interval.
        inconclusive: what an undecided check means for the exit code: `hold` (its own code), `fail` or `warn`.
        stop: `never` shows every image; `decided` shows no further image under a condition whose gates are all certain.
    """

    target: Literal["test-set", "population"] = "test-set"
    alpha: float = 0.05
    inconclusive: Literal["hold", "fail", "warn"] = "hold"
    stop: Literal["never", "decided"] = "never"


@dataclass(frozen=True)
class Detection:
    """Telling familiar images from those of data sets that the model does not know, by a detector's score."""

    detector: str
    options: tuple[tuple[str, int | float | bool | str], ...] = ()

    def __str__(self) -> str:
        """Detector and options, as in `knn k=10`."""
        return " ".join([self.detector, *(f"{name}={value}" for name, value in self.options)])


@dataclass(frozen=True)
class Conformed:
    """Sets of classes that hold the label except with probability `error`, by a conformal predictor."""

    conformal: str
    error: float = 0.1
    options: tuple[tuple[str, int | float | bool | str], ...] = ()

    def __str__(self) -> str:
        """Predictor, error rate and options, as in `raps 0.1`."""
        return " ".join([self.conformal, f"{self.error:g}", *(f"{name}={value}" for name, value in self.options)])


@dataclass(frozen=True)
class Check:
    """One demand on a model; one pytest item. `summary` folds the metric over `conditions` where there are several.

    A check without a gate only measures. One that is not `required` only informs: no exit code depends on it. `line` is where the
    suite file states it. `via` is what makes scores or sets of the model's answers; of a `Detection`, the first condition is the
    familiar one. Of a metric of shifts, the first condition is the control. With `by`, an attribute of the images, the metric is taken
    of every group that has `group_size` images or more, and `summary` folds it over these.
    """

    name: str
    metric: str
    conditions: tuple[Condition, ...]
    gate: Gate | None = None
    summary: str = "mean"
    recalibration: str | None = None
    metric_options: tuple[tuple[str, int | float | bool | str], ...] = ()
    via: Detection | Conformed | None = None
    required: bool = True
    line: int = 0
    by: str = ""
    group_size: int = 50

    @property
    def needed(self) -> tuple[Condition, ...]:
        """What must be evaluated: the conditions, and the one that the gate refers to."""
        return (*self.conditions, *([self.gate.relative_to] if self.gate and self.gate.relative_to else []))


@dataclass(frozen=True)
class DataDemand:
    """A data set that a suite asks for, by the catalog's name.

    Attributes:
        dataset: the catalog's name.
        calibration: the share of its images to set aside for fitting, or `own` where the data set has a split of its own.
        description: for the reader.
        folder: of which of the suite's data sets this one has the folder; empty where it has its own.
        classes: a data set to whose classes the images and the model's outputs are restricted; empty where all count.
        joined: what several outputs of a class amount to, where not as the data set says; see `LabelSpace`.
        optional: whether checks on it are skipped, and not refused, where no folder is given.
        label_errors: whether to estimate which labels of its judged images are wrong.
    """

    dataset: str
    calibration: float | Literal["own"] = 0.0
    description: str = ""
    folder: str = ""
    classes: str = ""
    joined: Literal["", "max", "mean", "sum"] = ""
    optional: bool = False
    label_errors: bool = False


@dataclass(frozen=True)
class Suite:
    """A parsed suite file: pure data. `preprocessing` is `None` where each model brings its own; `text` is the file's."""

    name: str
    title: str
    data: Mapping[str, DataDemand]
    checks: tuple[Check, ...]
    preprocessing: Preprocessing | None = Preprocessing()
    model: str | None = None
    decision: Decision = Decision()
    description: str = ""
    path: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class Plan:
    """What must be computed: the union of what the selected checks need.

    Attributes:
        checks: the selected checks of each model, by alias.
        conditions: in the order of computing: by data set; clean first, then corruptions, then attacks.
        shown: which models are shown each condition.
        calibrated: the data sets of which the calibration images are shown clean, to fit `recalibrations`.
        recalibrations: names in the catalog.
        via: detectors and conformal predictors, to be fitted on the calibration images, and the conditions they are wanted for.
        logits: the conditions of which every logit is kept.
        unfamiliar: the data sets whose classes the model does not know.
        pictured: the conditions of which a report shows pictures.
        sampled: the conditions that are shown to one image at a time, every (image, condition) pair in random order, so that a number
            over all of them is known after few.
    """

    checks: Mapping[str, tuple[Check, ...]]
    conditions: tuple[Condition, ...]
    shown: Mapping[Condition, tuple[str, ...]]
    calibrated: tuple[str, ...] = ()
    recalibrations: tuple[str, ...] = ()
    pictured: tuple[Condition, ...] = ()
    via: Mapping[Detection | Conformed, tuple[Condition, ...]] = field(default_factory=dict)
    logits: tuple[Condition, ...] = ()
    unfamiliar: tuple[str, ...] = ()
    sampled: tuple[Condition, ...] = ()


# ----------------------------------------------------------------------------------------------- what a run finds out


@dataclass(frozen=True)
class Measurement:
    """A number with the interval that the decision used, and the number of images behind it.

    Against the target `test-set` and with every image seen, `low == value == high`.
    """

    metric: str
    value: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class Verdict:
    """What became of a check on a model. `measurement` is absent where nothing could be measured.

    `threshold` is in the metric's own unit, with what the gate is relative to already added; absent where that is unknown.
    """

    check: str
    model: str
    status: Status
    reason: str
    measurement: Measurement | None = None
    gate: str = ""
    threshold: float | None = None
    metric: str = ""
    required: bool = True


@dataclass(frozen=True)
class ConditionResult:
    """Every metric of one model under one condition, for tables and pictures. `error` says why `metrics` is empty."""

    model: str
    condition: Condition
    images: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class GroupResult:
    """The metrics of one model on the clean images of one group."""

    model: str
    dataset: str
    attribute: str
    group: str
    images: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Suspect:
    """A clean image whose label is probably wrong, as a model's own answers have it: its `confidence` is that of the prediction."""

    model: str
    dataset: str
    image: str
    label: str
    prediction: str
    confidence: float
    label_probability: float


@dataclass(frozen=True)
class SuspectCount:
    """How many of the judged images of a data set have a label that is probably wrong, as one model's answers have it."""

    model: str
    dataset: str
    count: int
    images: int


@dataclass(frozen=True)
class Placement:
    """Where a clean accuracy stands among published ones: the nearest model that has no more, and the nearest that has more.

    The name is empty and the accuracy `None` where there is none on that side.
    """

    model: str
    dataset: str
    accuracy: float
    below: str
    below_accuracy: float | None
    above: str
    above_accuracy: float | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence fell into one of the equal-width bins: their mean confidence, accuracy and number.

    `low` to `high` is the consistency band (Broecker & Smith 2007): where the accuracy of a calibrated model's bin would lie
    nine times in ten.
    """

    confidence: float
    accuracy: float
    images: int
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """A model's calibration before and after a recalibration that was fitted on the calibration images alone, which were shown clean.

    `perturbation` is what the judged images were shown under; empty where they were clean.
    """

    model: str
    dataset: str
    recalibration: str
    parameters: Mapping[str, float]
    fitted_on: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    reliability_before: tuple[ReliabilityBin, ...]
    reliability_after: tuple[ReliabilityBin, ...]
    note: str = ""
    perturbation: str = ""
    severity: int = 0


@dataclass(frozen=True)
class RiskAtCoverage:
    """The share of wrong predictions among the most confident `coverage` of the images (Geifman & El-Yaniv 2017)."""

    coverage: float
    risk: float


@dataclass(frozen=True)
class Selection:
    """How a model's errors thin out when it may decline to answer where it is least confident; on clean images."""

    model: str
    dataset: str
    points: tuple[RiskAtCoverage, ...]


@dataclass(frozen=True)
class ClassResult:
    """How often one model was right about the clean images of one class; its `calls` are the images that it gave that class."""

    model: str
    dataset: str
    name: str
    images: int
    correct: int
    calls: int


@dataclass(frozen=True)
class Confusion:
    """Clean images of one class that one model took for another."""

    model: str
    dataset: str
    label: str
    prediction: str
    images: int


@dataclass(frozen=True)
class Difference:
    """A check's number on one model less that on another, or on an earlier run's, on the same images.

    `difference` is `value - baseline_value`, with limits that each hold but with probability alpha. `gained` and `lost` count the images
    (of each condition) that became right and wrong; `None` where the metric is not of right and wrong images. `reason` says why there
    are no numbers, where there are none.
    """

    check: str
    metric: str
    model: str
    baseline: str
    value: float | None = None
    baseline_value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    images: int = 0
    gained: int | None = None
    lost: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Flip:
    """An image that one model has right and the other wrong, under one condition."""

    model: str
    baseline: str
    condition: Condition
    image: str
    label: str
    prediction: str
    baseline_prediction: str


@dataclass(frozen=True)
class Example:
    """One image as one model saw it under one condition. `picture` is a PNG or JPEG, empty where none was kept.

    `heat` is a small grey PNG of the picture's proportions, the brighter, the more the model looked there; empty where it was not asked.
    """

    dataset: str
    image: str
    label: str
    model: str
    perturbation: str
    prediction: str
    confidence: float
    correct: bool
    picture: bytes = field(default=b"", repr=False)
    heat: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Report:
    """Everything a reader may want of a run; every kind of output is written from it alone.

    `higher_is_better` says of each metric in the results which way is better. `suspects` are told up to a number of each model and data
    set, `suspect_counts` in full; `verdicts_without_suspects` are those on checks that lose images with them, judged on all others.
    `classes` and `confusions` are the worst of each model and data set; `differences` and `flips` are those from the baseline, flips up
    to a number; `baseline_results` are its accuracies on the same images, under each condition that both runs measured alike.
    """

    suite: str
    title: str
    models: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    results: tuple[ConditionResult, ...]
    calibrations: tuple[Calibration, ...] = ()
    selections: tuple[Selection, ...] = ()
    groups: tuple[GroupResult, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    suspect_counts: tuple[SuspectCount, ...] = ()
    verdicts_without_suspects: tuple[Verdict, ...] = ()
    placements: tuple[Placement, ...] = ()
    classes: tuple[ClassResult, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    differences: tuple[Difference, ...] = ()
    baseline_results: tuple[ConditionResult, ...] = ()
    flips: tuple[Flip, ...] = ()
    examples: tuple[Example, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decision: Decision = Decision()
    description: str = ""
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    schema_version: int = 2


@dataclass(frozen=True)
class Comparison:
    """Models held against others on the same images, from the records of their runs.

    `sources` says of each model, by what it is called here, where it is from. `differences` are of every check that a pair has,
    `conditions` of the accuracy under each condition (`check` is its name), without limits. `flips` are those of the images that
    flipped under most conditions, up to a number of images. Each limit is wrong with probability at most `alpha`.
    """

    suite: str
    title: str
    sources: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    differences: tuple[Difference, ...]
    conditions: tuple[Difference, ...] = ()
    flips: tuple[Flip, ...] = ()
    alpha: float = 0.05
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
