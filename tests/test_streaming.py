"""A stream gives the metric of all its images, whatever the batches, their order, and who saw them."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import softmax

from robustsuite import UsageError, catalog
from robustsuite.numerics.condense import condense
from robustsuite.streaming import Stream

STREAMED = [name for name in catalog.names("metrics") if hasattr(catalog.module("metrics", name), "of_sums")]
every_streamed = pytest.mark.parametrize("metric", STREAMED)


def answers(images: int = 700, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (images, classes)).astype(np.float32)
    labels = np.where(generator.uniform(size=images) < 0.6, logits.argmax(axis=1), generator.integers(classes, size=images))
    return logits, labels


def streamed(metric: str, batches: list[np.ndarray], **options: int) -> float:
    logits, labels = answers()
    stream = Stream(metric, **options)
    for rows in batches:
        stream.update(logits[rows], labels[rows])
    return stream.value


def test_every_metric_that_is_a_function_of_sums_can_be_streamed() -> None:
    assert set(STREAMED) >= {
        "accuracy",
        "brier_reliability",
        "brier_resolution",
        "brier_score",
        "confidence_accuracy_gap",
        "debiased_calibration_error",
        "expected_calibration_error",
        "maximum_calibration_error",
        "negative_log_likelihood",
        "root_mean_square_calibration_error",
    }


@every_streamed
@pytest.mark.parametrize("batch", [1, 7, 64, 700])
def test_the_size_of_the_batches_does_not_matter(metric: str, batch: int) -> None:
    found = streamed(metric, np.array_split(np.arange(700), range(batch, 700, batch)))
    assert found == pytest.approx(catalog.find("metrics", metric)(condense(*map(torch.from_numpy, answers()))), abs=1e-12)


@every_streamed
def test_the_order_does_not_matter(metric: str) -> None:
    order = np.random.default_rng(1).permutation(700)
    assert streamed(metric, np.array_split(order, 9)) == pytest.approx(streamed(metric, [np.arange(700)]), abs=1e-12)


@every_streamed
@pytest.mark.parametrize("workers", [2, 5])
def test_workers_may_share_the_images(metric: str, workers: int) -> None:
    logits, labels = answers()
    whole = Stream(metric)
    for worker in range(workers):  # as a distributed sampler deals them out
        stream = Stream(metric)
        for rows in np.array_split(np.arange(worker, 700, workers), 4):
            stream.update(logits[rows], labels[rows])
        whole.merge(pickle.loads(pickle.dumps(stream)))
    assert whole.images == 700
    assert whole.value == pytest.approx(streamed(metric, [np.arange(700)]), abs=1e-12)


@every_streamed
def test_memory_does_not_grow_with_the_images(metric: str) -> None:
    sizes = []
    for images in (10, 700):
        stream = Stream(metric)
        stream.update(*(part[:images] for part in answers()))
        sizes.append(len(pickle.dumps(stream)))
    assert max(sizes) < 1000
    assert abs(sizes[0] - sizes[1]) < 20


@every_streamed
def test_options_are_kept_to(metric: str) -> None:
    if "bins" in catalog.signature("metrics", metric, metric, 1):
        kept = condense(*map(torch.from_numpy, answers()))
        assert streamed(metric, [np.arange(300), np.arange(300, 700)], bins=40) == pytest.approx(
            catalog.find("metrics", metric)(kept, bins=40), abs=1e-12
        )
    with pytest.raises(UsageError, match="unknown option 'bin' of metric"):
        Stream(metric, bin=3)


def test_a_batch_without_images_changes_nothing() -> None:
    stream = Stream("expected_calibration_error")
    stream.update(*answers())
    before = stream.value
    stream.update(np.zeros((0, 10), dtype=np.float32), np.zeros(0, dtype=int))
    stream.merge(Stream("expected_calibration_error"))
    assert stream.value == before


def test_before_the_first_image_there_is_no_value() -> None:
    with pytest.raises(UsageError, match="expected at least one image to measure accuracy on, got none; call update first"):
        _ = Stream("accuracy").value


def test_a_metric_that_needs_all_images_at_once_is_refused() -> None:
    with pytest.raises(
        UsageError, match="smooth_calibration_error is no function of sums over images and needs all of them at once; .*accuracy"
    ):
        Stream("smooth_calibration_error")
    with pytest.raises(UsageError, match="unknown metric 'acuracy'; did you mean 'accuracy'\\?"):
        Stream("acuracy")


def test_streams_of_different_metrics_are_not_merged() -> None:
    with pytest.raises(
        UsageError, match="expected a stream of maximum_calibration_error with {'bins': 15}, got one of .* with {'bins': 20}"
    ):
        Stream("maximum_calibration_error").merge(Stream("maximum_calibration_error", bins=20))


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        (softmax(answers()[0], axis=1), answers()[1], "expected logits, got probabilities .*; give the scores before softmax"),
        (answers()[0] * np.nan, answers()[1], "expected finite logits, got NaN or infinity"),
        (answers()[0], answers()[1] + 5, "expected labels from 0 to 9, got 5 to 14"),
        (answers()[0], answers()[1][:5], r"expected logits \[images, classes\] and as many labels, got \[700, 10\] and \[5\]"),
        (answers()[0][0], answers()[1], "expected logits"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(logits: np.ndarray, labels: np.ndarray, sentence: str) -> None:
    stream = Stream("accuracy")
    with pytest.raises(UsageError, match=sentence):
        stream.update(logits, labels)
    assert stream.images == 0
