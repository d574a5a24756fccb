"""The negative free energy of the logits (Liu et al. 2020, "Energy-based Out-of-distribution Detection", arXiv:2010.03759)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.detectors._probabilities import log_sum_exp
from robustsuite.errors import UsageError
from robustsuite.predictions import Evidence, Head


def energy(familiar: Evidence, labels: np.ndarray, head: Head | None, temperature: float = 1.0) -> Callable[[Evidence], np.ndarray]:
    """`T log sum_k exp(z_k / T)`, unbounded. Nothing is fitted.

    A constant added to the logits of all images changes no ranking; one added to those of a single image moves it.

    Args:
        familiar: not read.
        labels: not read.
        head: not read.
        temperature: T > 0; the paper recommends 1. Towards 0 the score becomes the largest logit.
    """
    if temperature <= 0:
        raise UsageError(f"expected a temperature above 0 for the detector energy, got {temperature}")
    return lambda evidence: by_rows(lambda logits: temperature * log_sum_exp(logits / temperature), evidence.logits)
