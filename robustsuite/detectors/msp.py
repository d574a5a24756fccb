"""Maximum softmax probability, the baseline (Hendrycks & Gimpel 2017, arXiv:1610.02136)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.detectors._probabilities import log_probabilities
from robustsuite.predictions import Evidence, Head


def msp(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """The **logarithm** of the largest softmax probability, in [-log classes, 0]. Nothing is fitted.

    The logarithm ranks as the probability does, but tells apart confidences that are rounded to 1. A constant added to all
    logits of an image changes nothing.
    """
    return lambda evidence: by_rows(lambda logits: log_probabilities(logits).max(axis=1), evidence.logits)
