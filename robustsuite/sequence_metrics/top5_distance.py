"""Top-5 distance: how much the five best classes move from frame to frame (Hendrycks & Dietterich 2019, arXiv:1903.12261, section 3).

Published as a ratio to AlexNet's; AlexNet's own numbers are in no public source, so this is the raw distance.
"""

from collections.abc import Sequence

import numpy as np

from robustsuite.predictions import Predictions

HIGHER_IS_BETTER = False
RANGE = (0.0, 15.0)


def per_image(frames: Sequence[Predictions], reference: str) -> np.ndarray:
    """Mean over an image's frames of `sum_k |k - min(rank of the reference's class k, 5)|`, k = 0 to 4; float64 `[images]`.

    The reference is the `previous` frame, or for noise the `first` one. With fewer than five classes, over those there are.
    """
    tops = np.stack([frame.top_classes[:, :5] for frame in frames])
    before = tops[:-1] if reference == "previous" else np.broadcast_to(tops[:1], tops[1:].shape)
    same = before[..., :, None] == tops[1:][..., None, :]  # [frames, images, place before, place now]
    places = np.arange(tops.shape[-1])
    now = np.where(same.any(axis=-1), same.argmax(axis=-1), 5)
    return np.abs(places - now).sum(axis=-1).mean(axis=0)


def top5_distance(frames: Sequence[Predictions], reference: str) -> float:
    """The mean over images, in [0, 15]; 0 is best."""
    return float(per_image(frames, reference).mean())
