"""Keeping the predicted class where a map that is monotone on paper rounds two classes to the same number."""

import numpy as np


def keeping_predictions(logits: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after`, changed in place so that every image's largest logit is of the same class as in `logits`; ties go to the lower class."""
    if after.size:
        predictions = logits.argmax(axis=1)
        rows = np.flatnonzero(after.argmax(axis=1) != predictions)
        after[rows, predictions[rows]] = np.nextafter(after[rows].max(axis=1), np.inf)
    return after
