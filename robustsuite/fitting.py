"""What is fitted on calibration images, and what it makes of a model's other answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from robustsuite.catalog import constant, find, module
from robustsuite.numerics.condense import condense
from robustsuite.numerics.random import keyed
from robustsuite.predictions import CalibrationLogits, Evidence, Predictions
from robustsuite.records import Conformed, Detection, Plan

Recalibrate = Callable[[np.ndarray], np.ndarray]
Conform = Callable[[np.ndarray, np.ndarray], np.ndarray]
Score = Callable[[Evidence], np.ndarray]


@dataclass(frozen=True)
class Fits:
    """What was fitted on the calibration images of one data set for one model, and on how many of them."""

    recalibrations: Mapping[str, Recalibrate] = field(default_factory=dict)
    conformed: Mapping[Conformed, Conform] = field(default_factory=dict)
    detectors: Mapping[Detection, Score] = field(default_factory=dict)
    images: int = 0

    def recalibrated(self, logits: np.ndarray, labels: np.ndarray, whole: bool) -> dict[str, Predictions]:
        """The predictions after each recalibration; with every logit where `whole`."""
        found: dict[str, Predictions] = {}
        for method, recalibrate in self.recalibrations.items():
            mapped = torch.from_numpy(np.asarray(recalibrate(logits), dtype=np.float64))
            after = condense(mapped, torch.from_numpy(labels).long(), kept=1)
            found[method] = replace(after, logits=mapped.float().numpy()) if whole else after
        return found

    def sets(self, wanted: Iterable[Conformed], logits: np.ndarray, labels: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
        """What the prediction sets hold, as `Outcome.measured` names it; `draws` has a number in (0, 1) of each image's own."""
        found: dict[str, np.ndarray] = {}
        for one in wanted:
            if one in self.conformed:
                held = self.conformed[one](logits, draws)
                found |= {f"covered {one}": held[np.arange(len(labels)), labels], f"size {one}": held.sum(axis=1).astype(np.int32)}
                found[f"fitted_on {one}"] = np.full(len(labels), self.images, dtype=np.int32)
        return found


def fitted(plan: Plan, calibration: CalibrationLogits, draws: np.ndarray, detectors: Mapping[Detection, Score]) -> Fits:
    """The plan's recalibrations and conformal predictors, fitted.

    Args:
        plan: what is wanted.
        calibration: what the model said of all calibration images.
        draws: a number in (0, 1) of each of these images' own.
        detectors: fitted already, for most of them see more than logits.
    """
    return Fits(
        {method: find("recalibration", method)(calibration.logits, calibration.labels) for method in plan.recalibrations},
        {
            one: find("conformal", one.conformal)(calibration.logits, calibration.labels, one.error, draws, **dict(one.options))
            for one in plan.via
            if isinstance(one, Conformed)
        },
        detectors,
        len(calibration.rows),
    )


def detectors_of_logits(plan: Plan, calibration: CalibrationLogits) -> dict[Detection, Score]:
    """The plan's detectors that need neither features nor the model itself, fitted."""
    return {
        one: find("detectors", one.detector)(Evidence(calibration.logits), calibration.labels, None, **dict(one.options))
        for one in plan.via
        if isinstance(one, Detection)
        and not hasattr(module("detectors", one.detector), "shown")
        and not constant("detectors", one.detector, "NEEDS_FEATURES", False)
    }


def draws_of(keys: Tensor, seed: int) -> np.ndarray:
    """A number in (0, 1) of each image's own, for conformal predictors that draw; `keys` as of `image_keys`."""
    return keyed(keys.cpu(), seed, "conformal").uniform(1)[:, 0].double().numpy()
