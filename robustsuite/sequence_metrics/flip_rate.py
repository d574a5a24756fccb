"""Flip rate: the flip probability over a control's, which in the publication is AlexNet (Hendrycks & Dietterich 2019, arXiv:1903.12261).

AlexNet's own numbers are in no public source: measure them with `flip_probability` on the same images, and give them as `control`.
"""

from collections.abc import Sequence

import numpy as np

from robustsuite.predictions import Predictions
from robustsuite.sequence_metrics import flip_probability

HIGHER_IS_BETTER = False
RANGE = (0.0, float("inf"))


def per_image(frames: Sequence[Predictions], reference: str, control: float = 1.0) -> np.ndarray:
    """An image's flip probability over the control's mean; float64 `[images]`."""
    return flip_probability.per_image(frames, reference) / control


def flip_rate(frames: Sequence[Predictions], reference: str, control: float = 1.0) -> float:
    """The mean over images; 1 is as stable as the control, 0 is best. `control` is its flip probability, above 0."""
    return float(per_image(frames, reference, control).mean())
