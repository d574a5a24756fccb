"""Code that is not ours to compare corruptions with: replayed numpy draws, the official outputs, the package everyone installs."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from robustsuite.catalog import find
from robustsuite.numerics.levels import to_levels
from robustsuite.roles import Levels

SEVERITIES = range(1, 6)


class Replayed:
    """The noise of numpy's legacy generator, seeded with each image's number: what the official code drew.

    Numpy's images have their channels last: a draw of three dimensions that begins with 3 is made that way and turned.
    """

    def __init__(self, images: int):
        self.generators = [np.random.RandomState(number) for number in range(images)]

    def normal(self, *shape: int) -> torch.Tensor:
        return self._drawn(shape, lambda generator, size: generator.normal(size=size))

    def uniform(self, *shape: int) -> torch.Tensor:
        return self._drawn(shape, lambda generator, size: generator.uniform(size=size))

    def integers(self, bound: int | torch.Tensor, *shape: int) -> torch.Tensor:
        bounds = bound.tolist() if isinstance(bound, torch.Tensor) else [bound] * len(self.generators)
        pairs = zip(self.generators, bounds, strict=True)
        return torch.from_numpy(np.stack([generator.randint(0, limit, size=shape) for generator, limit in pairs]))

    def fork(self, numbers: torch.Tensor) -> "Replayed":
        raise NotImplementedError("the official code draws from one stream")

    def poisson(self, levels: Levels, rates: torch.Tensor) -> torch.Tensor:
        means = rates.numpy()[levels.numpy().transpose(0, 2, 3, 1)]
        counts = np.stack([generator.poisson(mean) for generator, mean in zip(self.generators, means, strict=True)])
        return torch.from_numpy(counts.transpose(0, 3, 1, 2)).float()

    def _drawn(self, shape, draw) -> torch.Tensor:
        if len(shape) == 3 and shape[0] == 3:
            channels, height, width = shape
            return torch.from_numpy(
                np.stack([draw(generator, (height, width, channels)).transpose(2, 0, 1) for generator in self.generators])
            )
        return torch.from_numpy(np.stack([draw(generator, shape) for generator in self.generators]))


def photos(count: int, height: int, width: int) -> np.ndarray:
    """uint8 `[count, height, width, 3]`: smooth colours with some noise, and every extreme (black, white, grey, pure colours)."""
    generator = np.random.default_rng(7)
    coarse = generator.integers(0, 256, (count, 4, 4, 3)).astype(float)
    smooth = ndimage.zoom(coarse, (1, height / 4, width / 4, 1), order=1) + generator.normal(0, 8, (count, height, width, 3))
    images = smooth.clip(0, 255).astype(np.uint8)
    images[:, 0, :8] = [[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 255, 0], [0, 0, 255], [1, 0, 0], [254, 255, 254]]
    return images


def ours(corruption: str, images: np.ndarray, severity: int, profile: str) -> np.ndarray:
    """Our kernel on photos `[n, height, width, 3]`, with replayed noise: levels of the same layout."""
    answer = raw(corruption, images, severity, profile)
    return (to_levels(answer) if answer.is_floating_point() else answer).numpy().transpose(0, 2, 3, 1)


def raw(corruption: str, images: np.ndarray, severity: int, profile: str) -> torch.Tensor:
    """What the kernel itself returns: `[n, 3, height, width]`, levels or floats that are not clipped yet."""
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return find("corruptions", corruption)(given, severity, Replayed(len(images)), profile)


def levels(images: np.ndarray) -> np.ndarray:
    """As the benchmark stores them."""
    return np.uint8(np.clip(images, 0, 1) * 255)


def apart(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(ones.astype(int) - others.astype(int))


GOLDEN = {"imagenet": "imagenet_224", "cifar": "cifar_32"}
"""Archives of outputs of hendrycks/robustness, by profile; photo `i` was corrupted right after `numpy.random.seed(i)`."""


@cache
def golden(shared: Path, profile: str) -> dict[str, np.ndarray]:
    """Arrays `photos` and `<corruption>-<severity>`, uint8 `[n, height, width, 3]`."""
    with np.load(shared / "corruption_golden" / f"{GOLDEN[profile]}.npz") as archive:
        return {name: archive[name] for name in archive.files}
