"""Mahalanobis distance of the features to the nearest class (Lee et al. 2018, arXiv:1807.03888, equation 2)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows, features_of, fitted_on
from robustsuite.detectors._gaussians import gaussians
from robustsuite.predictions import Evidence, Head

NEEDS_FEATURES = True


def mahalanobis(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`-min_k (f - m_k)' S^-1 (f - m_k)`, at most 0: m_k are the means of the labelled classes, S is the covariance around them.

    The paper's score of the last features alone, without its moved images and its regression over layers. Logits are not read.
    A class without familiar images has no mean; where S cannot be inverted it is shrunk (see `_gaussians`). Raises `LookupError`
    without features and `UsageError` without familiar images.
    """
    fitted_on(familiar, "mahalanobis")
    classes = gaussians(features_of(familiar, "mahalanobis").astype(np.float64), labels)
    return lambda evidence: by_rows(lambda found: -classes.distances(found).min(axis=1), features_of(evidence, "mahalanobis"))
