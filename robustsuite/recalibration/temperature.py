"""Temperature scaling: all logits divided by one number fitted on held-out images (Guo et al. 2017, arXiv:1706.04599)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

import numpy as np
from scipy.special import softmax

# Of the inverse temperature, in units of the largest difference of logits; a fit that ends here has no finite answer.
LOWEST, HIGHEST = log(1e-3), log(1e5)


@dataclass(frozen=True)
class Temperature:
    """Divides logits by `value`. `note` says so where no temperature minimises the loss."""

    value: float
    note: str = ""

    @property
    def parameters(self) -> Mapping[str, float]:
        """The fitted number, by its name."""
        return {"temperature": self.value}

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Recalibrated logits, float64 `[images, classes]`; their order, and so the accuracy, is unchanged."""
        return np.asarray(logits, dtype=np.float64) / self.value


def temperature(logits: np.ndarray, labels: np.ndarray) -> Temperature:
    """The temperature that minimises the mean negative log-likelihood of `labels` given `logits / temperature`.

    Newton's method in the logarithm of the inverse temperature b, safeguarded by a bracket: the loss is convex in b, with
    slope `E[z] - z_label` and curvature `Var[z]` under the softmax of `b z`. Works on logits in float64, never on
    probabilities, whose tails are lost.

    Args:
        logits: `[images, classes]`.
        labels: int `[images]`.

    Returns:
        Temperature 1 with a note where none is best: every image right (the loss falls for ever as T -> 0), or predictions
        no better than uniform ones (T -> infinity).
    """
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    unit = float(np.abs(logits).max()) or 1.0  # the search is for a plain number, whatever the logits are measured in
    logits = logits / unit
    true = logits[np.arange(len(labels)), labels]

    def slope_and_curvature(inverse: float) -> tuple[float, float]:
        probabilities = softmax(inverse * logits, axis=1)
        mean = (probabilities * logits).sum(axis=1)
        variance = (probabilities * logits**2).sum(axis=1) - mean**2
        return float((mean - true).mean()), float(variance.mean())

    if slope_and_curvature(exp(HIGHEST))[0] <= 0:
        return Temperature(1.0, "no temperature is best: every calibration image is right, and the loss falls for ever as T falls to 0")
    if slope_and_curvature(exp(LOWEST))[0] >= 0:
        return Temperature(1.0, "no temperature is best: the predictions are no better than uniform ones on the calibration images")
    low, high, position = LOWEST, HIGHEST, 0.0
    for _ in range(100):
        inverse = exp(position)
        slope, curvature = slope_and_curvature(inverse)
        # Derivatives in log b: first b * slope, second b * slope + b^2 * curvature.
        bend = slope + inverse * curvature
        proposal = position - slope / bend if bend > 0 else (low + high) / 2
        if abs(proposal - position) < 1e-12:
            break
        low, high = (position, high) if slope < 0 else (low, position)
        position = proposal if low < proposal < high else (low + high) / 2
    return Temperature(unit * exp(-position))
