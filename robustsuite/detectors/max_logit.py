"""The largest logit (Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings", arXiv:1911.11132)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.predictions import Evidence, Head


def max_logit(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`max_k z_k`, unbounded. Nothing is fitted.

    A constant added to the logits of all images changes no ranking; one added to those of a single image moves it.
    """
    return lambda evidence: by_rows(lambda logits: logits.max(axis=1), evidence.logits)
