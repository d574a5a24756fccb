"""Whether what lies in a run's folder is what a run writes. A checksum tells damage; records of others may also have been made up."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from robustsuite.predictions import Block, CalibrationLogits, Outcome, Picture, Predictions
from robustsuite.records import Status

Text = Annotated[str, Field(max_length=1_000_000)]
Count = Annotated[int, Field(ge=0)]


class _Told(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _SuiteFile(_Told):
    path: Text
    text: Text


class _Decision(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    target: Literal["test-set", "population"]
    alpha: float = Field(gt=0, lt=0.5)
    inconclusive: Literal["hold", "fail", "warn"]
    stop: Literal["never", "decided"]


class _Groups(_Told):
    names: list[str]
    codes: list[Count]

    @model_validator(mode="after")
    def _named(self) -> "_Groups":
        if self.codes and max(self.codes) >= len(self.names):
            raise ValueError("a group without a name")
        return self


class _Data(_Told):
    dataset: Text
    ids: list[str]
    classes: list[str]
    judged: Count
    calibration: Count
    groups: dict[str, _Groups] = {}
    several_right: bool = False

    @model_validator(mode="after")
    def _one_for_each(self) -> "_Data":
        if any(len(each.codes) != len(self.ids) for each in self.groups.values()):
            raise ValueError("groups of other images")
        if self.judged + self.calibration > len(self.ids):
            raise ValueError("more images judged than there are")
        return self


class _Measured(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    metric: str
    value: float
    low: float
    high: float
    samples: int


class _Verdict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    check: str
    model: str
    status: Status
    reason: str
    measurement: _Measured | None = None
    gate: str = ""
    threshold: float | None = None
    metric: str = ""
    required: bool = True


class _Description(_Told):
    """What `Run` and `rejudge` write into `run-<part>.json`; further keys may stand beside these."""

    suite: _SuiteFile
    decision: _Decision
    finished: bool
    broken: Text
    selected: dict[str, list[str]]
    conditions: list[str]
    data: dict[str, _Data]
    notes: list[str]
    decided: list[_Verdict] = []
    skipped: list[_Verdict] = []
    protocol: dict[str, str] = {}
    shard: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] = [1, 1]
    blocks: Count = 0
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _of_known_data(self) -> "_Description":
        if lost := next((one for one in self.conditions if one.partition("/")[0] not in self.data), None):
            raise ValueError(f"no data of the condition {lost!r}")
        if type(self.provenance.get("seed")) is not int:
            raise ValueError("no seed")
        return self


def check_description(told: Mapping[str, Any]) -> None:
    """Raises `ValueError` for what no run says of itself, naming the first place."""
    try:
        _Description.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def check_heading(block: Block) -> None:
    """Raises `ValueError` for what no run writes at the head of a block."""
    told = [block.dataset, *block.notes, *block.facts, *block.facts.values()]
    told += [text for one in block.outcomes for text in (one.model, one.error)] + [one.model for one in block.calibration]
    if not all(type(text) is str for text in told) or type(block.images) is not int or block.images < 0:
        raise ValueError("something else than texts and a number of images at its head")


def check_outcome(outcome: Outcome, data: Mapping[str, Any]) -> None:
    """Raises `ValueError` for what no run finds out about images of a data set, which is as in a description; rows ascend."""
    _check_rows(outcome.rows, data)
    if type(outcome.expected) is not int or not len(outcome.rows) <= outcome.expected <= len(data["ids"]):
        raise ValueError(f"{outcome.expected} images expected of {len(data['ids'])}")
    if type(outcome.error) is not str or not all(type(count) is int for count in outcome.counts.values()):
        raise ValueError("an error or counts of another type")
    further = {"distance": outcome.distance, "arrival": outcome.arrival, **outcome.measured}
    for name, column in further.items():
        if column is not None and (column.shape != outcome.rows.shape or column.dtype.kind not in "fiub"):
            raise ValueError(f"{name} of shape {column.shape} and type {column.dtype}")
    for predictions in (outcome.predictions, *outcome.recalibrated.values()):
        if predictions is not None:
            _check_predictions(predictions, len(outcome.rows), len(data["classes"]))


def _check_predictions(predictions: Predictions, images: int, classes: int) -> None:
    for name, kind in KINDS.items():
        column = getattr(predictions, name)
        if column is None:
            continue
        dimensions = 2 if name in ("top_classes", "top_log_probabilities", "logits") else 1
        if column.ndim != dimensions or len(column) != images or column.dtype.kind != kind or not column[:1].size >= min(images, 1):
            raise ValueError(f"{name} of shape {column.shape} and type {column.dtype}")
        low, high = (column.min(), column.max()) if column.size else (0, 0)
        if not (-np.inf < low and high < np.inf):  # NaN too
            raise ValueError(f"{name} that is not finite")
        if kind == "i" and (low < -1 or (classes and name != "label_rank" and high >= classes)):
            raise ValueError(f"{name} beyond the {classes} classes")
        if "log_probabilit" in name and high > ROUNDING:
            raise ValueError(f"{name} above 0")
    if predictions.top_classes.shape != predictions.top_log_probabilities.shape:
        raise ValueError("top_classes without their probabilities")


KINDS = {field.name: "i" for field in fields(Predictions) if field.name in ("labels", "top_classes", "label_rank", "rivals")}
KINDS |= {"right_unmasked": "b"}
KINDS |= {field.name: "f" for field in fields(Predictions) if field.name not in KINDS}
"""The kind of numbers in each column of `Predictions`, as numpy calls it."""
ROUNDING = 1e-4


def check_calibration(part: CalibrationLogits, data: Mapping[str, Any]) -> None:
    """The same for calibration logits."""
    _check_rows(part.rows, data)
    if part.labels.shape != part.rows.shape or part.labels.dtype.kind != "i" or part.logits.ndim != 2 or part.logits.dtype.kind != "f":
        raise ValueError(f"calibration labels of shape {part.labels.shape} and logits of shape {part.logits.shape}")
    if len(part.logits) != len(part.rows) or not part.logits.shape[1] or not np.isfinite(part.logits).all():
        raise ValueError("calibration logits that are not finite, or not of these images")
    if part.labels.size and not 0 <= part.labels.min() <= part.labels.max() < part.logits.shape[1]:
        raise ValueError("calibration labels beyond the logits")


def check_picture(picture: Picture, data: Mapping[str, Any]) -> None:
    """The same for a picture."""
    if type(picture.row) is not int or not 0 <= picture.row < len(data["ids"]) or type(picture.model) is not str:
        raise ValueError(f"a picture of image {picture.row}")
    if picture.pixels.dtype != np.uint8 or picture.pixels.ndim != 3 or len(picture.pixels) != 3 or not picture.pixels.size:
        raise ValueError(f"a picture of shape {picture.pixels.shape} and type {picture.pixels.dtype}")
    if (heat := picture.heat) is not None and (heat.dtype != np.uint8 or heat.shape != picture.pixels.shape[1:]):
        raise ValueError(f"what a model looked at, of shape {heat.shape} and type {heat.dtype}")


def _check_rows(rows: np.ndarray, data: Mapping[str, Any]) -> None:
    if rows.ndim != 1 or rows.dtype.kind != "i" or not (rows[1:] > rows[:-1]).all():
        raise ValueError(f"rows of shape {rows.shape} and type {rows.dtype}, or one of them twice")
    if rows.size and not 0 <= rows[0] <= rows[-1] < len(data["ids"]):
        raise ValueError(f"rows beyond the {len(data['ids'])} images")
