"""Corruptions against code that is not ours: numpy, colorsys, scipy, and arrays that the official code wrote."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from corruption_reference import GOLDEN, SEVERITIES, apart, golden, levels, ours, photos, raw
from scipy import ndimage

import robustsuite
from robustsuite import catalog
from robustsuite.corrupting import PROFILES
from robustsuite.numerics import filters

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


def channels_last(images: torch.Tensor) -> np.ndarray:
    return images.clamp(0, 1).numpy().transpose(0, 2, 3, 1)


@every_profile
def test_gaussian_noise_is_the_image_plus_scaled_draws(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        sigma = PUBLISHED["gaussian_noise"][profile][severity - 1]
        drawn = np.stack([np.random.RandomState(number).normal(size=(24, 40, 3), scale=sigma) for number in range(3)])
        assert np.array_equal(ours("gaussian_noise", images, severity, profile), levels(images / 255 + drawn))


@every_profile
def test_gaussian_noise_of_our_own_draws_has_the_published_deviation(profile: str) -> None:
    grey = torch.full((4, 3, 96, 96), 128, dtype=torch.uint8)
    for severity, sigma in enumerate(PUBLISHED["gaussian_noise"][profile], start=1):
        change = (robustsuite.corrupt(grey, "gaussian_noise", severity, profile=profile).double() + 0.5 - 128) / 255  # rounded down
        inside = torch.erf(torch.tensor(64 / 255 / sigma / 2**0.5)).item()  # so close to the middle nothing is clipped
        assert (change.abs() < 64 / 255).double().mean().item() == pytest.approx(inside, abs=0.01)
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
        found = channels_last(raw("brightness", images, severity, profile))
        assert np.abs(found - expected).max() < 1e-12
        assert apart(levels(found), levels(expected)).max() <= 1


@every_profile
def test_contrast_shrinks_the_distance_from_each_channels_mean(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        kept = PUBLISHED["contrast"][profile][severity - 1]
        unit = images / 255
        mean = unit.mean(axis=(1, 2), keepdims=True)
        found = channels_last(raw("contrast", images, severity, profile))
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
        found = channels_last(raw("defocus_blur", images, severity, profile))
        assert np.abs(found - np.clip(expected, 0, 1)).max() < 1e-6  # the benchmark keeps its kernel in float32
        assert apart(levels(found), levels(expected)).max() <= 1


def test_defocus_blur_brightens_where_the_disk_touches_the_grids_edge() -> None:
    grey = np.full((1, 48, 48, 3), 100, np.uint8)
    shown = [raw("defocus_blur", grey, severity, "imagenet").mean().item() * 255 / 100 for severity in SEVERITIES]
    assert shown == pytest.approx([1, 1, 1, 1.01298, 1.01079], abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(40, 28), (11, 64), (224, 224)])
def test_the_fast_fourier_transform_filters_as_opencv_does(height: int, width: int) -> None:
    images = torch.from_numpy(photos(2, height, width).transpose(0, 3, 1, 2) / 255)
    for radius, sigma in PUBLISHED["defocus_blur"]["imagenet"]:
        kernel = torch.from_numpy(disk(radius, sigma))
        assert torch.allclose(filters.correlate(images, kernel), filters._by_transform(images, kernel), rtol=0, atol=1e-13)


NOT_REPLAYABLE = {"impulse_noise": "the official code draws from a generator that no seed reaches"}
BOUNDS: dict[str, tuple[float, float]] = {}
"""Largest and mean difference allowed, in levels, where they are not 1 and 0.03. Each says why."""


@pytest.mark.shared_data
@pytest.mark.parametrize("profile", GOLDEN)
@pytest.mark.parametrize("corruption", catalog.names("corruptions"))
def test_the_official_code_wrote_the_same_levels(shared_data: Path, corruption: str, profile: str) -> None:
    arrays = golden(shared_data, profile)
    official = {int(name.rpartition("-")[2]): array for name, array in arrays.items() if name.rpartition("-")[0] == corruption}
    if not official:
        pytest.skip(f"the official archives hold no {corruption}")
    if corruption in NOT_REPLAYABLE:
        pytest.skip(NOT_REPLAYABLE[corruption])
    assert {1, 3, 5} <= set(official)
    largest, mean = BOUNDS.get(corruption, (1, 0.03))
    for severity, expected in official.items():
        difference = apart(ours(corruption, arrays["photos"], severity, profile), expected)
        assert difference.max() <= largest, f"{corruption}-{severity}"
        assert difference.mean() <= mean, f"{corruption}-{severity}"
