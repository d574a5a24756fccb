"""A layer of snow in front of an image."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels

RED, GREEN, BLUE = (float(np.float32(weight)) for weight in (0.299, 0.587, 0.114))  # of the grey value, in float32


def behind_snow(levels: Levels, layer: Float[Tensor, "batch 1 height width"], kept: float) -> Images:
    """`kept * image + (1 - kept) * max(image, 1.5 * grey + 0.5) + layer + layer upside down`, on the [0, 1] scale; float64.

    The benchmark whitens the image in float32 and adds the layer in float64. OpenCV's grey value is rounded after
    `GREEN * green`, after adding `RED * red` to it, and after adding `BLUE * blue`; the products in between are exact.
    """
    image = to_unit(levels)
    red, green, blue = image.split(1, dim=1)
    grey = (green * GREEN).double().add_(red, alpha=RED).float()
    grey = grey.double().add_(blue, alpha=BLUE).float()
    white = torch.maximum(image, grey.mul_(1.5).add_(0.5)).mul_(1 - kept)
    return image.mul_(kept).add_(white).add(layer).add_(layer.flip(2, 3))
