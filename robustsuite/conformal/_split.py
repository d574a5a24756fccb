"""Split conformal prediction with any score: what is left for a method to say is how strange a class is on an image."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax

from robustsuite.numerics.exchangeable import limit

ROWS = 1024  # images at a time, so that memory does not grow with them

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From log-probabilities float64 `[images, classes]` and draws `[images]` to scores of that shape, the higher the stranger."""

Sets = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From logits `[images, classes]` and draws `[images]` to bool `[images, classes]`."""


def split_conformal(score: Score, logits: np.ndarray, labels: np.ndarray, alpha: float, draws: np.ndarray) -> Sets:
    """The predictor whose sets hold the classes with scores up to the limit that the calibration images' own labels set."""

    def scored(others: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return score(log_softmax(np.asarray(others, dtype=np.float64), axis=1), draws)

    parts = [slice(row, row + ROWS) for row in range(0, len(labels), ROWS)]
    own = [np.take_along_axis(scored(logits[rows], draws[rows]), labels[rows, None], axis=1)[:, 0] for rows in parts]
    highest = limit(np.concatenate([np.zeros(0), *own]), alpha)

    def sets(others: np.ndarray, draws: np.ndarray) -> np.ndarray:
        held = np.empty(others.shape, dtype=bool)
        for row in range(0, len(others), ROWS):
            held[row : row + ROWS] = scored(others[row : row + ROWS], draws[row : row + ROWS]) <= highest
        return held

    return sets
