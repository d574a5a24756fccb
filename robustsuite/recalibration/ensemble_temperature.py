"""Ensemble temperature scaling: tempered, raw and uniform probabilities mixed (Zhang, Kailkhura & Han 2020, arXiv:2003.07329, 4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import log_softmax

from robustsuite.numerics.newton import bounded_minimum
from robustsuite.recalibration._calibration_set import Unchanged, checked
from robustsuite.recalibration._predictions import keeping_predictions
from robustsuite.recalibration.temperature import temperature

KEEPS_PREDICTIONS = True

HELD = 1e-9  # weight of the squared distance from temperature scaling alone: one answer where tempered and raw are the same
UNLIKELY = 1e-100  # a mixture that gives a label less is not tried: what it costs could not be squared


@dataclass(frozen=True)
class EnsembleTemperature:
    """`tempered softmax(z / temperature) + raw softmax(z) + uniform / classes`; the three weights sum to 1."""

    temperature: float
    tempered: float
    raw: float
    uniform: float
    note: str = ""

    @property
    def parameters(self) -> Mapping[str, float]:
        """The temperature and the weights, by name."""
        return {"temperature": self.temperature, "tempered": self.tempered, "raw": self.raw, "uniform": self.uniform}

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities, float64 `[images, classes]`; of every image the largest is of the same class as before."""
        logits = np.asarray(logits, dtype=np.float64)
        found = np.full(logits.shape, -np.inf)
        for weight, part in (
            (self.tempered, log_softmax(logits / self.temperature, axis=1)),
            (self.raw, log_softmax(logits, axis=1)),
            (self.uniform, -log(logits.shape[1])),
        ):
            if weight:
                found = np.logaddexp(found, log(weight) + part)
        return keeping_predictions(logits, found)


def ensemble_temperature(logits: np.ndarray, labels: np.ndarray) -> EnsembleTemperature | Unchanged:
    """The temperature, and then the weights, that minimise the mean negative log-likelihood of `labels`.

    The temperature is that of temperature scaling, and stays, as in the paper; given it the loss is convex in the weights.
    Temperature scaling alone is weight 1, so the loss on the calibration images never rises above its loss.

    Args:
        logits: `[images, classes]`.
        labels: int `[images]`.

    Returns:
        Logits unchanged, with temperature scaling's note, where it has one.

    Raises:
        UsageError: logits that are not finite or are probabilities; labels that are no classes.
    """
    logits, labels = checked(logits, labels)
    fitted = temperature(logits, labels)
    if fitted.note:
        return Unchanged(fitted.note)
    images, classes = logits.shape
    exact, own = logits.astype(np.float64), np.arange(images)
    tempered, raw = (np.exp(log_softmax(exact / value, axis=1)[own, labels]) for value in (fitted.value, 1.0))
    parts = np.stack([tempered, raw, np.full(images, 1 / classes)], axis=1)

    # The mean loss plus the sum of the weights is least where they sum to 1 by themselves.
    def loss(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        mixed = parts @ weights
        if mixed.min() < UNLIKELY:
            return np.inf, np.zeros(3), np.eye(3)
        away = weights - np.array([1.0, 0.0, 0.0])
        shares = parts / mixed[:, None]
        value = float(weights.sum() - np.log(mixed).mean()) + HELD / 2 * float(away @ away)
        return value, 1 - shares.mean(axis=0) + HELD * away, shares.T @ shares / images + HELD * np.eye(3)

    weights = bounded_minimum(loss, np.full(3, 1 / 3), np.full(3, True))
    return EnsembleTemperature(fitted.value, *(weights / weights.sum()).tolist())
