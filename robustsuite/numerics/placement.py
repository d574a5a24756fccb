"""Where tensors lie, asked in one place: a processor is fastest on few bytes at a time, a GPU on few operations.

Code that has a way for each asks here, so that a test can walk the GPU's way without one.
"""

import torch

HOSTS = frozenset({"cpu"})


def on_host(device: torch.device) -> bool:
    """Whether this is the processor's own memory: OpenCV, Pillow and NumPy reach it, and a look at a number costs no waiting."""
    return device.type in HOSTS
