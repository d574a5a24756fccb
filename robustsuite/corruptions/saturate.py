"""Saturation multiplied, then raised, in HSV.

ImageNet-C: Hendrycks & Dietterich 2019, arXiv:1903.12261; constants from hendrycks/robustness, ImageNet-C/create_c.
"""

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from robustsuite.numerics.placement import on_host
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-extra",)
GROUP = "digital"

SATURATION = {  # (factor, what is added to the product), severity 1 to 5
    "imagenet": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    "imagenet-299": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    "tiny": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
    "cifar": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
}


def _chosen_by_bits(
    where: Bool[Tensor, "batch height width"], one: UInt8[Tensor, "batch height width"], other: UInt8[Tensor, "batch height width"]
) -> UInt8[Tensor, "batch height width"]:
    """`torch.where` by bits: on a CPU that one branches for every element, and takes many times as long."""
    return other ^ ((one ^ other) & where.view(torch.uint8).neg())


def saturate(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """S becomes S' = min(S * factor + added, 1), by way of HSV; hue and value are kept.

    With V the largest and L the smallest channel of a pixel, S = (V - L) / V. The largest channel stays V, the smallest
    becomes V (1 - S'), and the one between lies as far between them as before. A grey pixel has no hue and counts as red:
    where something is added, its green and blue fall to V (1 - S').

    With a factor of 2 the exact answer is a whole level for every pixel, and the rounding errors decide on which side of it
    float64 falls. So the steps are those of scikit-image's `rgb2hsv` and `hsv2rgb`, and only what cannot matter is left out.
    """
    factor, added = SATURATION[profile][severity - 1]
    chosen = _chosen_by_bits if on_host(levels.device) else torch.where
    red, green, blue = levels.unbind(1)
    most, least = torch.maximum(torch.maximum(red, green), blue), torch.minimum(torch.minimum(red, green), blue)
    blue_leads = blue == most
    green_leads = (green == most) & ~blue_leads
    # Hue is where the leading channel stands on the circle (0, 2 or 4 of 6), and from there the difference of the other two.
    ahead = chosen(blue_leads, red, chosen(green_leads, blue, green))
    behind = chosen(blue_leads, green, chosen(green_leads, red, blue))
    value, smallest, ahead, behind = torch.stack((most, least, ahead, behind)).double().div_(255)
    spread = value - smallest
    saturation = (spread / value.clamp(min=1 / 256)).mul_(factor).add_(added).clamp_(max=1)  # of black: 0, then added
    forward = (ahead >= behind).double()
    hue = (ahead - behind).div_(spread.clamp(min=1 / 256))
    hue.add_(blue_leads, alpha=4).add_(green_leads, alpha=2).div_(6)
    hue.sub_(hue.floor()).mul_(6)
    within = hue.sub_(hue.floor())
    share = (forward - within).abs_()  # 1 - within from an even sixth of the circle on, within from an odd one
    between = share.mul_(saturation).neg_().add_(1).mul_(value)  # V (1 - share S')
    smallest = saturation.neg_().add_(1).mul_(value)  # V (1 - S')
    between, smallest = torch.stack((between, smallest)).mul_(255).to(torch.uint8)
    return torch.stack(
        (
            chosen(red == most, most, chosen(red == least, smallest, between)),
            chosen(green == least, smallest, chosen(green == most, most, between)),
            chosen(blue == least, smallest, chosen(blue == most, most, between)),
        ),
        dim=1,
    )
