"""Warped, pixelated and compressed images against scipy, OpenCV, Pillow and the package imagecorruptions."""

import importlib.util
import sys
import warnings
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from corruption_reference import SEVERITIES, Replayed, apart, golden, levels, ours, photos
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from robustsuite.catalog import find
from robustsuite.corrupting import PROFILES
from robustsuite.corruptions import elastic_transform, pixelate
from robustsuite.numerics import jpeg, warping
from robustsuite.numerics.levels import to_levels

every_profile = pytest.mark.parametrize("profile", PROFILES)

# ImageNet-C/create_c of hendrycks/robustness: make_imagenet_c.py, make_imagenet_c_inception.py, make_tinyimagenet_c.py, make_cifar_c.py
QUALITIES = {
    "imagenet": [25, 18, 15, 10, 7],
    "imagenet-299": [23, 16, 13, 8, 5],
    "tiny": [65, 58, 50, 40, 25],
    "cifar": [80, 65, 58, 50, 40],
}
SHARES = {
    "imagenet": [0.6, 0.5, 0.4, 0.3, 0.25],
    "imagenet-299": [0.5, 0.4, 0.3, 0.25, 0.2],
    "tiny": [0.9, 0.8, 0.7, 0.6, 0.5],
    "cifar": [0.95, 0.9, 0.85, 0.75, 0.65],
}
# The factor of the displacement, its smoothing and the shift of the three points, as shares of 244, 360, 64 or 32 pixels.
SIDES = {"imagenet": 244, "imagenet-299": 360, "tiny": 64, "cifar": 32}
LARGE = [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)]
WARPS = {
    "imagenet": LARGE,
    "imagenet-299": LARGE,
    "tiny": [(0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)],
    "cifar": [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)],
}


def channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def saved_and_read(image: np.ndarray, **options: object) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", **options)
    return np.asarray(Image.open(file))


def compressed(images: np.ndarray, **options: object) -> torch.Tensor:
    return channels_first(np.stack([saved_and_read(image, **options) for image in images]))


def scene(kind: str, height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if kind == "smooth":
        return photos(1, height, max(width, 8))[:, :, :width]
    if kind == "extreme":
        return 255 * generator.integers(0, 2, (1, height, width, 3), dtype=np.uint8)
    return generator.integers(0, 256, (1, height, width, 3), dtype=np.uint8)


kinds = st.sampled_from(["smooth", "extreme", "random"])
sides = st.integers(1, 40)


@given(kinds, sides, sides, st.integers(1, 100), st.integers(0, 9))
def test_jpeg_is_pillows_bit_for_bit_on_either_path(kind: str, height: int, width: int, quality: int, seed: int) -> None:
    images = scene(kind, height, width, seed)
    expected = compressed(images, quality=quality)
    assert torch.equal(jpeg.round_trip(channels_first(images), quality), expected)
    assert torch.equal(jpeg._in_tensors(channels_first(images), quality), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (224, 224), (225, 223)])
@pytest.mark.parametrize("quality", [5, 15, 50, 85, 95])
def test_jpeg_is_pillows_at_any_size_and_for_several_images_at_once(height: int, width: int, quality: int) -> None:
    images = np.concatenate([scene(kind, height, width) for kind in ("smooth", "extreme", "random")])
    expected = compressed(images, quality=quality)
    assert torch.equal(jpeg.round_trip(channels_first(images), quality), expected)
    assert torch.equal(jpeg._in_tensors(channels_first(images), quality), expected)


@pytest.mark.shared_data
def test_jpeg_is_pillows_on_photos(shared_data: Path) -> None:
    images = golden(shared_data, "imagenet")["photos"]
    for quality in range(5, 100, 10):
        expected = compressed(images, quality=quality)
        assert torch.equal(jpeg.round_trip(channels_first(images), quality), expected)
        assert torch.equal(jpeg._in_tensors(channels_first(images), quality), expected)


def test_the_benchmarks_way_of_saving_changes_no_pixel() -> None:
    images = photos(2, 64, 48)
    assert torch.equal(jpeg.round_trip(channels_first(images), 85), compressed(images, quality=85, optimize=True))


def test_jpeg_leaves_the_image_given_alone_however_it_lies_in_memory() -> None:
    images = channels_first(photos(2, 24, 24)).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    turned = images.transpose(2, 3)
    for path in (jpeg.round_trip, jpeg._in_tensors):
        assert torch.equal(path(turned, 30), path(turned.contiguous(), 30))
        assert torch.equal(images, before)


@every_profile
def test_jpeg_compression_has_the_published_qualities(profile: str) -> None:
    images = photos(2, 40, 56)
    for severity in SEVERITIES:
        expected = compressed(images, quality=QUALITIES[profile][severity - 1])
        assert torch.equal(channels_first(ours("jpeg_compression", images, severity, profile)), expected)


@every_profile
@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 47), (5, 90), (1, 1)])
def test_pixelate_is_pillows_box_filter_down_and_up(profile: str, height: int, width: int) -> None:
    images = np.concatenate([scene(kind, height, width) for kind in ("smooth", "extreme", "random")])
    for severity in SEVERITIES:
        share = SHARES[profile][severity - 1]
        small = max(int(width * share), 1), max(int(height * share), 1)
        expected = np.stack([boxed(boxed(image, small), (width, height)) for image in images])
        assert np.array_equal(ours("pixelate", images, severity, profile), expected)


def boxed(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pillow's BOX filter, across and then down; asked for both at once Pillow 13 begins with some tall images the other way."""
    across = Image.fromarray(image).resize((size[0], image.shape[0]), Image.Resampling.BOX)
    if image.shape[0] <= image.shape[1]:
        assert Image.fromarray(image).resize(size, Image.Resampling.BOX) == across.resize(size, Image.Resampling.BOX)
    return np.asarray(across.resize(size, Image.Resampling.BOX))


@given(kinds, st.integers(1, 300), sides, st.floats(0.02, 1), st.integers(0, 9))
def test_the_box_filter_in_tensors_is_pillows_bit_for_bit(kind: str, height: int, width: int, share: float, seed: int) -> None:
    images = channels_first(scene(kind, height, width, seed))
    small = max(int(height * share), 1), max(int(width * share), 1)
    assert torch.equal(pixelate._in_tensors(images, *small), pixelate._by_pillow(images, *small))


@given(sides, sides, st.floats(0.05, 200), st.floats(0.05, 200))
def test_smoothing_is_scipys_however_wide(height: int, width: int, down: float, across: float) -> None:
    field = np.random.default_rng(3).uniform(-1, 1, (height, width))
    expected = ndimage.gaussian_filter(field, (down, across), mode="reflect", truncate=3)
    found = warping.smoothed(torch.from_numpy(field)[None, None], (down, across))[0, 0]
    assert np.abs(found.numpy() - expected).max() < 1e-14


@given(sides, sides, st.sampled_from([(True, "reflect"), (False, "mirror")]), st.sampled_from([0.3, 20, 1000]))
def test_sampling_is_scipys_however_far_outside(height: int, width: int, border: tuple[bool, str], spread: float) -> None:
    generator = np.random.default_rng(5)
    image = generator.uniform(0, 1, (height, width))
    rows, columns = generator.normal(0, spread, (2, 9, 11)) + np.array([height, width])[:, None, None] / 2
    edge_twice, mode = border
    expected = ndimage.map_coordinates(image, [rows, columns], order=1, mode=mode)
    images = torch.from_numpy(image).expand(1, 3, -1, -1)
    found = warping.sampled(images, torch.from_numpy(columns)[None], torch.from_numpy(rows)[None], edge_twice)
    assert np.abs(found[0].numpy() - expected).max() < 1e-9


def displaced(image: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(image.shape[:2])
    places = [rows + down.astype(np.float32), columns + across.astype(np.float32)]
    return np.stack([ndimage.map_coordinates(image[..., channel], places, order=1, mode="reflect") for channel in range(3)], axis=-1)


def elastic(image: np.ndarray, number: int, factor: float, sigma: float, largest: float) -> np.ndarray:
    """hendrycks/robustness in scipy's terms: three corners of a square move, and the map that takes them back says where to read."""
    drawn = np.random.RandomState(number)
    height, width = image.shape[:2]
    centre, half = np.array([height // 2, width // 2]), min(height, width) // 3
    before = np.float32(centre + half * np.array([[1, 1], [1, -1], [-1, -1]]))
    after = before + drawn.uniform(-largest, largest, (3, 2)).astype(np.float32)
    back = np.linalg.solve(np.column_stack([after.astype(float), np.ones(3)]), before.astype(float))
    rows, columns = np.indices((height, width))
    read_x, read_y = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ back, -1, 0)
    unit = (image / 255).astype(np.float32)
    warped = np.stack([ndimage.map_coordinates(unit[..., channel], [read_y, read_x], order=1, mode="mirror") for channel in range(3)], -1)
    fields = [drawn.uniform(-1, 1, (height, width)) for _ in range(2)]
    return displaced(warped, *(ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3) * factor for field in fields))


@every_profile
@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 72)])
def test_elastic_transform_is_an_affine_map_and_smooth_displacements(profile: str, height: int, width: int) -> None:
    images = photos(3, height, width)
    for severity, shares in enumerate(WARPS[profile], start=1):
        constants = [SIDES[profile] * share for share in shares]
        expected = levels(np.stack([elastic(image, number, *constants) for number, image in enumerate(images)]))
        difference = apart(ours("elastic_transform", images, severity, profile), expected)
        assert difference.max() <= 1
        assert difference.mean() <= 0.002


@given(st.integers(3, 300), st.integers(3, 300), st.integers(0, 9))
def test_the_affine_map_is_the_one_that_opencv_finds(height: int, width: int, seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    jitter = np.random.default_rng(seed).uniform(-1, 1, (1, 3, 2))
    largest = min(height, width) / 12
    half = min(height, width) // 3
    centre = np.array([height // 2, width // 2])
    before = np.float32(centre + half * np.array([[1, 1], [1, -1], [-1, -1]]))
    after = before + (jitter[0] * largest).astype(np.float32)
    inverse = cv2.invertAffineTransform(cv2.getAffineTransform(before, after))
    columns, rows = (found[0].numpy() for found in elastic_transform._affine(torch.from_numpy(jitter), largest, height, width))
    y, x = np.indices((height, width))
    expected_columns, expected_rows = inverse @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    assert np.abs(columns.ravel() - expected_columns).max() < 1e-8
    assert np.abs(rows.ravel() - expected_rows).max() < 1e-8


def test_points_moved_onto_one_line_still_give_an_image() -> None:
    jitter = torch.tensor([[[0.0, 0.0], [-1.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)  # the corner moves onto the diagonal
    columns, rows = elastic_transform._affine(jitter, 10, 30, 30)
    assert (columns.unique().tolist(), rows.unique().tolist()) == ([25], [5])


def package_elastic(image: np.ndarray, number: int, factor: float) -> np.ndarray:
    drawn = np.random.RandomState(number)
    height, width = image.shape[:2]
    fields = [drawn.uniform(-0.005 * height, 0.005 * height, (height, width)) for _ in range(2)]
    sigma = (0.01 * height, 0.01 * width)
    shifts = (ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3) * factor for field in fields)
    return displaced((image / 255).astype(np.float32), *shifts)


@every_profile
@pytest.mark.parametrize(("height", "width"), [(224, 224), (40, 72), (32, 32)])
def test_the_packages_elastic_transform_only_displaces_and_knows_one_set_of_constants(profile: str, height: int, width: int) -> None:
    images = photos(2, height, width)
    for severity, factor in enumerate([12.5, 16.25, 21.25, 25, 30], start=1):
        expected = levels(np.stack([package_elastic(image, number, factor) for number, image in enumerate(images)]))
        difference = apart(ours("elastic_transform_imagecorruptions", images, severity, profile), expected)
        assert difference.max() <= 1
        assert difference.mean() <= 0.002


@pytest.fixture
def imagecorruptions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package's corruptions, as a module of our own: it no longer imports beside a new setuptools and SciPy's warnings."""
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    package = importlib.util.find_spec("imagecorruptions")
    if not package or not package.submodule_search_locations:
        pytest.skip("needs the package imagecorruptions")
    resources = ModuleType("pkg_resources")
    resources.resource_filename = None  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "pkg_resources", resources)
    place = Path(package.submodule_search_locations[0]) / "corruptions.py"
    spec = importlib.util.spec_from_file_location("corruptions_of_imagecorruptions", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("height", "width"), [(224, 224), (48, 64)])
def test_the_package_writes_the_same_levels(imagecorruptions: ModuleType, height: int, width: int) -> None:
    images = photos(2, height, width)
    for severity in SEVERITIES:
        expected = []
        for number, image in enumerate(images):
            state = np.random.get_state()
            np.random.seed(number)
            expected.append(np.uint8(imagecorruptions.elastic_transform(Image.fromarray(image), severity)))
            np.random.set_state(state)
        difference = apart(ours("elastic_transform_imagecorruptions", images, severity, "imagenet"), np.stack(expected))
        assert difference.max() <= 1
        assert difference.mean() <= 0.002


@every_profile
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (2, 1), (3, 2), (9, 4)])
@pytest.mark.parametrize("corruption", ["elastic_transform", "elastic_transform_imagecorruptions", "pixelate", "jpeg_compression"])
def test_the_smallest_images_are_corrupted_too(corruption: str, height: int, width: int, profile: str) -> None:
    images = channels_first(scene("random", height, width))
    for severity in SEVERITIES:
        answer = find("corruptions", corruption)(images, severity, Replayed(1), profile)
        assert answer.shape == images.shape
        assert not bool(answer.isnan().any())


@pytest.mark.parametrize("corruption", ["elastic_transform", "elastic_transform_imagecorruptions", "pixelate"])
@every_profile
def test_one_colour_stays_exactly_as_it_is(corruption: str, profile: str) -> None:
    colours = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 12, 9)
    for severity in SEVERITIES:
        answer = find("corruptions", corruption)(colours, severity, Replayed(256), profile)
        assert torch.equal(to_levels(answer) if answer.is_floating_point() else answer, colours)


@pytest.mark.gpu
@pytest.mark.parametrize(("height", "width"), [(224, 224), (225, 223), (7, 13), (1, 1)])
def test_a_gpu_pixelates_and_compresses_bit_for_bit_as_the_cpu(height: int, width: int) -> None:
    images = channels_first(np.concatenate([scene(kind, height, width) for kind in ("smooth", "extreme", "random")]))
    for corruption in ("pixelate", "jpeg_compression"):
        for severity in SEVERITIES:
            here, there = (find("corruptions", corruption)(given, severity, Replayed(3), "imagenet") for given in (images, images.cuda()))
            assert torch.equal(here, there.cpu())
