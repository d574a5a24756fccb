"""Liquid on a lens: where it lies, how it catches the light, how it runs down. On the CPU, one image after another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64
from scipy.ndimage import convolve1d

from robustsuite.numerics.opencv import opencv_to

Layer = Float64[np.ndarray, "height width"]
PURPOSE = "draw drops of water"


def puddles(layer: Layer, sigma: float, limit: float) -> Layer:
    """The layer smoothed by a Gaussian (cut off at 4 sigma, the edge repeated beyond the image), and 0 where it is below the limit."""
    cv2 = opencv_to(PURPOSE)
    radius = int(4 * sigma + 0.5)
    layer = cv2.GaussianBlur(layer, (2 * radius + 1, 2 * radius + 1), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.where(layer < limit, 0, layer)


def gloss(puddles: Layer) -> Float32[np.ndarray, "height width"]:
    """The liquid's thickness times the relief of its rims: whole numbers from 0 on, at any scale.

    The relief is the distance from the rims (Canny's edges), up to 20 pixels, its contrast equalised, embossed, smoothed.
    """
    cv2 = opencv_to(PURPOSE)
    # Beyond 1 the benchmark's bytes wrap around: where the layer is thickest, the drop has a hole.
    drops = (puddles * 255).astype(np.int64).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    embossed = cv2.filter2D(distance, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    return drops * cv2.blur(embossed, (3, 3)).astype(np.float32)


def run_down(puddles: Layer, shares: Sequence[float]) -> Layer:
    """Every row's liquid shared out: of two shares one stays and one goes a row down; of four, the first goes a row up.

    As `np.convolve(column, shares, mode="same")` of every column; what leaves the image is lost.
    """
    return convolve1d(puddles, shares, axis=0, mode="constant", origin=-1)
