"""Mahalanobis distance to the nearest class beyond that to all images (Ren et al. 2021, arXiv:2106.09022)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows, features_of, fitted_on
from robustsuite.detectors._gaussians import gaussians
from robustsuite.predictions import Evidence, Head

NEEDS_FEATURES = True


def relative_mahalanobis(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`-min_k (D_k - D_0)`, unbounded: D_k as of `mahalanobis`, D_0 the same distance to one Gaussian of all familiar images.

    Directions that tell no classes apart cancel. Logits are not read; degenerate sets are treated as by `mahalanobis`, either
    covariance by itself. With a single class it is 0 for every image. Raises `LookupError` without features and `UsageError` without
    familiar images.
    """
    fitted_on(familiar, "relative_mahalanobis")
    features = features_of(familiar, "relative_mahalanobis").astype(np.float64)
    classes, background = gaussians(features, labels), gaussians(features, np.zeros_like(labels))

    def score(found: np.ndarray) -> np.ndarray:
        return background.distances(found)[:, 0] - classes.distances(found).min(axis=1)

    return lambda evidence: by_rows(score, features_of(evidence, "relative_mahalanobis"))
