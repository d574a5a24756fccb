"""The middle of an image, magnified."""

from math import ceil

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def magnified(
    images: Float[Tensor, "batch channels height width"], factor: float
) -> Float[Tensor, "batch channels magnified_height magnified_width"]:
    """The central `ceil(side / factor)` pixels of each side, stretched to `round(that * factor)`, a few more than `side`.

    Linear interpolation, corner pixels to corner pixels, as `scipy.ndimage.zoom(order=1)` does it. (Where rounding takes scipy
    past the last pixel it writes a black row; the published sizes know no such case, and it is not followed here.)
    """
    crop = [ceil(side / factor) for side in images.shape[-2:]]
    top, left = ((side - kept) // 2 for side, kept in zip(images.shape[-2:], crop, strict=True))
    middle = images[..., top : top + crop[0], left : left + crop[1]]
    return F.interpolate(middle, size=[round(side * factor) for side in crop], mode="bilinear", align_corners=True)


def magnified_in_frame(images: Float[Tensor, "batch channels height width"], factor: float) -> Float[Tensor, "batch channels height width"]:
    """The `magnified` images cut to their old size, centred, by hendrycks/robustness's function `clipped_zoom`.

    The benchmark knows square images only; here each side is cropped for itself.
    """
    height, width = images.shape[-2:]
    larger = magnified(images, factor)
    top, left = (larger.shape[-2] - height) // 2, (larger.shape[-1] - width) // 2
    return larger[..., top : top + height, left : left + width]
