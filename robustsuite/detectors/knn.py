"""Distance to the k-th nearest familiar image in feature space (Sun et al. 2022, arXiv:2204.06507)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows, features_of, fitted_on
from robustsuite.errors import UsageError
from robustsuite.predictions import Evidence, Head

NEEDS_FEATURES = True

CELLS = 2**22  # distances at a time, 32 MB


def knn(familiar: Evidence, labels: np.ndarray, head: Head | None, k: int = 50) -> Callable[[Evidence], np.ndarray]:
    """`-|z - z_(k)|`, in [-2, 0]: z is the feature vector divided by its length, z_(k) the k-th nearest of the familiar ones.

    Exact, by all distances in blocks. Logits are not read. A vector of zeros stays one.

    Args:
        familiar: the images to be near to.
        labels: only counted: see `k`.
        head: not read.
        k: 50, 200 and 1000 in the paper for the training images of CIFAR-10, CIFAR-100 and ImageNet, always less than there are of
            a class. Where classes have fewer familiar images on average, that many (at least 1): the next ones are of other classes,
            which are far from every image.

    Raises:
        LookupError: no features.
        UsageError: no familiar images, or `k` below 1.
    """
    if k < 1:
        raise UsageError(f"expected k of at least 1 for the detector knn, got {k}")
    fitted_on(familiar, "knn")
    bank = _unit(features_of(familiar, "knn").astype(np.float64))
    lengths = (bank**2).sum(axis=1)
    place = max(min(k, len(bank) // len(np.unique(labels))), 1) - 1

    def score(features: np.ndarray) -> np.ndarray:
        points = _unit(features)
        squares = (points**2).sum(axis=1, keepdims=True) + lengths - 2 * points @ bank.T
        return -np.sqrt(np.maximum(np.partition(squares, place, axis=1)[:, place], 0))  # which rounding may take below 0

    rows = max(CELLS // len(bank), 1)
    return lambda evidence: by_rows(score, features_of(evidence, "knn"), rows=rows)


def _unit(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
