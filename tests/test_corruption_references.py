"""Corruptions against code that is not ours: numpy, colorsys, scipy, and arrays that the official code wrote."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

import robustsuite
from robustsuite.catalog import find
from robustsuite.corrupting import PROFILES
from robustsuite.numerics.levels import to_levels, to_unit

SEVERITIES = range(1, 6)
every_profile = pytest.mark.parametrize("profile", PROFILES)

# ImageNet-C/create_c of hendrycks/robustness: make_imagenet_c.py, make_imagenet_c_inception.py, make_tinyimagenet_c.py, make_cifar_c.py
PUBLISHED = {
    "gaussian_noise": {
        "imagenet": [0.08, 0.12, 0.18, 0.26, 0.38],
        "imagenet-299": [0.09, 0.13, 0.19, 0.27, 0.40],
        "tiny": [0.04, 0.08, 0.12, 0.15, 0.18],
        "cifar": [0.04, 0.06, 0.08, 0.09, 0.10],
    },
    "brightness": {
        "imagenet": [0.1, 0.2, 0.3, 0.4, 0.5],
        "imagenet-299": [0.1, 0.2, 0.3, 0.4, 0.5],
        "tiny": [0.1, 0.2, 0.3, 0.4, 0.5],
        "cifar": [0.05, 0.1, 0.15, 0.2, 0.3],
    },
    "contrast": {
        "imagenet": [0.4, 0.3, 0.2, 0.1, 0.05],
        "imagenet-299": [0.4, 0.3, 0.2, 0.1, 0.05],
        "tiny": [0.4, 0.3, 0.2, 0.1, 0.05],
        "cifar": [0.75, 0.5, 0.4, 0.3, 0.15],
    },
    "defocus_blur": {
        "imagenet": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
        "imagenet-299": [(4, 0.1), (5, 0.5), (7, 0.5), (10, 0.5), (12, 0.5)],
        "tiny": [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
        "cifar": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    },
}


class Replayed:
    """The noise of numpy's legacy generator, seeded with each image's number: what the official code drew."""

    def __init__(self, images: int):
        self.generators = [np.random.RandomState(number) for number in range(images)]

    def normal(self, *shape: int) -> torch.Tensor:
        return self._drawn(shape, lambda generator, size: generator.normal(size=size))

    def uniform(self, *shape: int) -> torch.Tensor:
        return self._drawn(shape, lambda generator, size: generator.uniform(size=size))

    def _drawn(self, shape, draw) -> torch.Tensor:
        if len(shape) == 3:  # numpy's images have their channels last
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
    """Our kernel on photos `[n, height, width, 3]`, with replayed noise; float64 of the same layout, clipped."""
    exact = to_unit(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.float64)
    return find("corruptions", corruption)(exact, severity, Replayed(len(images)), profile).clamp(0, 1).numpy().transpose(0, 2, 3, 1)


def levels(images: np.ndarray) -> np.ndarray:
    """As the benchmark stores them."""
    return np.uint8(np.clip(images, 0, 1) * 255)


def apart(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(ones.astype(int) - others.astype(int))


@every_profile
def test_gaussian_noise_is_the_image_plus_scaled_draws(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        sigma = PUBLISHED["gaussian_noise"][profile][severity - 1]
        drawn = np.stack([np.random.RandomState(number).normal(size=(24, 40, 3), scale=sigma) for number in range(3)])
        assert np.array_equal(levels(ours("gaussian_noise", images, severity, profile)), levels(images / 255 + drawn))


@every_profile
def test_gaussian_noise_of_our_own_draws_has_the_published_deviation(profile: str) -> None:
    grey = torch.full((4, 3, 96, 96), 0.5, dtype=torch.float64)
    for severity, sigma in enumerate(PUBLISHED["gaussian_noise"][profile], start=1):
        change = robustsuite.corrupt(grey, "gaussian_noise", severity, profile=profile) - 0.5
        inside = torch.erf(torch.tensor(0.25 / sigma / 2**0.5)).item()  # within 0.25 of the middle nothing is clipped
        assert (change.abs() < 0.25).double().mean().item() == pytest.approx(inside, abs=0.01)
        assert change.mean().item() == pytest.approx(0, abs=0.005)


@every_profile
def test_brightness_adds_to_the_value_of_hsv(profile: str) -> None:
    images = photos(2, 12, 16)
    for severity in SEVERITIES:
        added = PUBLISHED["brightness"][profile][severity - 1]

        def brighter(pixel: np.ndarray, added: float = added) -> tuple[float, float, float]:
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            return colorsys.hsv_to_rgb(hue, saturation, min(value + added, 1))

        expected = np.apply_along_axis(brighter, -1, images / 255)
        found = ours("brightness", images, severity, profile)
        assert np.abs(found - expected).max() < 1e-12
        assert apart(levels(found), levels(expected)).max() <= 1


@every_profile
def test_contrast_shrinks_the_distance_from_each_channels_mean(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        kept = PUBLISHED["contrast"][profile][severity - 1]
        unit = images / 255
        mean = unit.mean(axis=(1, 2), keepdims=True)
        found = ours("contrast", images, severity, profile)
        assert np.abs(found - ((unit - mean) * kept + mean)).max() < 1e-14
        assert np.abs(found.mean(axis=(1, 2)) - mean[:, 0, 0]).max() < 1e-14


def disk(radius: float, sigma: float) -> np.ndarray:
    """The benchmark's kernel: a disk on a fixed grid, blurred by a small Gaussian with mirrored borders."""
    half, reach = (8, 1) if radius <= 8 else (int(radius), 2)
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = (np.hypot(rows, columns) <= radius).astype(float)
    window = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, window / window.sum(), axis=axis, mode="mirror")
    return kernel / (np.hypot(rows, columns) <= radius).sum()


@every_profile
def test_defocus_blur_is_a_correlation_with_a_disk(profile: str) -> None:
    images = photos(2, 40, 28)
    for severity in SEVERITIES:
        kernel = disk(*PUBLISHED["defocus_blur"][profile][severity - 1])
        expected = ndimage.correlate(images / 255, kernel[None, :, :, None], mode="mirror")
        found = ours("defocus_blur", images, severity, profile)
        assert np.abs(found - np.clip(expected, 0, 1)).max() < 1e-6  # the benchmark keeps its kernel in float32
        assert apart(levels(found), levels(expected)).max() <= 1


def test_defocus_blur_brightens_where_the_disk_touches_the_grids_edge() -> None:
    grey = torch.full((1, 3, 48, 48), 0.5, dtype=torch.float64)
    shown = [robustsuite.corrupt(grey, "defocus_blur", severity, profile="imagenet").mean().item() / 0.5 for severity in SEVERITIES]
    assert shown == pytest.approx([1, 1, 1, 1.01298, 1.01079], abs=1e-5)


@pytest.mark.shared_data
@pytest.mark.parametrize(("archive", "profile"), [("imagenet_224", "imagenet"), ("cifar_32", "cifar")])
@pytest.mark.parametrize("corruption", PUBLISHED)
def test_the_official_code_wrote_the_same_levels(shared_data: Path, corruption: str, archive: str, profile: str) -> None:
    """Arrays of hendrycks/robustness; photo `i` was corrupted right after `numpy.random.seed(i)`. See the README beside them."""
    with np.load(shared_data / "corruption_golden" / f"{archive}.npz") as golden:
        images = golden["photos"]
        official = {int(name.rpartition("-")[2]): golden[name] for name in golden.files if name.startswith(f"{corruption}-")}
    assert {1, 3, 5} <= set(official)
    for severity, expected in official.items():
        floats = torch.from_numpy(ours(corruption, images, severity, profile).transpose(0, 3, 1, 2).copy())
        difference = apart(to_levels(floats).numpy().transpose(0, 2, 3, 1), expected)
        assert difference.max() <= 1
        assert difference.mean() <= 0.005
