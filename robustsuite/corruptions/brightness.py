"""A constant added to the value channel of HSV.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch

from robustsuite.numerics.levels import to_unit
from robustsuite.roles import Images, Levels, Noise

BENCHMARKS = ("imagenet-c",)
GROUP = "weather"

ADDED = {  # to the value V = max(R, G, B), on the [0, 1] scale, severity 1 to 5
    "imagenet": (0.1, 0.2, 0.3, 0.4, 0.5),
    "imagenet-299": (0.1, 0.2, 0.3, 0.4, 0.5),
    "tiny": (0.1, 0.2, 0.3, 0.4, 0.5),
    "cifar": (0.05, 0.1, 0.15, 0.2, 0.3),
}


def brightness(levels: Levels, severity: int, noise: Noise, profile: str) -> Images:
    """V becomes V' = min(V + added, 1); hue and saturation are kept, which scales all three channels by V' / V.

    A black pixel has no hue to keep and becomes the grey V'.
    """
    images = to_unit(levels, torch.float64)
    value = images.amax(dim=1, keepdim=True)
    brighter = (value + ADDED[profile][severity - 1]).clamp(max=1)
    # Through the saturation, (V - images) / V, as the benchmark does, and not by V' / V: where the answer is a whole level,
    # the order of the roundings decides on which side of it float64 falls.
    saturation = torch.where(value > 0, (value - images) / value, 0)
    return brighter * (1 - saturation)
