"""Coverage class by class."""

import numpy as np

from robustsuite.predictions import PredictionSets


def by_class(sets: PredictionSets) -> tuple[np.ndarray, np.ndarray]:
    """Of every class that has an image: how many of its images are covered, and how many there are, int64 `[classes with images]`."""
    images = np.bincount(sets.labels)
    covered = np.bincount(sets.labels, weights=sets.covered).astype(np.int64)
    return covered[images > 0], images[images > 0]
