"""Noise, frost, fog, saturation and spatter against numpy, scipy, scikit-image, OpenCV, and plain loops."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corruption_reference import GOLDEN, SEVERITIES, Replayed, golden, levels, ours, photos, raw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

import robustsuite
from robustsuite import EvaluationError
from robustsuite.corrupting import PROFILES
from robustsuite.corruptions import _frost_textures
from robustsuite.numerics.levels import to_levels
from robustsuite.numerics.opencv import opencv
from robustsuite.numerics.plasma import plasma
from robustsuite.numerics.poisson import poisson_tables
from robustsuite.numerics.random import image_keys, keyed

cv2 = pytest.importorskip("cv2")
skimage_color = pytest.importorskip("skimage.color")
skimage_util = pytest.importorskip("skimage.util")

every_profile = pytest.mark.parametrize("profile", PROFILES)
every_severity = pytest.mark.parametrize("severity", SEVERITIES)
quickly = settings(deadline=None, max_examples=30, derandomize=True)

HERE = (
    "fog",
    "frost",
    "frost_imagecorruptions",
    "impulse_noise",
    "saturate",
    "shot_noise",
    "spatter",
    "speckle_noise",
)

# ImageNet-C/create_c of hendrycks/robustness: make_imagenet_c.py, make_imagenet_c_inception.py, make_tinyimagenet_c.py, make_cifar_c.py
SHOT = {
    "imagenet": [60, 25, 12, 5, 3],
    "imagenet-299": [50, 20, 10, 5, 3],
    "tiny": [250, 100, 50, 30, 15],
    "cifar": [500, 250, 100, 75, 50],
}
IMPULSE = {
    "imagenet": [0.03, 0.06, 0.09, 0.17, 0.27],
    "imagenet-299": [0.04, 0.07, 0.10, 0.18, 0.28],
    "tiny": [0.01, 0.02, 0.05, 0.08, 0.14],
    "cifar": [0.01, 0.02, 0.03, 0.05, 0.07],
}
SPECKLE = {
    "imagenet": [0.15, 0.2, 0.35, 0.45, 0.6],
    "imagenet-299": [0.16, 0.21, 0.36, 0.46, 0.61],
    "tiny": [0.15, 0.2, 0.25, 0.3, 0.35],
    "cifar": [0.06, 0.1, 0.12, 0.16, 0.2],
}
FOG = {
    "imagenet": [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)],
    "imagenet-299": [(1.5, 2), (2, 2), (2.5, 1.8), (2.5, 1.6), (3, 1.5)],
    "tiny": [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)],
    "cifar": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
}
FROST = {
    "imagenet": [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
    "imagenet-299": [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
    "tiny": [(1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)],
    "cifar": [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
}
SATURATE = {
    "imagenet": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)],
    "imagenet-299": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)],
    "tiny": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
    "cifar": [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
}
SPATTER = {  # mean, deviation, blur, limit, strength or blur of the edges, whether it is mud
    "imagenet": [(0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0), (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1)],
    "imagenet-299": [(0.65, 0.3, 4, 0.69, 0.9, 0), (0.65, 0.3, 3.5, 0.68, 0.9, 0), (0.65, 0.3, 3, 0.68, 0.8, 0), (0.65, 0.3, 1.2, 0.65, 1.8, 1), (0.67, 0.4, 1.2, 0.65, 1.8, 1)],
    "tiny": [(0.62, 0.1, 0.7, 0.7, 0.6, 0), (0.65, 0.1, 0.8, 0.7, 0.6, 0), (0.65, 0.3, 1, 0.69, 0.6, 0), (0.65, 0.1, 0.7, 0.68, 0.6, 1), (0.65, 0.1, 0.5, 0.67, 0.6, 1)],
    "cifar": [(0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0), (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1)],
}  # fmt: skip


# Noise


@quickly
@given(st.lists(st.floats(0, 600), min_size=1, max_size=3))
def test_evenly_spaced_words_draw_every_count_as_often_as_poisson_says(means: list[float]) -> None:
    tables = poisson_tables(np.array(means))
    words = (torch.arange(2**18) * 2**14 - 2**31).int()
    for row, mean in enumerate(means):
        counts = np.bincount(tables.draw(words, torch.full_like(words, row)).numpy())
        expected = stats.poisson.pmf(np.arange(len(counts)), mean) * len(words)
        parts = 2 * 2**tables.bits  # of the range of words; each may be off by one word
        assert np.abs(counts - expected).sum() / 2 <= parts


def test_a_mean_of_zero_draws_zero() -> None:
    words = torch.randint(-(2**31), 2**31, (1000,), generator=torch.Generator().manual_seed(0)).int()
    drawn = poisson_tables(np.array([0.0, 500.0])).draw(words, torch.zeros_like(words))
    assert not drawn.any()


@every_profile
def test_shot_noise_of_our_own_draws_is_poisson_at_every_level(profile: str) -> None:
    """A chi-square test of each of 12 levels; a right implementation fails once in 10,000 seeds, and the seed is fixed."""
    shown = (0, 1, 5, 20, 60, 100, 128, 160, 200, 230, 254, 255)
    for severity in SEVERITIES:
        photons = SHOT[profile][severity - 1]
        images = torch.tensor(shown, dtype=torch.uint8).view(1, 1, -1, 1).expand(4, 3, -1, 1000).contiguous()
        noise = keyed(image_keys(list("abcd")), 0, f"shot-{severity}")
        found = robustsuite.catalog.find("corruptions", "shot_noise")(images, severity, noise, profile)
        counts = (found * photons).round().int().numpy()
        for row, level in enumerate(shown):
            assert chi_square(counts[:, :, row].ravel(), stats.poisson(level / 255 * photons)) > 1e-4 / (12 * 5 * 4)


def chi_square(counts: np.ndarray, distribution: Any) -> float:
    """The p-value of counts under a distribution of scipy's; neighbouring counts are joined until 8 of each are expected."""
    edges = np.unique(distribution.ppf(np.linspace(0, 1, min(60, len(counts) // 8))[1:-1]))
    cumulative = np.append(distribution.cdf(edges), 1)
    expected = np.diff(cumulative, prepend=0) * len(counts)
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(expected))
    kept = expected > 1e-9
    assert not observed[~kept].any()
    return 1.0 if kept.sum() == 1 else float(stats.chisquare(observed[kept], expected[kept]).pvalue)


@every_profile
def test_shot_noise_replays_numpys_draws(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        photons = SHOT[profile][severity - 1]
        drawn = np.stack([np.random.RandomState(number).poisson(images[number] / 255 * photons) for number in range(3)])
        assert np.array_equal(ours("shot_noise", images, severity, profile), levels(drawn / photons))


@every_profile
@every_severity
def test_impulse_noise_replaces_the_published_share_by_black_and_white(profile: str, severity: int) -> None:
    images = torch.randint(1, 255, (4, 3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    share = IMPULSE[profile][severity - 1]
    found = robustsuite.corrupt(images, "impulse_noise", severity, profile=profile)
    changed = found != images
    assert set(found[changed].tolist()) == {0, 255}
    assert stats.binomtest(int(changed.sum()), images.numel(), share).pvalue > 1e-6
    assert stats.binomtest(int((found == 255).sum()), int(changed.sum()), 0.5).pvalue > 1e-6
    pairs = int((changed[:, 0] & changed[:, 1]).sum())  # channels are struck independently
    assert stats.binomtest(pairs, images[:, 0].numel(), share**2).pvalue > 1e-6


@every_severity
def test_impulse_noise_has_the_shares_of_scikit_images_salt_and_pepper(severity: int) -> None:
    images = photos(4, 96, 96)
    found = ours("impulse_noise", images, severity, "imagenet")
    drawn = skimage_util.random_noise(images / 255, mode="s&p", amount=IMPULSE["imagenet"][severity - 1], rng=severity)
    for extreme in (0, 255):
        table = [[np.count_nonzero(of == extreme), np.count_nonzero(of != extreme)] for of in (found, levels(drawn))]
        assert stats.chi2_contingency(table).pvalue > 1e-6  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.shared_data
@pytest.mark.parametrize("profile", GOLDEN)
def test_the_official_code_struck_the_same_share(shared_data: Path, profile: str) -> None:
    arrays = golden(shared_data, profile)
    inside = (arrays["photos"] > 0) & (arrays["photos"] < 255)
    for severity in (1, 3, 5):
        official = arrays[f"impulse_noise-{severity}"]
        struck = (official != arrays["photos"])[inside]
        assert set(np.unique(official[inside][struck])) == {0, 255}
        assert stats.binomtest(int(struck.sum()), int(inside.sum()), IMPULSE[profile][severity - 1]).pvalue > 1e-6


@every_profile
def test_speckle_noise_is_normal_and_grows_with_the_brightness(profile: str) -> None:
    images = photos(3, 24, 40)
    for severity in SEVERITIES:
        drawn = np.stack(
            [np.random.RandomState(number).normal(size=(24, 40, 3), scale=SPECKLE[profile][severity - 1]) for number in range(3)]
        )
        assert np.array_equal(ours("speckle_noise", images, severity, profile), levels(images / 255 + images / 255 * drawn))


# Saturation


def saturated(images: np.ndarray, factor: float, added: float) -> np.ndarray:
    """Through the HSV of scikit-image; levels of any shape `[..., 3]`."""
    hsv = skimage_color.rgb2hsv(images / 255)
    hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
    return levels(skimage_color.hsv2rgb(hsv))


@every_profile
@every_severity
def test_saturate_is_bit_for_bit_that_of_scikit_image(profile: str, severity: int) -> None:
    generator = np.random.default_rng(severity)
    images = generator.integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    images[:, :64] = images[:, :64, :, :1]  # grey
    images[:, 64:128, :, 1] = images[:, 64:128, :, 0]  # two channels alike, larger or smaller than the third
    images[:, 64:128] = generator.permuted(images[:, 64:128], axis=-1)
    images[:, 128:160] //= 32  # nearly black
    assert np.array_equal(ours("saturate", images, severity, profile), saturated(images, *SATURATE[profile][severity - 1]))


@quickly
@given(
    st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=40), st.sampled_from(list(PROFILES)), st.sampled_from(SEVERITIES)
)
def test_saturate_keeps_the_value_and_the_order_of_channels(colours: list[tuple[int, int, int]], profile: str, severity: int) -> None:
    images = np.array(colours, np.uint8)[None, None]
    found = ours("saturate", images, severity, profile)
    assert np.array_equal(found.max(axis=-1), images.max(axis=-1))
    order = images.argsort(axis=-1, kind="stable")
    coloured = np.ptp(images, axis=-1) > 0
    assert (np.diff(np.take_along_axis(found, order, axis=-1).astype(int)[coloured], axis=-1) >= 0).all()


# Fog


def cloud(size: int, decay: float, generator: np.random.RandomState) -> np.ndarray:
    """The diamond-square algorithm, point by point."""
    field = np.zeros((size, size))
    step, wibble = size, 100.0

    def set_to_mean(row: int, column: int, around: list[tuple[int, int]]) -> None:
        mean = sum(field[(row + down) % size, (column + right) % size] for down, right in around) / 4
        field[row, column] = mean + wibble * generator.uniform(-wibble, wibble)

    while step >= 2:
        half = step // 2
        corners = [(-half, -half), (-half, half), (half, -half), (half, half)]
        neighbours = [(-half, 0), (half, 0), (0, -half), (0, half)]
        for first_row, first_column, around in ((half, half, corners), (0, half, neighbours), (half, 0, neighbours)):
            for row in range(first_row, size, step):
                for column in range(first_column, size, step):
                    set_to_mean(row, column, around)
        step, wibble = half, wibble / decay
    field -= field.min()
    return field / field.max()


@pytest.mark.parametrize("decay", [1.4, 2, 3])
@pytest.mark.parametrize("size", [2, 4, 16, 32, 64])
def test_a_plasma_fractal_is_that_of_plain_loops(size: int, decay: float) -> None:
    found = plasma(Replayed(2), size, decay)
    for number in range(2):
        assert np.abs(found[number].numpy() - cloud(size, decay, np.random.RandomState(number))).max() < 1e-12


@quickly
@given(st.integers(1, 7), st.floats(1, 4), st.integers(0, 1000))
def test_a_plasma_fractal_fills_0_to_1(steps: int, decay: float, seed: int) -> None:
    found = plasma(keyed(image_keys(["one", "other"]), seed, "clouds"), 2**steps, decay)
    assert found.amin(dim=(1, 2)).tolist() == [0, 0]
    assert found.amax(dim=(1, 2)).tolist() == [1, 1]


def test_a_larger_decay_makes_smoother_clouds() -> None:
    steepness = [float(plasma(keyed(image_keys(["a"]), 0, "x"), 64, decay).diff(dim=1).abs().mean()) for decay in (1.2, 1.5, 2, 3)]
    assert steepness == sorted(steepness, reverse=True)


@every_profile
@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (20, 33, 64), (64, 48, 64)])
def test_fog_lies_over_the_image_like_a_cloud(profile: str, height: int, width: int, size: int) -> None:
    images = photos(2, height, width) // np.array([1, 2], np.uint8)[:, None, None, None]  # the second one is dark
    for severity in (1, 4):
        thickness, decay = FOG[profile][severity - 1]
        for number, image in enumerate(images / 255):
            shown = image + thickness * cloud(size, decay, np.random.RandomState(number))[:height, :width, None]
            expected = levels(shown * image.max() / (image.max() + thickness))
            assert np.array_equal(ours("fog", images, severity, profile)[number], expected)


class Counted(Replayed):
    """Says how many uniform numbers it was asked for."""

    asked = 0

    def uniform(self, *shape: int) -> torch.Tensor:
        self.asked += int(np.prod(shape))
        return super().uniform(*shape)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(224, 224, 256), (299, 299, 512), (64, 64, 64), (32, 32, 32), (100, 257, 512), (1, 1, 2)]
)
def test_the_map_of_fog_has_the_published_size(height: int, width: int, size: int) -> None:
    noise = Counted(1)
    robustsuite.catalog.find("corruptions", "fog")(torch.zeros(1, 3, height, width, dtype=torch.uint8), 3, noise, "imagenet")
    assert noise.asked == size * size - 1


# Frost

FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


@pytest.fixture
def frost_photos() -> list[np.ndarray]:
    """As OpenCV reads them: height, width, and blue, green, red."""
    try:
        package = distribution("imagecorruptions")
    except PackageNotFoundError:
        pytest.skip("needs the package imagecorruptions")
    found = [cv2.imread(str(package.locate_file(f"imagecorruptions/frost/{file}"))) for file in FILES]
    assert all(photo is not None for photo in found)
    return found


def through_frost(images: np.ndarray, shown: list[np.ndarray], shares: tuple[float, float]) -> np.ndarray:
    height, width = images.shape[1:3]
    found = []
    for number, image in enumerate(images):
        generator = np.random.RandomState(number)
        photo = shown[generator.randint(5)]
        top, left = generator.randint(0, photo.shape[0] - height), generator.randint(0, photo.shape[1] - width)
        window = photo[top : top + height, left : left + width, ::-1]
        found.append(np.uint8(np.clip(shares[0] * image + shares[1] * window, 0, 255)))
    return np.stack(found)


def test_photos_of_frost_are_read_as_opencv_reads_them(frost_photos: list[np.ndarray]) -> None:
    for found, expected in zip(_frost_textures._photos(), frost_photos, strict=True):
        assert np.array_equal(found, expected[..., ::-1])


@every_profile
@pytest.mark.parametrize(("height", "width"), [(60, 50), (31, 47)])
def test_frost_is_a_window_of_a_photo_laid_over_the_image(profile: str, height: int, width: int, frost_photos: list[np.ndarray]) -> None:
    scale = {"tiny": 0.3, "cifar": 0.2}.get(profile, 1)
    shown = [cv2.resize(photo, (0, 0), fx=scale, fy=scale) if scale < 1 else photo for photo in frost_photos]
    images = photos(8, height, width)
    for severity in SEVERITIES:
        expected = through_frost(images, shown, FROST[profile][severity - 1])
        assert np.array_equal(ours("frost", images, severity, profile), expected)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 200), (400, 300), (320, 1000), (700, 701)])
def test_the_packages_frost_enlarges_every_photo(height: int, width: int, frost_photos: list[np.ndarray]) -> None:
    images = photos(4, height, width)
    shown = [enlarged(photo, height, width) for photo in frost_photos]
    for profile in ("imagenet", "cifar"):
        expected = through_frost(images, shown, FROST["imagenet"][3])
        assert np.array_equal(ours("frost_imagecorruptions", images, 4, profile), expected)


def enlarged(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """As `imagecorruptions` does: first until the photo covers the image, then by a tenth."""
    factor = max(1, height / photo.shape[0], width / photo.shape[1]) * 1.1
    size = (int(np.ceil(photo.shape[1] * factor)), int(np.ceil(photo.shape[0] * factor)))
    return cv2.resize(photo, dsize=size, interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("height", "width"), [(320, 300), (315, 560), (700, 1000)])
def test_frost_enlarges_only_photos_that_an_image_does_not_fit_into(height: int, width: int, frost_photos: list[np.ndarray]) -> None:
    images = photos(5, height, width)
    fits = [photo.shape[0] > height and photo.shape[1] > width for photo in frost_photos]
    shown = [photo if fit else enlarged(photo, height, width) for photo, fit in zip(frost_photos, fits, strict=True)]
    assert np.array_equal(ours("frost", images, 2, "imagenet"), through_frost(images, shown, FROST["imagenet"][1]))


@pytest.fixture
def nothing_remembered() -> Iterator[None]:
    for function in (_frost_textures._photos, _frost_textures.textures, opencv):
        function.cache_clear()
    yield
    for function in (_frost_textures._photos, _frost_textures.textures, opencv):
        function.cache_clear()


@pytest.mark.usefixtures("nothing_remembered")
@pytest.mark.parametrize("corruption", ["frost", "frost_imagecorruptions"])
def test_frost_without_its_photos_names_the_package_that_brings_them(corruption: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_frost_textures, "find_spec", lambda name: None)
    with pytest.raises(EvaluationError, match="expected the package imagecorruptions.*got none installed") as caught:
        ours(corruption, photos(1, 32, 32), 1, "imagenet")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("nothing_remembered")
@pytest.mark.parametrize(("corruption", "severity"), [("frost", 1), ("spatter", 2)])
def test_without_opencv_one_sentence_names_it(corruption: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(EvaluationError, match="expected OpenCV to .*, got none that loads; install opencv-python") as caught:
        ours(corruption, photos(1, 32, 32), severity, "cifar")
    assert "\n" not in str(caught.value)


# Spatter


def smooth(layer: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(layer, sigma, mode="nearest")


def drops(liquid: np.ndarray, strength: float) -> np.ndarray:
    """The benchmark's water: float32 in [0, 1]."""
    thickness = (liquid * 255).astype(np.int64).astype(np.uint8)
    distance = cv2.distanceTransform(cv2.bitwise_not(cv2.Canny(thickness, 50, 150)), cv2.DIST_L2, 5)
    even = cv2.equalizeHist(cv2.blur(cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1], (3, 3)).astype(np.uint8))
    relief = cv2.blur(cv2.filter2D(even, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])), (3, 3))
    product = thickness * relief.astype(np.float32)
    return product / product.max() * np.float32(strength)


def spattered(image: np.ndarray, constants: tuple[float, ...], generator: np.random.RandomState) -> np.ndarray:
    mean, deviation, sigma, limit, amount, is_mud = constants
    image = image.astype(np.float32) / np.float32(255)
    liquid = smooth(generator.normal(mean, deviation, image.shape[:2]), sigma)
    liquid[liquid < limit] = 0
    if is_mud:
        mask = smooth((liquid > limit).astype(np.float32), amount)[..., None]
        mask[mask < 0.8] = 0
        return levels(image * (1 - mask) + np.array([63 / 255, 42 / 255, 20 / 255], np.float32) * mask)
    return levels(image + np.array([175 / 255, 238 / 255, 238 / 255], np.float32) * drops(liquid, amount)[..., None])


@every_profile
@every_severity
@pytest.mark.parametrize(("height", "width"), [(64, 64), (90, 41)])
def test_spatter_is_that_of_scipy_and_opencv(profile: str, severity: int, height: int, width: int) -> None:
    images = photos(3, height, width)
    expected = [spattered(image, SPATTER[profile][severity - 1], np.random.RandomState(number)) for number, image in enumerate(images)]
    assert np.array_equal(ours("spatter", images, severity, profile), np.stack(expected))


class Still(Replayed):
    """Noise without any."""

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.zeros(len(self.generators), *shape)


@every_severity
def test_a_layer_without_liquid_leaves_the_image_as_it_is(severity: int) -> None:
    """The layer is at its mean all over, which for 32 pixels is below every limit; the benchmark would divide 0 by 0."""
    given_levels = torch.from_numpy(photos(1, 16, 16).transpose(0, 3, 1, 2).copy())
    found = robustsuite.catalog.find("corruptions", "spatter")(given_levels, severity, Still(1), "cifar")
    assert torch.equal(to_levels(found), given_levels)


def test_spatter_is_turquoise_or_brown() -> None:
    black = np.zeros((1, 128, 128, 3), np.uint8)
    water, mud = (raw("spatter", black, severity, "imagenet")[0].flatten(1) for severity in (3, 4))
    most = water[:, water[0].argmax()]
    assert most.tolist() == pytest.approx([0.5 * 175 / 255, 0.5 * 238 / 255, 0.5 * 238 / 255])
    assert mud.amax(dim=1).tolist() == pytest.approx([63 / 255, 42 / 255, 20 / 255], rel=0.01)


# All of them


@pytest.mark.parametrize("corruption", HERE)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (5, 130)])
def test_an_image_of_any_size_is_corrupted(corruption: str, height: int, width: int) -> None:
    for severity in SEVERITIES:
        for value in (0, 100, 255):
            images = torch.full((2, 3, height, width), value, dtype=torch.uint8)
            found = robustsuite.corrupt(images, corruption, severity)
            assert (found.shape, found.dtype) == (images.shape, torch.uint8)
