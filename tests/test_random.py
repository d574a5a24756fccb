"""Noise that belongs to an image: the same in any batch, and random enough for what it is used for."""

from hashlib import blake2b

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robustsuite.numerics.random import AHEAD, KeyedNoise, image_keys, keyed, splitmix

WORD = (1 << 64) - 1
IDS = [f"class/{number}.png" for number in range(64)]

quickly = settings(deadline=None, max_examples=40, derandomize=True)
words = st.integers(-(2**63), 2**63 - 1)
seeds = st.integers(-(2**70), 2**70)
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
draws = st.sampled_from(["uniform", "normal"])


def noise(ids: list[str] = IDS, seed: int = 0, purpose: object = "fog-3") -> KeyedNoise:
    return keyed(image_keys(ids), seed, purpose)


def published_splitmix(state: int) -> int:
    """Figure 17 of Steele, Lea & Flood 2014, in Python's own integers: unsigned, cut to 64 bits by hand."""
    z = state & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


@quickly
@given(st.lists(words, min_size=1, max_size=20))
def test_splitmix_is_the_published_function(numbers: list[int]) -> None:
    found = splitmix(torch.tensor(numbers, dtype=torch.int64))
    assert [word & WORD for word in found.tolist()] == [published_splitmix(number) for number in numbers]


def test_splitmix_gives_the_words_that_other_implementations_print() -> None:
    # Seed 1234567, the test vector of https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [word & WORD for word in KeyedNoise(torch.tensor([1234567])).words(5)[0].tolist()] == expected


@quickly
@given(words, st.lists(st.sampled_from([1, 2, 9, AHEAD - 1, AHEAD, AHEAD + 1, 3 * AHEAD]), min_size=1, max_size=5))
def test_words_follow_the_published_sequence_across_calls(key: int, counts: list[int]) -> None:
    stream = KeyedNoise(torch.tensor([key], dtype=torch.int64))
    found = torch.cat([stream.words(count) for count in counts], dim=1)[0]
    assert stream.drawn == sum(counts)
    expected = [published_splitmix(key + (place + 1) * 0x9E3779B97F4A7C15) for place in range(sum(counts))]
    assert [word & WORD for word in found.tolist()] == expected


@quickly
@given(st.lists(st.sampled_from(IDS), min_size=1, max_size=12), seeds, shapes, draws)
def test_a_draw_depends_on_the_images_own_id_alone(ids: list[str], seed: int, shape: tuple[int, ...], draw: str) -> None:
    together = noise(ids, seed)
    first, second = (getattr(together, draw)(*shape) for _ in range(2))
    assert first.shape == (len(ids), *shape)
    for row, name in enumerate(ids):
        alone = noise([name], seed)
        assert torch.equal(getattr(alone, draw)(*shape)[0], first[row])
        assert torch.equal(getattr(alone, draw)(*shape)[0], second[row])


@quickly
@given(seeds, seeds, st.text(max_size=8), st.text(max_size=8))
def test_seed_and_purpose_change_the_draws(seed: int, other_seed: int, purpose: str, other_purpose: str) -> None:
    one, other = (noise(IDS[:2], *given).words(4) for given in ((seed, purpose), (other_seed, other_purpose)))
    assert torch.equal(one, other) == ((seed, purpose) == (other_seed, other_purpose))


@quickly
@given(st.text(max_size=12), st.text(max_size=12))
def test_images_share_a_key_only_if_they_share_their_id(name: str, other: str) -> None:
    assert (image_keys([name]).item() == image_keys([other]).item()) == (name == other)


def test_keys_are_the_same_on_every_machine_and_in_every_version() -> None:
    digest = blake2b(b"image\x1fn01440764/0.JPEG", digest_size=8).digest()
    assert image_keys(["n01440764/0.JPEG"]).tolist() == [int.from_bytes(digest, "little", signed=True)] == [3402023367368381638]
    # Written by version 0.1.0: a change here changes every stored result.
    assert [word & WORD for word in noise(["n01440764/0.JPEG"]).words(2)[0].tolist()] == [1451792837291647784, 11194085103470777180]


def test_file_names_that_are_not_unicode_have_a_key_too() -> None:
    assert image_keys(["caf\udce9.png"]).item() != image_keys(["café.png"]).item()  # as os.fsdecode gives the byte E9


@quickly
@given(seeds, shapes, draws)
def test_successive_draws_differ(seed: int, shape: tuple[int, ...], draw: str) -> None:
    stream = noise(IDS[:1], seed)
    calls = [getattr(stream, draw)(8, *shape) for _ in range(3)]
    assert not torch.equal(calls[0], calls[1])
    assert not torch.equal(calls[1], calls[2])


@pytest.mark.parametrize("ones", [0, WORD])
def test_uniform_numbers_never_reach_0_or_1(ones: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyedNoise, "words", lambda self, count: torch.full((1, count), -1 if ones else 0, dtype=torch.int64))
    extreme = noise(IDS[:1]).uniform(3)
    assert extreme.dtype == torch.float32
    assert bool(((extreme > 0) & (extreme < 1)).all())
    assert extreme[0, 0].item() == (1 - 2.0**-24 if ones else 2.0**-24)


def test_normal_numbers_are_symmetric_and_bounded() -> None:
    drawn = noise().normal(2**14)
    assert drawn.dtype == torch.float32
    assert 4.0 < drawn.abs().max().item() < 4.4
    assert torch.isfinite(drawn).all()


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize(
    ("draw", "mean", "variance", "fourth"), [("uniform", 0.5, 1 / 12, 1 / 80), ("normal", 0, 1, 3)], ids=["uniform", "normal"]
)
def test_moments_and_distribution_are_right(seed: int, draw: str, mean: float, variance: float, fourth: float) -> None:
    drawn = getattr(noise(seed=seed), draw)(4096).double().numpy().ravel()
    error = 4 / np.sqrt(drawn.size)  # four standard errors, in units of the deviation
    assert drawn.mean() == pytest.approx(mean, abs=error * np.sqrt(variance))
    assert drawn.var() == pytest.approx(variance, abs=error * np.sqrt(fourth - variance**2))
    assert ((drawn - mean) ** 3).mean() == pytest.approx(0, abs=error * np.sqrt(15 * variance**3))
    assert ((drawn - mean) ** 4).mean() == pytest.approx(fourth, rel=0.03)
    assert stats.kstest(drawn, {"uniform": "uniform", "normal": "norm"}[draw]).pvalue > 0.01


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_each_image_by_itself_is_distributed_rightly(draw: str) -> None:
    rows = getattr(noise(), draw)(2000).double().numpy()
    values = [stats.kstest(row, {"uniform": "uniform", "normal": "norm"}[draw]).pvalue for row in rows]
    assert stats.kstest(values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_images_seeds_purposes_and_neighbours_are_not_correlated(draw: str) -> None:
    length = 4096
    rows = getattr(noise(), draw)(length).double().numpy()
    others = [getattr(stream, draw)(length).double().numpy() for stream in (noise(seed=1), noise(purpose="fog-4"), noise(purpose="fog-2"))]
    limit = 5 / np.sqrt(length)  # five standard errors, for some thousands of pairs
    between_images = np.corrcoef(rows)[np.triu_indices(len(rows), 1)]
    assert np.abs(between_images).max() < limit
    for other in others:
        assert np.abs(np.corrcoef(rows, other)[: len(rows), len(rows) :]).max() < limit
    for lag in (1, 2, 3, 4, 8, 224):
        neighbours = [np.corrcoef(row[:-lag], row[lag:])[0, 1] for row in rows]
        assert np.abs(neighbours).max() < limit


def test_global_random_numbers_are_left_alone() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()
    noise().normal(3, 8, 8)
    noise().uniform(3, 8, 8)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert all(np.array_equal(now, before) for now, before in zip(np.random.get_state(), numpy_before, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_a_gpu_draws_the_same_bits(draw: str) -> None:
    there = keyed(image_keys(IDS).cuda(), 0, "fog-3")
    assert torch.equal(getattr(there, draw)(3, 17, 5).cpu(), getattr(noise(), draw)(3, 17, 5))
