"""The top-5 distance over that of a control, in the publication AlexNet (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3).

AlexNet's own numbers are in no public source: measure them with `top5_distance` on the same images, and give them as `control`.
"""

from collections.abc import Sequence

import numpy as np

from robustsuite.predictions import Predictions
from robustsuite.sequence_metrics import top5_distance

HIGHER_IS_BETTER = False
RANGE = (0.0, float("inf"))


def per_image(frames: Sequence[Predictions], reference: str, control: float = 1.0) -> np.ndarray:
    """An image's top-5 distance over the control's mean; float64 `[images]`."""
    return top5_distance.per_image(frames, reference) / control


def relative_top5_distance(frames: Sequence[Predictions], reference: str, control: float = 1.0) -> float:
    """The mean over images; 1 is as stable as the control, 0 is best. `control` is its top-5 distance, above 0."""
    return float(per_image(frames, reference, control).mean())
