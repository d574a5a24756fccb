"""Between the 256 levels that a benchmark stores and the [0, 1] that everything else works in."""

import torch

from robustsuite.roles import Images, Levels


def to_unit(levels: Levels, dtype: torch.dtype = torch.float32) -> Images:
    """uint8 levels to [0, 1]: float32 for a model, float64 for a corruption."""
    return levels.to(dtype).div_(255)


def to_levels(images: Images) -> Levels:
    """Images to uint8 levels: clipped to [0, 1], times 255, rounded **down**, as ImageNet-C's code does (`np.uint8(x)`)."""
    return (images.clamp(0, 1) * 255).to(torch.uint8)
