"""Flip probability: how often the prediction changes from frame to frame (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3).

Published as a ratio to AlexNet's (the flip rate); AlexNet's own numbers are in no public source, so this is the raw probability.
"""

from collections.abc import Sequence

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 1.0)


def per_image(frames: Sequence[Predictions], reference: str) -> np.ndarray:
    """Share of an image's frames whose prediction is not the reference's; float64 `[images]`.

    The reference is the `previous` frame, or for noise the `first` one: consecutive frames of noise have nothing in common.
    """
    predictions = np.stack([frame.prediction for frame in frames])
    before = predictions[:-1] if reference == "previous" else predictions[:1]
    return (predictions[1:] != before).mean(axis=0)


def flip_probability(frames: Sequence[Predictions], reference: str) -> float:
    """The mean over images, in [0, 1]; 0 is best."""
    return float(per_image(frames, reference).mean())
