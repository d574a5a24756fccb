"""A classifier that owns its normalisation."""

from collections.abc import Sequence

import torch
from torch import nn

from robustsuite.roles import Images, Logits


class Normalised(nn.Module):
    """`model((images - mean) / std)`: images in [0, 1] to logits."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Images) -> Logits:
        """Logits of images in [0, 1]."""
        return self.model((images - self.mean) / self.std)
