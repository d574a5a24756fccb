"""Rings about a random point, wavy around it, with a saw-tooth profile; added to all channels.

ImageNet-C-bar: Mintun, Kirillov & Xie 2021, arXiv:2102.11273; constants from facebookresearch/augmentation-corruption, imagenet_c_bar.
"""

import torch

from robustsuite.numerics.draws import parameters
from robustsuite.numerics.whole_levels import added
from robustsuite.roles import Levels, Noise

BENCHMARKS = ("imagenet-c-bar",)
GROUP = "noise"

HEIGHT = {  # of the saw teeth in levels, severity 1 to 5; only the 224-pixel ones were published
    "imagenet": (38.4, 64.0, 102.4, 115.2, 128.0),
    "imagenet-299": (38.4, 64.0, 102.4, 115.2, 128.0),
    "tiny": (38.4, 64.0, 102.4, 115.2, 128.0),
    "cifar": (38.4, 64.0, 102.4, 115.2, 128.0),
}


def cocentric_sine_waves(levels: Levels, severity: int, noise: Noise, profile: str) -> Levels:
    """`levels + HEIGHT * (((r + wobble * sin(frequency * angle)) mod width) / width - 1/2)`, at polar coordinates (r, angle).

    The centre is uniform in the image, the frequency in (0, 10), the wobble and the rings' width each in (0, side / 10)
    pixels; side is the image's shorter one.
    """
    height, width = levels.shape[-2:]
    side = min(height, width)
    centre_x, centre_y, frequency, wobble, ring = parameters(noise, (0, width), (0, height), (0, 10), (0, side / 10), (0, side / 10))
    across = torch.arange(width, device=levels.device) - centre_x
    down = torch.arange(height, device=levels.device)[:, None] - centre_y
    waves = torch.atan2(across, down).mul_(frequency).sin_().mul_(wobble)
    waves.add_((across.square() + down.square()).sqrt_()).remainder_(ring).div_(ring).sub_(0.5)
    return added(levels, waves.mul_(HEIGHT[profile][severity - 1])[:, None])
