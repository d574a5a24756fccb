"""Rectified activations, ReAct: energy of logits from clipped features (Sun, Guo & Li 2021, arXiv:2111.12797)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows, features_of, fitted_on, head_of
from robustsuite.detectors._probabilities import log_sum_exp
from robustsuite.errors import UsageError
from robustsuite.predictions import Evidence, Head

NEEDS_FEATURES = True


def react(familiar: Evidence, labels: np.ndarray, head: Head | None, percentile: float = 90.0) -> Callable[[Evidence], np.ndarray]:
    """`log sum_k exp(W min(f, c) + b)_k`, unbounded: c is a percentile of all values of all familiar features.

    The logits of the evidence are not read; a constant added to the bias changes no ranking.

    Args:
        familiar: the images whose features set the limit.
        labels: not read.
        head: the model's last linear layer.
        percentile: in [0, 100], 90 in the paper, interpolated; at 100 familiar images keep their energy.

    Raises:
        LookupError: no features, or no head.
        UsageError: no familiar images, or a percentile out of range.
    """
    if not 0 <= percentile <= 100:
        raise UsageError(f"expected a percentile from 0 to 100 for the detector react, got {percentile}")
    fitted_on(familiar, "react")
    weight, bias = head_of(head, "react")
    limit = np.percentile(features_of(familiar, "react"), percentile).astype(np.float64)

    def score(features: np.ndarray) -> np.ndarray:
        return log_sum_exp(np.minimum(features, limit) @ weight.T + bias)

    return lambda evidence: by_rows(score, features_of(evidence, "react"))
