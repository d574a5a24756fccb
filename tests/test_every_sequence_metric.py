"""What every metric of sequences keeps to, and the two of ImageNet-P against a plain reading of its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from robustsuite import catalog
from robustsuite.judging import judge
from robustsuite.numerics.condense import condense
from robustsuite.predictions import Outcome, Predictions
from robustsuite.records import Check, Condition, Decision, Frame, Gate

every_metric = pytest.mark.parametrize("metric", catalog.names("sequence_metrics"))
every_reference = pytest.mark.parametrize("reference", ["previous", "first"])
quickly = settings(deadline=None, max_examples=60, derandomize=True)


def sequences(seed: int, frames: int, images: int, classes: int) -> np.ndarray:
    """Logits `[frames, images, classes]` that drift from frame to frame."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(1, images, classes)) + generator.normal(0, 0.3, (frames, images, classes)).cumsum(axis=0)


def kept(logits: np.ndarray) -> list[Predictions]:
    labels = torch.zeros(logits.shape[1], dtype=torch.long)
    return [condense(torch.from_numpy(frame), labels) for frame in logits]


def module(metric: str):
    return catalog.module("sequence_metrics", metric)


drawn = given(st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 6), st.integers(5, 30), st.sampled_from(["previous", "first"]))


@every_metric
@quickly
@drawn
def test_the_metric_is_the_mean_over_images_and_lies_in_its_range(
    metric: str, seed: int, frames: int, images: int, classes: int, reference: str
) -> None:
    predictions = kept(sequences(seed, frames, images, classes))
    each = module(metric).per_image(predictions, reference)
    low, high = module(metric).RANGE
    assert (each.shape, each.dtype) == ((images,), np.float64)
    assert ((each >= low) & (each <= high)).all()
    assert catalog.find("sequence_metrics", metric)(predictions, reference) == pytest.approx(each.mean())


@every_metric
@every_reference
def test_frames_that_do_not_change_anything_are_perfectly_stable(metric: str, reference: str) -> None:
    still = np.repeat(sequences(0, 1, 9, 12), 5, axis=0)
    assert catalog.find("sequence_metrics", metric)(kept(still), reference) == 0
    assert not module(metric).HIGHER_IS_BETTER


@every_metric
def test_the_file_names_its_source(metric: str) -> None:
    assert "arXiv:1903.12261" in (module(metric).__doc__ or "")


@quickly
@drawn
def test_flip_probability_counts_changed_predictions(seed: int, frames: int, images: int, classes: int, reference: str) -> None:
    logits = sequences(seed, frames, images, classes)
    expected = []
    for image in range(images):
        before, flips = logits[0, image].argmax(), []
        for frame in range(1, frames):
            now = logits[frame, image].argmax()
            flips.append(now != before)
            before = now if reference == "previous" else before
        expected.append(np.mean(flips))
    assert catalog.find("sequence_metrics", "flip_probability")(kept(logits), reference) == pytest.approx(np.mean(expected))


@quickly
@drawn
def test_top5_distance_compares_cumulated_ranks(seed: int, frames: int, images: int, classes: int, reference: str) -> None:
    """By whole rankings, permuted into the reference's order, as the paper has it."""
    logits = sequences(seed, frames, images, classes)
    within = np.minimum(np.arange(classes), 5)  # how many of the best five stand before a rank
    expected = []
    for image in range(images):
        ranks = [rankdata(-frame, method="ordinal").astype(int) - 1 for frame in logits[:, image]]
        before, distances = ranks[0], []
        for now in ranks[1:]:
            moved = now[np.argsort(before)]
            distances.append(np.abs(within[:5] - within[moved[:5]]).sum())
            before = now if reference == "previous" else before
        expected.append(np.mean(distances))
    assert catalog.find("sequence_metrics", "top5_distance")(kept(logits), reference) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("target", ["test-set", "population"])
def test_a_check_averages_over_sequences(target: str) -> None:
    outcomes, expected = {}, []
    for name, reference in (("tilt", "previous"), ("gaussian_noise", "first")):
        frames = kept(sequences(len(name), 4, 50, 6))
        expected.append(catalog.find("sequence_metrics", "flip_probability")(frames, reference))
        for number, predictions in enumerate(frames):
            condition = Condition("data", Frame(name, "imagenet", number))
            outcomes[condition] = Outcome("m", condition, np.arange(50), predictions, 50)
    check = Check("c", "flip_probability", tuple(outcomes), Gate("at_most", 0.99))
    verdict = judge(check, "m", outcomes, Decision(target=target))  # pyright: ignore[reportArgumentType]
    assert (verdict.status, verdict.metric) == ("passed", "flip_probability")
    assert verdict.measurement is not None
    assert verdict.measurement.value == pytest.approx(np.mean(expected))
    assert verdict.measurement.low <= verdict.measurement.value <= verdict.measurement.high
    assert (verdict.measurement.low < verdict.measurement.high) == (target == "population")


@pytest.mark.parametrize(("rate", "metric"), [("flip_rate", "flip_probability"), ("relative_top5_distance", "top5_distance")])
def test_a_rate_is_the_number_over_the_controls(rate: str, metric: str) -> None:
    predictions = kept(sequences(3, 6, 20, 9))
    raw = catalog.find("sequence_metrics", metric)(predictions, "previous")
    assert catalog.find("sequence_metrics", rate)(predictions, "previous", control=raw) == pytest.approx(1)
    assert catalog.find("sequence_metrics", rate)(predictions, "previous") == raw
