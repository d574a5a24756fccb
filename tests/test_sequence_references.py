"""Perturbation sequences against code that is not ours: Pillow, OpenCV, scipy and scikit-image, put together as the benchmark does."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from corruption_reference import Replayed, apart, photos
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage import color, filters
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as vision

from robustsuite import catalog
from robustsuite.corrupting import PROFILES
from robustsuite.numerics import affine, liquid

every_profile = pytest.mark.parametrize("profile", PROFILES)

Photo = np.ndarray
"""uint8 `[height, width, 3]`."""


def by_profile(imagenet: object, inception: object, tiny: object, cifar: object) -> dict[str, object]:
    return dict(zip(("imagenet", "imagenet-299", "tiny", "cifar"), (imagenet, inception, tiny, cifar), strict=True))


# ImageNet-P/create_p of hendrycks/robustness: make_imagenet_p.py, make_imagenet_p_inception.py, make_tinyimagenet_p.py, make_cifar_p.py
PUBLISHED = {
    "gaussian_noise": by_profile(0.03, 0.035, 0.025, 0.02),
    "shot_noise": by_profile(300, 250, 500, 700),
    "speckle_noise": by_profile(0.05, 0.06, 0.05, 0.05),
    "motion_blur": by_profile(
        (10, 3, range(-120, 1, 4)), (13, 3, range(-120, 1, 4)), (14, 3, range(-150, 1, 5)), (6, 1.8, range(-180, 1, 9))
    ),
    "zoom_blur": by_profile(0.004, 0.004, 0.004, 0.004),
    "snow": by_profile((0.05, 0.3, 3, 14, 4), (0.05, 0.3, 3, 14, 4), (0.05, 0.28, 2, 10, 2.5), (0.05, 0.3, 2, 10, 2)),
    "brightness": by_profile(2, 2, 2, 1.5),
    "translate": by_profile(range(-20, 21), range(-20, 21), range(-15, 16), range(-7, 9)),
    "rotate": by_profile(1, 1, 1, 1),
    "tilt": by_profile(1, 1, 1, 0.75),
    "scale": by_profile((40, 2.5), (40, 2.5), (40, 2.5), (70, 2)),
    "shear": by_profile(1, 1, 1, 1),
    "gaussian_blur": by_profile((0.25, 0.035, 6), (0.35, 0.035, 6), (0.35, 0.014, 7), (0.3, 0.015, 7)),
    "spatter": by_profile(
        (0.65, 0.27, 3.7, 0.69, (0.05, 0.1, 0.15, 0.7)),
        (0.65, 0.3, 4, 0.69, (0.05, 0.1, 0.15, 0.7)),
        (0.6, 0.25, 1.75, 0.7, (0.2, 0.8)),
        (0.6, 0.265, 1.75, 0.7, (0.2, 0.8)),
    ),
}


def stored(image: np.ndarray) -> Photo:
    return np.uint8(np.clip(image, 0, 1) * 255)


def by_torchvision(photo: Photo, interpolation: InterpolationMode = InterpolationMode.BILINEAR, **moves: object) -> Photo:
    still = {"angle": 0, "translate": (0, 0), "scale": 1.0, "shear": 0}
    return np.asarray(vision.affine(Image.fromarray(photo), interpolation=interpolation, **(still | moves)))


def along_a_line(image: np.ndarray, radius: float, sigma: float, degrees: float) -> np.ndarray:
    """ImageMagick 6's MotionBlurImage of `[height, width, channels]` levels, read from its source."""
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    down, right = (len(taps) * turn(np.pi * degrees / 180) for turn in (np.sin, np.cos))
    # In this order: at 30 and 60 degrees every other step ends between two pixels, and the roundings choose one.
    rows, columns = (np.ceil(taps * part / np.hypot(down, right) - 0.5).astype(int) for part in (down, right))
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for weight, row, column in zip(weights / weights.sum(), rows, columns, strict=True):
        read = image.take(np.arange(height) + row, axis=0, mode="clip").take(np.arange(width) + column, axis=1, mode="clip")
        total += weight * read
    return np.floor(total + 0.5)


def zoomed_in_frame(layer: np.ndarray, factor: float) -> np.ndarray:
    side = len(layer)
    crop = int(np.ceil(side / factor))
    top = (side - crop) // 2
    larger = ndimage.zoom(layer[top : top + crop, top : top + crop], factor, order=1)
    trim = (len(larger) - side) // 2
    return larger[trim : trim + side, trim : trim + side]


def gaussian_noise(photo: Photo, draws: np.random.RandomState, sigma: float) -> Iterator[Photo]:
    yield photo
    image = np.float32(photo) / np.float32(255)
    for _ in range(30):
        yield stored(image + np.float32(sigma) * np.float32(draws.normal(size=photo.shape)))


def shot_noise(photo: Photo, draws: np.random.RandomState, photons: float) -> Iterator[Photo]:
    yield photo
    for _ in range(30):
        yield stored(draws.poisson(photo / 255 * photons) / photons)


def speckle_noise(photo: Photo, draws: np.random.RandomState, sigma: float) -> Iterator[Photo]:
    yield photo
    image = photo / 255
    for _ in range(30):
        yield stored(image + image * draws.normal(size=photo.shape, scale=sigma))


def motion_blur(photo: Photo, draws: np.random.RandomState, constants: tuple[int, float, range]) -> Iterator[Photo]:
    radius, sigma, angles = constants
    for degrees in angles:
        yield along_a_line(photo, radius, sigma, degrees).astype(np.uint8)


def zoom_blur(photo: Photo, draws: np.random.RandomState, step: float) -> Iterator[Photo]:
    yield photo
    average = vision.to_tensor(photo)
    for frame in range(1, 31):
        average += vision.to_tensor(by_torchvision(photo, scale=1 + step * frame).copy())
        yield np.asarray(vision.to_pil_image(average / (frame + 1)))


def snow(photo: Photo, draws: np.random.RandomState, constants: tuple[float, float, float, int, float]) -> Iterator[Photo]:
    mean, deviation, factor, radius, sigma = constants
    flakes = zoomed_in_frame(draws.normal(size=photo.shape[:2], loc=mean, scale=deviation), factor)
    flakes[flakes < 0.5] = 0
    flakes = stored(flakes)[..., None]
    image = photo / 255
    grey = cv2.cvtColor(np.float32(image), cv2.COLOR_RGB2GRAY)[..., None]
    for frame in range(31):
        layer = along_a_line(flakes, radius, sigma, frame * 4 - 150) / 255
        yield stored(0.85 * image + (1 - 0.85) * np.maximum(image, grey * 1.5 + 0.5) + layer + np.rot90(layer, k=2))


def brightness(photo: Photo, draws: np.random.RandomState, step: float) -> Iterator[Photo]:
    for frame in range(31):
        hsv = color.rgb2hsv(photo / 255)
        hsv[:, :, 2] = np.clip(hsv[:, :, 2] + (frame - 15) * step / 100, 0, 1)
        yield np.uint8(color.hsv2rgb(hsv) * 255)


def translate(photo: Photo, draws: np.random.RandomState, shifts: range) -> Iterator[Photo]:
    for shift in shifts:
        yield by_torchvision(photo, InterpolationMode.NEAREST, translate=(shift, 0))


def rotate(photo: Photo, draws: np.random.RandomState, step: int) -> Iterator[Photo]:
    for frame in range(31):
        yield by_torchvision(photo, angle=step * (frame - 15))


def shear(photo: Photo, draws: np.random.RandomState, step: int) -> Iterator[Photo]:
    for frame in range(31):
        yield by_torchvision(photo, shear=step * (frame - 15))


def scale(photo: Photo, draws: np.random.RandomState, constants: tuple[float, float]) -> Iterator[Photo]:
    first, step = constants
    for frame in range(31):
        yield by_torchvision(photo, scale=(frame * step + first) / 100)


def tilt(photo: Photo, draws: np.random.RandomState, step: float) -> Iterator[Photo]:
    height, width = photo.shape[:2]
    far = np.sqrt(width**2 + height**2)
    for frame in range(31):
        angle = np.deg2rad(step * (frame - 15))
        flat = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
        pitch, yaw, away = np.eye(4), np.eye(4), np.eye(4)
        pitch[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        yaw[:3:2, :3:2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        away[2, 3] = far
        lens = np.array([[far, 0, width / 2, 0], [0, far, height / 2, 0], [0, 0, 1, 0]])
        yield cv2.warpPerspective(photo, lens @ away @ pitch @ yaw @ flat, (width, height))


def gaussian_blur(photo: Photo, draws: np.random.RandomState, constants: tuple[float, float, int]) -> Iterator[Photo]:
    first, step, reach = constants
    for frame in range(31):
        yield np.uint8(255 * filters.gaussian(photo / 255, sigma=first + step * frame, channel_axis=-1, truncate=reach))


def spatter(photo: Photo, draws: np.random.RandomState, constants: tuple[float, float, float, float, tuple]) -> Iterator[Photo]:
    mean, deviation, sigma, limit, shares = constants
    image = np.float32(photo) / np.float32(255)
    layer = filters.gaussian(draws.normal(size=photo.shape[:2], loc=mean, scale=deviation), sigma=sigma)
    layer[layer < limit] = 0
    for _ in range(31):
        drops = (layer * 255).astype(np.int64).astype(np.uint8)
        distance = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
        distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
        distance = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
        relief = cv2.filter2D(distance, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
        gloss = drops * cv2.blur(relief, (3, 3)).astype(np.float32)
        m = gloss / np.float32(max(gloss.max(), 1)) * np.float32(0.6)
        yield stored(image + m[..., None] * np.float32([175 / 255, 238 / 255, 238 / 255]))
        layer = np.apply_along_axis(lambda column: np.convolve(column, shares, mode="same"), 0, layer)


REFERENCES = {
    reference.__name__: reference
    for reference in (
        gaussian_noise,
        shot_noise,
        speckle_noise,
        motion_blur,
        zoom_blur,
        snow,
        brightness,
        translate,
        rotate,
        tilt,
        scale,
        shear,
        gaussian_blur,
        spatter,
    )
}

EXACT = ("gaussian_noise", "shot_noise", "speckle_noise", "brightness", "translate", "gaussian_blur")
BOUNDS = {"scale": 0.05, "tilt": 0.01}
"""Mean difference allowed in any frame, in levels, where it is not 0.002; the largest is always 1.

Scaled by a ratio of small whole numbers, many exact answers are whole levels, and Pillow's rounding errors decide on which side
of them it rounds down; here that is always the upper one. Tilted by nothing, an image whose diagonal is a whole number of pixels
has many answers half-way between levels, where OpenCV's rounding errors decide.
"""


def played(sequence: str, images: np.ndarray, profile: str) -> np.ndarray:
    """Our frames of photos `[n, height, width, 3]`, with replayed noise: uint8 `[frames, n, height, width, 3]`."""
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    frames = catalog.find("sequences", sequence)(given, Replayed(len(images)), profile)
    return np.stack([frame.numpy().transpose(0, 2, 3, 1) for frame in frames])


def expected(sequence: str, images: np.ndarray, profile: str) -> np.ndarray:
    """The reference's frames, in the same layout."""
    constants = PUBLISHED[sequence][profile]
    frames = [list(REFERENCES[sequence](photo, np.random.RandomState(row), constants)) for row, photo in enumerate(images)]
    return np.stack([np.stack(photo) for photo in frames], axis=1)


def test_every_sequence_has_a_reference() -> None:
    assert set(REFERENCES) == set(PUBLISHED) == set(catalog.names("sequences"))


@every_profile
@pytest.mark.parametrize("sequence", catalog.names("sequences"))
def test_every_frame_is_the_references(sequence: str, profile: str) -> None:
    if sequence == "tilt" and int(cv2.__version__.partition(".")[0]) < 5:
        pytest.skip("OpenCV before version 5 rounds the places that it reads to 1/32 pixel")
    side = PROFILES[profile]
    images = photos(1, side, side) if sequence == "snow" else photos(2, 48, 36)  # the benchmark's snow fits its own sizes only
    ours, theirs = played(sequence, images, profile), expected(sequence, images, profile)
    assert ours.shape == theirs.shape
    difference = apart(ours, theirs)
    assert difference.max() <= (0 if sequence in EXACT else 1)
    assert difference.mean(axis=(1, 2, 3, 4)).max() <= BOUNDS.get(sequence, 0.002)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(-180, 180), st.floats(0.3, 3), st.floats(-60, 60), st.integers(0, 2**32 - 1))
def test_any_affine_map_is_within_a_level_of_pillow(
    height: int, width: int, turned: float, enlarged: float, sheared: float, seed: int
) -> None:
    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    ours = affine.affine(torch.from_numpy(photo).permute(2, 0, 1)[None], turned, enlarged, sheared)
    theirs = by_torchvision(photo, angle=turned, scale=enlarged, shear=sheared)
    assert apart(ours[0].permute(1, 2, 0).numpy(), theirs).max() <= 1


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_flat_image_stays_flat_wherever_it_is_moved(level: int) -> None:
    flat = torch.full((1, 3, 30, 31), level, dtype=torch.uint8)
    for sequence in ("rotate", "shear", "scale", "tilt", "motion_blur"):
        for frame in catalog.find("sequences", sequence)(flat, Replayed(1), "imagenet"):
            assert frame[0, 0, 15, 15] == level
            assert sequence == "tilt" or set(frame.unique().tolist()) <= {0, level}


@settings(deadline=None)
@given(st.integers(-70, 70), st.integers(1, 50))
def test_a_shift_is_that_of_every_pixel(pixels: int, width: int) -> None:
    levels = torch.arange(1, width + 1, dtype=torch.uint8).expand(1, 3, 2, width)
    places = np.arange(width) - pixels
    assert affine.shifted(levels, pixels)[0, 0, 0].tolist() == np.where((places >= 0) & (places < width), places + 1, 0).tolist()


@settings(deadline=None)
@given(st.integers(4, 30), st.sampled_from([(0.05, 0.1, 0.15, 0.7), (0.2, 0.8)]), st.integers(0, 2**32 - 1))
def test_liquid_runs_down_as_numpy_convolves(height: int, shares: tuple[float, ...], seed: int) -> None:
    layer = np.random.default_rng(seed).random((height, 3))
    expected = np.stack([np.convolve(column, shares, mode="same") for column in layer.T], axis=1)
    assert np.abs(liquid.run_down(layer, shares) - expected).max() < 1e-15
