"""What every perturbation sequence keeps to. A new file in `robustsuite/sequences` is tested here by existing."""

import re
from functools import cache

import numpy as np
import pytest
import torch

from robustsuite import catalog
from robustsuite.corrupting import PROFILES, frames
from robustsuite.numerics.random import image_keys, keyed
from robustsuite.roles import Levels

SIZES = ((1, 1), (5, 3), (32, 32), (64, 48))
SMALL = ("cifar", 40)  # a profile, and the side of images that leave a margin around its 32 pixels

every_sequence = pytest.mark.parametrize("sequence", catalog.names("sequences"))
every_profile = pytest.mark.parametrize("profile", PROFILES)


@cache
def scenes(count: int, height: int, width: int) -> Levels:
    """Smooth colours with a sharp edge and some noise; the same in every run."""
    generator = np.random.default_rng(20190328)
    slopes, noise = generator.uniform(-120, 120, (2, count, 3, 1, 1)), generator.normal(0, 12, (count, 3, height, width))
    rows, columns = np.linspace(-0.5, 0.5, height)[:, None], np.linspace(-0.5, 0.5, width)
    values = 128 + slopes[0] * rows + slopes[1] * columns + 60 * (rows > columns) + noise
    return torch.from_numpy(values.clip(0, 255).astype(np.uint8))


def names(count: int) -> list[str]:
    return [f"photos/{number}.png" for number in range(count)]


def played(sequence: str, images: Levels, ids: list[str], profile: str, seed: int = 0) -> Levels:
    """All frames as an evaluation has them, uint8 `[frames, batch, 3, side, side]`."""
    return torch.stack([frame.clone() for frame in frames(images, sequence, image_keys(ids), seed, profile)])


def draws_noise(sequence: str) -> bool:
    noise = keyed(image_keys(["a"]), 0, "does it draw?")
    list(catalog.find("sequences", sequence)(scenes(1, 32, 32), noise, "cifar"))
    return noise.drawn > 0


@every_sequence
def test_the_file_names_its_source(sequence: str) -> None:
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", catalog.module("sequences", sequence).__doc__ or ""), f"{sequence}.py names no paper"
    assert catalog.find("sequences", sequence).__doc__


@every_sequence
def test_what_a_suite_needs_to_know_stands_there_as_literals(sequence: str) -> None:
    lengths = catalog.constant("sequences", sequence, "FRAMES")
    assert set(lengths) == set(PROFILES)
    assert all(type(length) is int and length > 1 for length in lengths.values())
    assert catalog.constant("sequences", sequence, "REFERENCE") == ("first" if "noise" in sequence else "previous")
    assert type(catalog.constant("sequences", sequence, "MARGIN")) is bool
    assert set(catalog.constant("sequences", sequence, "BENCHMARKS")) <= {"imagenet-p", "imagenet-p-extra", "cifar10-p"}


def test_the_benchmarks_are_those_that_were_published() -> None:
    ten = {"gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "snow", "brightness", "translate", "rotate", "tilt", "scale"}
    found = {benchmark: set(held) for benchmark, held in catalog.benchmarks("sequences").items()}
    assert found["imagenet-p"] == ten
    assert found["imagenet-p-extra"] == {"speckle_noise", "gaussian_blur", "spatter", "shear"}
    assert found["cifar10-p"] == ten - {"snow"} | {"spatter"}  # as ImageNet-P/cifar-p-eval.py has it


@every_sequence
@every_profile
@pytest.mark.parametrize(("height", "width"), SIZES, ids=[f"{height}x{width}" for height, width in SIZES])
def test_there_are_as_many_frames_as_said_each_of_the_images_size(sequence: str, profile: str, height: int, width: int) -> None:
    images = scenes(2, height, width)
    noise = keyed(image_keys(names(2)), 0, sequence)
    found = list(catalog.find("sequences", sequence)(images, noise, profile))
    assert len(found) == catalog.constant("sequences", sequence, "FRAMES")[profile]
    assert {(frame.dtype, frame.shape) for frame in found} == {(torch.uint8, images.shape)}


@every_sequence
def test_the_last_frame_is_not_the_first_and_no_two_share_memory(sequence: str) -> None:
    images = scenes(1, 32, 32)
    noise = keyed(image_keys(names(1)), 0, sequence)
    found = list(catalog.find("sequences", sequence)(images, noise, "cifar"))
    assert not torch.equal(found[0], found[-1])
    assert len({frame.data_ptr() for frame in (images, *found)}) == len(found) + 1


@every_sequence
def test_noise_is_compared_with_a_clean_first_frame(sequence: str) -> None:
    images = scenes(1, 32, 32)
    first = next(iter(frames(images, sequence, image_keys(names(1)), 0, "cifar")))
    assert torch.equal(first, images) or catalog.constant("sequences", sequence, "REFERENCE") == "previous"


@every_sequence
def test_frames_are_of_the_profiles_size_whatever_lies_around(sequence: str) -> None:
    profile, side = SMALL
    images, small = scenes(2, side, side), PROFILES[profile]
    rim = (side - small) // 2
    crop = images[..., rim:-rim, rim:-rim].clone()
    found, cropped_before = played(sequence, images, names(2), profile), played(sequence, crop, names(2), profile)
    assert found.shape[-2:] == cropped_before.shape[-2:] == (small, small)
    assert torch.equal(found, cropped_before) != catalog.constant("sequences", sequence, "MARGIN")


@every_sequence
def test_the_same_image_in_another_batch_has_identical_frames(sequence: str) -> None:
    profile, side = SMALL
    images, ids = scenes(5, side, side), names(5)
    whole = played(sequence, images, ids, profile)
    alone = [played(sequence, images[row : row + 1], ids[row : row + 1], profile) for row in range(5)]
    assert torch.equal(torch.cat(alone, dim=1), whole)
    order = [4, 0, 2, 1, 3]
    assert torch.equal(played(sequence, images[order], [ids[row] for row in order], profile), whole[:, order])


@every_sequence
def test_the_seed_fixes_every_bit_and_another_seed_draws_other_noise(sequence: str) -> None:
    images = scenes(1, 32, 32)
    once, again, other = (played(sequence, images, ["a"], "cifar", seed) for seed in (3, 3, 4))
    assert torch.equal(once, again)
    assert torch.equal(once, other) != draws_noise(sequence)


@every_sequence
def test_noise_belongs_to_the_image(sequence: str) -> None:
    found = played(sequence, scenes(1, 32, 32).expand(2, -1, -1, -1), ["one", "other"], "cifar")
    assert torch.equal(found[:, 0], found[:, 1]) != draws_noise(sequence)


@every_sequence
def test_the_images_given_and_global_random_numbers_are_left_alone(sequence: str) -> None:
    images = scenes(2, 32, 32).clone()
    before, torch_before, numpy_before = images.clone(), torch.get_rng_state(), np.random.get_state()
    for frame in frames(images, sequence, image_keys(names(2)), 0, "cifar"):
        frame.zero_()
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), numpy_before, strict=True))


@pytest.mark.gpu
@every_sequence
def test_a_gpu_plays_within_one_level_of_the_cpu(sequence: str) -> None:
    images, keys = scenes(3, 256, 256), image_keys(names(3))
    here = frames(images, sequence, keys, 0, "imagenet")
    there = frames(images.cuda(), sequence, keys.cuda(), 0, "imagenet")
    for one, other in zip(here, there, strict=True):
        assert int((one.int() - other.cpu().int()).abs().max()) <= 1
