"""The drops that a GPU draws, all images at once, against OpenCV's."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from corruption_reference import SEVERITIES, photos
from hypothesis import given, settings
from hypothesis import strategies as st
from launches import launched
from scipy import ndimage

from robustsuite.catalog import find
from robustsuite.corrupting import PROFILES
from robustsuite.corruptions.spatter import LIQUID, _drawn_by_opencv
from robustsuite.numerics import canny, chamfer, drops, placement
from robustsuite.numerics.levels import to_levels
from robustsuite.numerics.liquid import puddles
from robustsuite.numerics.random import image_keys, keyed

cv2 = pytest.importorskip("cv2")

WATER = [(profile, severity) for profile in PROFILES for severity in SEVERITIES if LIQUID[profile][severity - 1][-1] == "water"]
SIDES = {"imagenet": 224, "imagenet-299": 299, "tiny": 64, "cifar": 32}
quickly = settings(deadline=None, max_examples=60, derandomize=True)
every_water = pytest.mark.parametrize(("profile", "severity"), WATER)
every_size = pytest.mark.parametrize(("height", "width"), [(224, 224), (299, 299), (64, 64), (32, 32), (40, 90)])


def layers(count: int, height: int, width: int, first: int = 0) -> torch.Tensor:
    """Normal numbers; float64."""
    return keyed(torch.arange(first, first + count), 0, "drops").normal(height, width).double()


def scaled(gloss: torch.Tensor) -> torch.Tensor:
    """To 1 at most, as the corruption scales it."""
    return gloss / gloss.amax(dim=(1, 2), keepdim=True).clamp(min=1)


def in_parts(count: int) -> Iterator[tuple[int, int]]:
    """Few at a time, so that little memory is needed: the first of some, and how many."""
    return ((first, min(10, count - first)) for first in range(0, count, 10))


def gloss_is_opencvs(count: int, height: int, width: int, profile: str, severity: int) -> bool:
    mean, deviation, sigma, limit, *_ = LIQUID[profile][severity - 1]
    for first, some in in_parts(count):
        drawn = layers(some, height, width, first)
        found = drops.gloss(drawn, mean, deviation, sigma, limit)
        if not torch.equal(scaled(found), scaled(_drawn_by_opencv(drawn, mean, deviation, sigma, limit))):
            return False
    return True


@every_water
@every_size
def test_gloss_is_opencvs_bit_for_bit(height: int, width: int, profile: str, severity: int) -> None:
    assert gloss_is_opencvs(10, height, width, profile, severity)


@pytest.mark.slow
@every_water
@every_size
def test_gloss_is_opencvs_bit_for_bit_on_many_layers(height: int, width: int, profile: str, severity: int) -> None:
    assert gloss_is_opencvs(200, height, width, profile, severity)


@every_water
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (3, 2), (5, 130), (130, 5)])
def test_gloss_is_opencvs_however_small_the_image(height: int, width: int, profile: str, severity: int) -> None:
    assert gloss_is_opencvs(60, height, width, profile, severity)


@pytest.mark.parametrize("value", [0.2, 0.7, 0.999, 1.0, 1.3])
def test_a_drop_without_a_rim_and_a_lens_without_a_drop(value: float) -> None:
    constant = torch.zeros(2, 24, 30, dtype=torch.float64)
    found = scaled(drops.gloss(constant, value, 0.1, 2, 0.69))
    assert torch.equal(found, scaled(_drawn_by_opencv(constant, value, 0.1, 2, 0.69)))
    assert found.amax() == (value > 0.69)


# Edges


def levels_of_drops(count: int, height: int, width: int, profile: str, severity: int) -> np.ndarray:
    mean, deviation, sigma, limit, *_ = LIQUID[profile][severity - 1]
    drawn = (layers(count, height, width) * deviation + mean).numpy()
    return np.stack([(puddles(layer, sigma, limit) * 255).astype(np.int64).astype(np.uint8) for layer in drawn])


@every_water
def test_edges_are_cannys_as_opencv_has_them(profile: str, severity: int) -> None:
    levels = levels_of_drops(20, 64, 96, profile, severity)
    expected = np.stack([cv2.Canny(each, canny.WEAK, canny.STRONG) for each in levels])
    assert np.array_equal(canny.edges(torch.from_numpy(levels).float()).numpy(), expected > 0)
    assert 0 < (expected > 0).mean() < 0.5


@quickly
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.5, 3), st.floats(10, 400), st.integers(0, 99))
def test_edges_are_opencvs_on_any_smooth_image(height: int, width: int, sigma: float, contrast: float, seed: int) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(128, contrast, (3, height, width)), (0, sigma, sigma))
    levels = smooth.clip(0, 255).astype(np.uint8)
    strong = [cv2.Canny(each, canny.STRONG, canny.STRONG) for each in levels]
    expected = [cv2.Canny(each, canny.WEAK, canny.STRONG) for each in levels]
    weak = [
        np.count_nonzero(cv2.Canny(each, canny.WEAK, canny.WEAK)) - np.count_nonzero(sure)
        for each, sure in zip(levels, strong, strict=True)
    ]
    found = canny.edges(torch.from_numpy(levels).float()).numpy()
    for ours, theirs, sure, number in zip(found, expected, strong, weak, strict=True):
        if number <= height * width // 256 + 64 and reached(theirs > 0, sure > 0, 17):
            assert np.array_equal(ours, theirs > 0)


def reached(edges: np.ndarray, strong: np.ndarray, steps: int) -> bool:
    """Whether no pixel of the edges is more steps from the strong ones."""
    within = ndimage.binary_dilation(strong, np.ones((3, 3)), iterations=steps, mask=edges) if strong.any() else strong
    return bool((within == edges).all())


def test_every_slope_has_the_direction_that_whole_numbers_give_it() -> None:
    """OpenCV compares products of 15 bits more; we a quotient in float32. A slope is at most 1020 in size."""
    slopes = torch.arange(-1020, 1021)
    across, down = slopes[:, None], slopes
    limits, _ = canny._directions(torch.device("cpu"))
    found = torch.bucketize(down.float() / across.float(), limits)
    level, upright = down.abs() * 2**15 < across.abs() * 13573, down.abs() * 2**15 > across.abs() * (13573 + 2**16)
    rising = across * down < 0
    somewhere = (across != 0) | (down != 0)
    assert torch.equal((found == 2) & somewhere, level)
    assert torch.equal(((found == 0) | (found == 4)) & somewhere, upright)
    assert torch.equal((found == 1) & somewhere, ~level & ~upright & rising)


def ridge(steepness: list[float]) -> torch.Tensor:
    """Whether the pixels of a row are edges, `steepness` being 0 where they are no ridge."""
    given = torch.tensor([[*steepness, 0.0]])[:, None]
    return canny._connected(given.clamp(min=canny.WEAK), given > 0)[0, 0, :-1]


def test_a_chain_of_weak_pixels_is_followed_for_17_from_a_strong_one() -> None:
    assert ridge([160] + [100] * 17).all()
    assert ridge([100] * 17 + [160]).all()
    assert ridge([100] * 17 + [160] + [60] * 17).all()
    assert ridge([160] + [100] * 20).tolist() == [True] * 18 + [False] * 3
    assert not ridge([100] * 40).any()
    assert ridge([2040, 51, 0, 51]).tolist() == [True, True, False, False]


def test_of_too_many_weak_pixels_the_steepest_are_taken_to_be_strong() -> None:
    alone = [value for level in range(51, 151) for value in (level, 0)]
    assert ridge(alone).nonzero()[:, 0].tolist() == list(range(2 * 64, 200, 2))
    assert not ridge(alone[: 2 * 64]).any()


def test_a_rows_end_does_not_touch_the_next_rows_beginning() -> None:
    steepness = torch.full((1, 2, 6), 50.0)
    steepness[0, 0, 4], steepness[0, 1, 0] = 160, 100
    assert canny._connected(steepness, steepness > 50).nonzero().tolist() == [[0, 0, 4]]


@every_water
def test_chains_and_numbers_of_weak_pixels_stay_far_below_the_limits(profile: str, severity: int) -> None:
    side = SIDES[profile]
    for each in levels_of_drops(20, side, side, profile, severity):
        strong, edges = (cv2.Canny(each, limit, canny.STRONG) > 0 for limit in (canny.STRONG, canny.WEAK))
        assert reached(edges, strong, 12)
        weak = np.count_nonzero(cv2.Canny(each, canny.WEAK, canny.WEAK)) - np.count_nonzero(strong)
        assert weak <= 0.7 * (side * side // 256 + 64)


# Distances


@quickly
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.0003, 0.003, 0.03, 0.3]), st.integers(0, 99), st.booleans())
def test_distances_are_opencvs_whichever_way_it_adds(height: int, width: int, share: float, seed: int, intel: bool) -> None:
    """With Intel's library, where OpenCV is built with it, in float32; without it in whole numbers."""
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(intel)
    chamfer._tables.cache_clear()
    try:
        marked = np.random.default_rng(seed).random((3, height, width)) < share
        measured = [cv2.distanceTransform(np.where(each, 0, 255).astype(np.uint8), cv2.DIST_L2, 5) for each in marked]
        found = chamfer.distances(torch.from_numpy(marked))
    finally:
        cv2.ipp.setUseIPP(used)
        chamfer._tables.cache_clear()
    assert np.array_equal(found.numpy(), np.minimum(np.stack(measured), chamfer.REACH).astype(float) * chamfer.ONE)


def test_the_mean_of_nine_distances_is_rounded_down_as_opencvs_float32_is() -> None:
    """Also where the mean is a whole number, but for what float32 cannot hold: the fewer the different distances, the more of these."""
    lengths = chamfer._tables(torch.device("cpu"))[-1].numpy()
    generator = np.random.default_rng(0)
    for different in (2, 3, 5, 8, len(lengths)):
        values = generator.choice(generator.choice(lengths, different), (20, 50, 70))
        blurred = [cv2.blur((each / chamfer.ONE).astype(np.float32), (3, 3)) for each in values]
        totals = torch.from_numpy(values).flatten(1)[:, drops._mirrored(50, 70, 0, torch.device("cpu"))].sum(dim=-1)
        found = torch.bucketize(totals.int(), drops._totals(torch.device("cpu")), right=True)
        assert np.array_equal(found.numpy(), np.stack(blurred).astype(np.uint8))


# Contrast


@quickly
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, chamfer.REACH), st.integers(1, chamfer.REACH + 1), st.integers(0, 99))
def test_the_contrast_is_equalised_as_opencv_does_it(height: int, width: int, least: int, different: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(least, min(least + different, chamfer.REACH + 1), (3, height, width))
    found = drops._equalised(torch.from_numpy(values)).view(3, height, width).numpy()
    for ours, given_values in zip(found, values, strict=True):
        expected = cv2.equalizeHist(given_values.astype(np.uint8))
        if len(np.unique(given_values)) > 1:
            assert np.array_equal(ours, expected)
        else:
            assert (ours == np.where(expected > 0, 255, 0)).all()


# The corruption


def corrupted(levels: torch.Tensor, severity: int, profile: str) -> torch.Tensor:
    noise = keyed(image_keys([str(number) for number in range(len(levels))]).to(levels.device), 0, f"spatter-{severity}")
    return to_levels(find("corruptions", "spatter")(levels, severity, noise, profile))


def scene(count: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(photos(count, height, max(width, 8))[:, :, :width].transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (90, 41), (1, 1), (2, 3)])
def test_a_gpus_way_is_the_processors(height: int, width: int, profile: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = scene(3, height, width)
    expected = corrupted(levels, severity, profile)
    monkeypatch.setattr(placement, "HOSTS", frozenset())
    assert torch.equal(corrupted(levels, severity, profile), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_gpu_spatters_as_the_processor_does(profile: str, severity: int) -> None:
    levels = scene(8, SIDES[profile], SIDES[profile])
    assert torch.equal(corrupted(levels.cuda(), severity, profile).cpu(), corrupted(levels, severity, profile))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_gpu_launches_few_kernels_however_many_images(profile: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spatter, levels = find("corruptions", "spatter"), scene(5, 40, 56)
    keys = image_keys(list("abcde"))
    few, many = (
        launched(lambda some=some: spatter(levels[some], severity, keyed(keys[some], 0, "spatter"), profile), monkeypatch)
        for some in (slice(2), slice(5))
    )
    assert few == many
    assert len(few) <= 95
