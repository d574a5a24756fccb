"""Gaussian, glass, motion and zoom blur, and snow, against numpy and scipy, written out as the official code has it."""

from collections.abc import Callable
from math import ceil, cos, hypot, radians, sin

import numpy as np
import pytest
import torch
from corruption_reference import SEVERITIES, apart, levels, ours, photos, raw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from robustsuite.corrupting import PROFILES
from robustsuite.corruptions.glass_blur import GLASS, GPU_ROUNDS, _copied
from robustsuite.numerics.filters import _sum_of_look_ups, _sum_of_slices, comet, gaussian_blurred, trail
from robustsuite.numerics.zooming import magnified, magnified_in_frame

every_profile = pytest.mark.parametrize("profile", PROFILES)
every_severity = pytest.mark.parametrize("severity", SEVERITIES)
CPU = torch.device("cpu")

NAMES = ("gaussian_blur", "glass_blur", "motion_blur", "zoom_blur", "snow", "motion_blur_imagecorruptions", "snow_imagecorruptions")

# ImageNet-C/create_c of hendrycks/robustness: make_imagenet_c.py, make_imagenet_c_inception.py, make_tinyimagenet_c.py, make_cifar_c.py
SNOW = [
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
]
SMALL_SNOW = [
    (0.1, 0.2, 1, 0.6, 8, 3),
    (0.1, 0.2, 1, 0.5, 10, 4),
    (0.15, 0.3, 1.75, 0.55, 10, 4),
    (0.25, 0.3, 2.25, 0.6, 12, 6),
    (0.3, 0.3, 1.25, 0.65, 14, 12),
]
LARGE_ZOOM = [
    np.arange(1, 1.11, 0.01),
    np.arange(1, 1.16, 0.01),
    np.arange(1, 1.21, 0.02),
    np.arange(1, 1.26, 0.02),
    np.arange(1, 1.31, 0.03),
]
SMALL_ZOOM = [np.arange(1, stop, 0.01) for stop in (1.06, 1.11, 1.16, 1.21, 1.26)]
PUBLISHED = {
    "gaussian_blur": {
        "imagenet": [1, 2, 3, 4, 6],
        "imagenet-299": [1.5, 2.5, 3.5, 4.5, 6.5],
        "tiny": [0.5, 0.75, 1, 1.25, 1.5],
        "cifar": [0.4, 0.6, 0.7, 0.8, 1],
    },
    "glass_blur": {
        "imagenet": [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
        "imagenet-299": [(0.8, 1, 3), (1, 3, 1), (1.1, 2, 4), (1.2, 4, 2), (1.6, 5, 2)],
        "tiny": [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)],
        "cifar": [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
    },
    "motion_blur": {
        "imagenet": [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
        "imagenet-299": [(12, 4), (17, 6), (17, 9), (17, 13), (22, 16)],
        "tiny": [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
        "cifar": [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
    },
    "zoom_blur": {"imagenet": LARGE_ZOOM, "imagenet-299": LARGE_ZOOM, "tiny": SMALL_ZOOM, "cifar": SMALL_ZOOM},
    "snow": {
        "imagenet": SNOW,
        "imagenet-299": SNOW,
        "tiny": [(*some, kept) for some, kept in zip(SMALL_SNOW, (0.8, 0.8, 0.7, 0.65, 0.6), strict=True)],
        "cifar": [(*some, kept) for some, kept in zip(SMALL_SNOW, (0.95, 0.9, 0.9, 0.85, 0.8), strict=True)],
    },
}
PUBLISHED["motion_blur_imagecorruptions"] = dict.fromkeys(PROFILES, PUBLISHED["motion_blur"]["imagenet"])
PUBLISHED["snow_imagecorruptions"] = dict.fromkeys(PROFILES, SNOW)


def every_level(side: int) -> np.ndarray:
    """uint8 `[256, side, side, 3]`: a flat image of each level."""
    return np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None, None], (256, side, side, 3))


def each(function: Callable[..., np.ndarray], images: np.ndarray, *arguments: object) -> np.ndarray:
    """The function of one image and its generator, for every image."""
    return np.stack([function(image, np.random.RandomState(number), *arguments) for number, image in enumerate(images)])


# Gaussian blur


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """skimage.filters.gaussian, which is scipy's."""
    return ndimage.gaussian_filter(image / 255, (sigma, sigma, 0), mode="nearest", truncate=4)


@every_profile
@every_severity
def test_gaussian_blur_is_scipys_to_the_level(profile: str, severity: int) -> None:
    images = photos(2, 40, 70)
    expected = np.stack([levels(gaussian(image, PUBLISHED["gaussian_blur"][profile][severity - 1])) for image in images])
    assert np.array_equal(ours("gaussian_blur", images, severity, profile), expected)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 70), width=st.integers(1, 70), sigma=st.floats(0.05, 7), number=st.integers(0, 1000))
def test_a_gaussian_blur_of_any_size_and_width_is_scipys(height: int, width: int, sigma: float, number: int) -> None:
    image = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = gaussian_blurred(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], sigma)[0].numpy().transpose(1, 2, 0)
    expected = gaussian(image, sigma)
    whole = np.abs(expected * 255 - np.round(expected * 255)) < 1e-9  # in a ramp: rounding errors decide
    assert apart(found, levels(expected)).max() <= 1
    assert np.array_equal(found[~whole], levels(expected)[~whole])


@every_profile
@every_severity
def test_a_gaussian_blur_of_a_flat_image_falls_on_the_side_of_scipys_rounding_errors(profile: str, severity: int) -> None:
    images = every_level(5)
    expected = np.stack([levels(gaussian(image, PUBLISHED["gaussian_blur"][profile][severity - 1])) for image in images])
    assert np.array_equal(ours("gaussian_blur", images, severity, profile), expected)


# Glass blur


def glass(image: np.ndarray, generator: np.random.RandomState, sigma: float, reach: int, passes: int) -> np.ndarray:
    """Pixel by pixel, with the official code's assignment of views."""
    pixels = levels(gaussian(image, sigma))
    height, width = pixels.shape[:2]
    for _ in range(passes):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                right, down = generator.randint(-reach, reach, size=(2,))
                pixels[row, column], pixels[row + down, column + right] = pixels[row + down, column + right], pixels[row, column]
    return levels(gaussian(pixels, sigma))


@every_profile
@every_severity
@pytest.mark.parametrize(("height", "width"), [(24, 24), (17, 30)])
def test_glass_blur_is_the_official_loop_to_the_level(profile: str, severity: int, height: int, width: int) -> None:
    images = photos(2, height, width)
    expected = each(glass, images, *PUBLISHED["glass_blur"][profile][severity - 1])
    assert np.array_equal(ours("glass_blur", images, severity, profile), expected)


def copied_in_sequence(offsets: np.ndarray, height: int, width: int, reach: int) -> np.ndarray:
    """A plain loop over the visits: each copies whose colour the other pixel has at that time."""
    colour = np.arange(height * width).reshape(height, width)
    drawn = iter(offsets.reshape(-1, 2))
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            right, down = next(drawn)
            colour[row, column] = colour[row + down, column + right]
    assert next(drawn, None) is None
    return colour.reshape(-1)


@settings(deadline=None, max_examples=150)
@given(reach=st.integers(1, 5), rows=st.integers(1, 14), columns=st.integers(1, 14), number=st.integers(0, 1000), share=st.floats(0, 1))
def test_a_pass_of_copies_is_the_sequential_loop(reach: int, rows: int, columns: int, number: int, share: float) -> None:
    """`share` of the offsets are the largest ones: long chains of copies of copies."""
    generator = np.random.default_rng(number)
    offsets = generator.integers(-reach, reach, (2, rows, columns, 2))
    offsets[generator.random(offsets.shape) < share] = reach - 1
    height, width = rows + 2 * reach, columns + 2 * reach
    found = _copied(torch.from_numpy(offsets), height, width, reach).numpy()
    assert np.array_equal(found, [copied_in_sequence(image, height, width, reach) for image in offsets])


@pytest.mark.parametrize("offset", [(1, 0), (0, 1), (-2, 1), (1, 1), (-2, -2), (0, 0)])
def test_a_chain_of_copies_is_followed_to_its_end(offset: tuple[int, int]) -> None:
    offsets = np.broadcast_to(np.array(offset), (1, 36, 46, 2)).copy()
    found = _copied(torch.from_numpy(offsets), 40, 50, 2)[0].numpy()
    assert np.array_equal(found, copied_in_sequence(offsets[0], 40, 50, 2))


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_copies_lose_colours_where_swaps_would_keep_them_all(passes: int) -> None:
    colours = torch.arange(60 * 60)[None]
    generator = torch.Generator().manual_seed(passes)
    for _ in range(passes):
        colours = colours.gather(1, _copied(torch.randint(-2, 2, (1, 56, 56, 2), generator=generator), 60, 60, 2))
    kept = len(colours.unique()) / colours.numel()
    assert kept < (0.65, 0.5, 0.4)[passes - 1]


def test_a_chain_too_long_for_a_gpus_rounds_never_comes() -> None:
    for _, reach, passes in {constants for profile in GLASS.values() for constants in profile}:
        below, same_row, right_of_it = (reach - 1) / (2 * reach), 1 / (2 * reach), (reach - 1) / (2 * reach)
        visited_before = below + same_row * right_of_it
        assert passes * 4096**2 * visited_before ** (2**GPU_ROUNDS) < 1e-38


# Motion blur


def moved(image: np.ndarray, radius: int, sigma: float, degrees: float, ends: bool = False) -> np.ndarray:
    """ImageMagick's sum over the places of a trail, in float64; with `ends`, the package's, whose trail may leave the image."""
    height, width = image.shape[:2]
    taps = 2 * radius + 1
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2))
    down, right = taps * sin(radians(degrees)), taps * cos(radians(degrees))
    total = np.zeros(image.shape)
    for tap, weight in enumerate(weights / weights.sum()):
        row, column = ceil(tap * down / hypot(down, right) - 0.5), ceil(tap * right / hypot(down, right) - 0.5)
        if ends and (abs(row) >= height or abs(column) >= width):
            break
        rows, columns = np.clip(np.arange(height) + row, 0, height - 1), np.clip(np.arange(width) + column, 0, width - 1)
        total += weight * image[np.ix_(rows, columns)]
    return total


def motion(image: np.ndarray, generator: np.random.RandomState, radius: int, sigma: float) -> np.ndarray:
    return np.floor(moved(image, radius, sigma, generator.uniform(-45, 45)) + 0.5)


def motion_imagecorruptions(image: np.ndarray, generator: np.random.RandomState, radius: int, sigma: float) -> np.ndarray:
    return np.floor(moved(image, radius, sigma, generator.uniform(-45, 45), ends=True) + 1e-9)  # flat areas have a test of their own


@every_profile
@every_severity
@pytest.mark.parametrize(("height", "width"), [(48, 48), (50, 90), (9, 60)])
def test_motion_blur_is_imagemagicks_sum_to_the_nearest_level(profile: str, severity: int, height: int, width: int) -> None:
    images = photos(3, height, width)
    difference = apart(
        ours("motion_blur", images, severity, profile), each(motion, images, *PUBLISHED["motion_blur"][profile][severity - 1])
    )
    assert difference.max() <= 1  # float32 on the other side of a half
    assert difference.mean() <= 1e-3


@every_profile
@every_severity
@pytest.mark.parametrize(("height", "width"), [(48, 48), (50, 90), (9, 60)])
def test_the_packages_motion_blur_rounds_down_and_its_trail_ends_outside(profile: str, severity: int, height: int, width: int) -> None:
    images = photos(3, height, width)
    constants = PUBLISHED["motion_blur_imagecorruptions"][profile][severity - 1]
    difference = apart(ours("motion_blur_imagecorruptions", images, severity, profile), each(motion_imagecorruptions, images, *constants))
    assert difference.max() <= 1
    assert difference.mean() <= 2e-3


@every_severity
def test_the_packages_motion_blur_of_a_flat_image_falls_on_the_side_of_its_rounding_errors(severity: int) -> None:
    radius, sigma = PUBLISHED["motion_blur"]["imagenet"][severity - 1]
    places = np.arange(2 * radius + 1)
    weights = np.exp(-(places**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    flat = np.zeros(256)
    for weight in weights / weights.sum():
        flat = flat + weight * np.arange(256)
    found = ours("motion_blur_imagecorruptions", every_level(48), severity, "imagenet")
    assert np.array_equal(found, np.broadcast_to(np.uint8(flat)[:, None, None, None], found.shape))


def test_motion_blur_leaves_flat_images_alone() -> None:
    for severity in SEVERITIES:
        assert np.array_equal(ours("motion_blur", every_level(16), severity, "imagenet"), every_level(16))


@settings(deadline=None, max_examples=60)
@given(degrees=st.floats(-180, 180), height=st.integers(1, 30), width=st.integers(1, 30), radius=st.integers(1, 22))
def test_slices_and_look_ups_are_the_same_sum(degrees: float, height: int, width: int, radius: int) -> None:
    images = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(radius))
    weights = comet(radius, radius / 3, CPU)
    rows, columns = trail(torch.tensor([degrees, -degrees / 2]), len(weights))
    one, other = (add(images, rows, columns, weights.expand(rows.shape)) for add in (_sum_of_slices, _sum_of_look_ups))
    assert torch.allclose(one, other, rtol=0, atol=1e-14)
    shown = images[0].movedim(0, -1).numpy()
    angle = float(torch.tensor(degrees))  # as float32 holds it
    assert np.abs(one[0].movedim(0, -1).numpy() - moved(shown, radius, radius / 3, angle)).max() < 1e-12


@pytest.mark.parametrize(("degrees", "row", "column"), [(0, 0, 1), (90, 1, 0), (-90, -1, 0), (180, 0, -1), (45, 1, 1)])
def test_a_trail_leads_down_with_a_positive_sine_and_right_with_a_positive_cosine(degrees: int, row: int, column: int) -> None:
    rows, columns = trail(torch.tensor([float(degrees)]), 12)
    steps = np.ceil(np.arange(12) * (2**-0.5 if row and column else 1) - 0.5).astype(int)
    assert (rows[0].tolist(), columns[0].tolist()) == ((row * steps).tolist(), (column * steps).tolist())


# Zoom blur


def clipped_zoom(image: np.ndarray, factor: float, trimmed: bool = True) -> np.ndarray:
    """By scipy, each side cropped for itself."""
    height, width = image.shape[:2]
    rows, columns = ceil(height / factor), ceil(width / factor)
    top, left = (height - rows) // 2, (width - columns) // 2
    larger = ndimage.zoom(image[top : top + rows, left : left + columns], (factor, factor, 1), order=1)
    top, left = ((larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2) if trimmed else (0, 0)
    return larger[top : top + height, left : left + width] if trimmed else larger


def zoom(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    image = (image / 255.0).astype(np.float32)
    total = np.zeros_like(image)
    for factor in factors:
        total += clipped_zoom(image, factor)
    return (image + total) / (len(factors) + 1)


def scipy_reaches_the_edge(side: int, factor: float) -> bool:
    """Whether the last place that scipy asks for is within the crop, and not beyond it by a rounding error and thus black."""
    crop = ceil(side / factor)
    larger = round(crop * factor)
    return larger == 1 or (larger - 1) * ((crop - 1) / (larger - 1)) <= crop - 1


@every_profile
@every_severity
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80)])
def test_zoom_blur_is_the_mean_of_scipys_magnifications(profile: str, severity: int, height: int, width: int) -> None:
    factors = PUBLISHED["zoom_blur"][profile][severity - 1]
    assert all(scipy_reaches_the_edge(side, factor) for side in (height, width) for factor in factors)
    images = photos(3, height, width)
    difference = apart(ours("zoom_blur", images, severity, profile), np.stack([levels(zoom(image, factors)) for image in images]))
    assert difference.max() <= 1  # sums of float32
    assert difference.mean() <= 1e-3


@every_profile
@every_severity
def test_a_zoom_blur_of_a_flat_image_falls_on_the_side_of_the_official_rounding_errors(profile: str, severity: int) -> None:
    images = every_level(32)
    factors = PUBLISHED["zoom_blur"][profile][severity - 1]
    expected = np.stack([levels(zoom(image, factors)) for image in images])
    assert np.array_equal(ours("zoom_blur", images, severity, profile), expected)


@settings(deadline=None, max_examples=100)
@given(height=st.integers(1, 80), width=st.integers(1, 80), factor=st.floats(1, 5))
def test_a_magnification_is_scipys_up_to_the_edge_that_scipy_may_miss(height: int, width: int, factor: float) -> None:
    image = np.random.default_rng(height).normal(size=(height, width, 1))
    found = magnified(torch.from_numpy(image[None, ..., 0])[None], factor)[0, 0].numpy()
    expected = clipped_zoom(image, factor, trimmed=False)[..., 0]
    assert found.shape == expected.shape
    rows = found.shape[0] - (not scipy_reaches_the_edge(height, factor))
    columns = found.shape[1] - (not scipy_reaches_the_edge(width, factor))
    assert np.abs(found[:rows, :columns] - expected[:rows, :columns]).max(initial=0) < 1e-10


@settings(deadline=None, max_examples=100)
@given(height=st.integers(1, 80), width=st.integers(1, 80), factor=st.floats(1, 5))
def test_a_magnification_in_its_frame_has_the_size_of_the_image(height: int, width: int, factor: float) -> None:
    assert magnified_in_frame(torch.zeros(1, 1, height, width), factor).shape == (1, 1, height, width)


@pytest.mark.parametrize("side", PROFILES.values())
def test_scipy_reaches_the_edge_at_every_published_size(side: int) -> None:
    factors = {float(factor) for factors in (*LARGE_ZOOM, *SMALL_ZOOM) for factor in factors} | {row[2] for row in (*SNOW, *SMALL_SNOW)}
    assert all(scipy_reaches_the_edge(side, factor) for factor in factors)


# Snow


def behind(image: np.ndarray, layer: np.ndarray, kept: float) -> np.ndarray:
    image = image.astype(np.float32) / np.float32(255)
    grey = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    white = np.float32(kept) * image + np.float32(1 - kept) * np.maximum(image, grey * np.float32(1.5) + np.float32(0.5))
    return levels(white + layer + np.rot90(layer, k=2))


def snow(image, generator, mean, deviation, factor, threshold, radius, sigma, kept) -> np.ndarray:
    layer = clipped_zoom(generator.normal(size=image.shape[:2], loc=mean, scale=deviation)[..., None], factor)
    layer[layer < threshold] = 0
    layer = np.floor(moved(levels(layer), radius, sigma, generator.uniform(-135, -45)) + 0.5) / 255
    return behind(image, layer, kept)


def snow_imagecorruptions(image, generator, mean, deviation, factor, threshold, radius, sigma, kept) -> np.ndarray:
    layer = clipped_zoom(generator.normal(size=image.shape[:2], loc=mean, scale=deviation)[..., None], factor, trimmed=False)
    layer[layer < threshold] = 0
    layer = np.round(moved(np.clip(layer, 0, 1), radius, sigma, generator.uniform(-135, -45), ends=True) * 255) / 255
    return behind(image, layer[: image.shape[0], : image.shape[1]], kept)


@every_profile
@every_severity
@pytest.mark.parametrize(("name", "reference"), [("snow", snow), ("snow_imagecorruptions", snow_imagecorruptions)])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (46, 70), (10, 33)])
def test_snow_is_a_blurred_layer_of_magnified_noise(name, reference, profile: str, severity: int, height: int, width: int) -> None:
    constants = PUBLISHED[name][profile][severity - 1]
    assert all(scipy_reaches_the_edge(side, constants[2]) for side in (height, width))
    images = photos(3, height, width)
    difference = apart(ours(name, images, severity, profile), each(reference, images, *constants))
    assert difference.max() <= 1  # no flake is on the other side of its threshold
    assert difference.mean() <= 2e-3


@every_severity
def test_snow_on_a_flat_image_is_the_same_upside_down(severity: int) -> None:
    found = raw("snow", np.full((2, 30, 44, 3), 60, np.uint8), severity, "imagenet")
    assert torch.allclose(found, found.flip(2, 3), rtol=0, atol=1e-15)
    assert bool((found[:, 0] == found[:, 2]).all())


# All of them


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 1), (2, 2), (3, 4), (7, 40), (41, 9)])
def test_any_size_is_corrupted(name: str, height: int, width: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    for profile in PROFILES:
        for severity in SEVERITIES:
            found = ours(name, images, severity, profile)
            assert (found.shape, found.dtype) == (images.shape, np.dtype(np.uint8))


@pytest.mark.parametrize(("name", "roundings"), [("gaussian_blur", 1), ("glass_blur", 2), ("motion_blur", 0), ("zoom_blur", 1)])
def test_a_blur_of_one_pixel_loses_a_level_at_most_where_it_is_rounded_down(name: str, roundings: int) -> None:
    for severity in SEVERITIES:
        assert apart(ours(name, every_level(1), severity, "imagenet"), every_level(1)).max() <= roundings
