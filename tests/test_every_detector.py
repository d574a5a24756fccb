"""What every detector keeps to. A new file in `robustsuite/detectors` is tested here by existing; say below what a shift of the logits does."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from robustsuite import UsageError, catalog
from robustsuite.detection_metrics.auroc import auroc
from robustsuite.predictions import Evidence, Head

every_detector = pytest.mark.parametrize("detector", catalog.names("detectors"))

SHIFTS = {  # what a constant added to logits does to the scores
    "msp": "nothing",  # one constant for each image
    "entropy": "nothing",
    "gen": "nothing",
    "kl_matching": "nothing",
    "odin": "nothing",
    "max_logit": "the same for all",  # where it is the same constant for all images
    "energy": "the same for all",
    "knn": "unread",
    "mahalanobis": "unread",
    "relative_mahalanobis": "unread",
    "react": "unread",  # it makes its own logits; a constant added to the head's bias is the same for all
    "vim": "another ranking",  # alpha is a ratio of logits to features, so logits have a zero
}

CLASSES, WIDTH = 4, 16
CENTRES = 3.5 * np.eye(CLASSES, WIDTH // 3).repeat(3, axis=1)  # three features for each class
CENTRES = np.pad(CENTRES, ((0, 0), (0, WIDTH - CENTRES.shape[1])))
HEAD = Head(CENTRES.astype(np.float32), np.full(CLASSES, -18.375, np.float32))  # the best classifier of these Gaussians


def mixture(images: int, seed: int, classes: int = CLASSES) -> tuple[Evidence, np.ndarray]:
    """Images of a Gaussian mixture, one Gaussian for each class, with the logits of `HEAD`."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    return seen(CENTRES[labels] + generator.normal(size=(images, WIDTH))), labels


def strangers(images: int, seed: int) -> Evidence:
    """Images that look like no class (they lie in the midst of all) and are far away in a direction in which no class differs."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(images, WIDTH))
    features[:, -1] += 12
    return seen(features)


def seen(features: np.ndarray) -> Evidence:
    features = features.astype(np.float32)
    return Evidence((features @ HEAD.weight.T + HEAD.bias).astype(np.float32), features)


def fitted(detector: str, images: int = 400, seed: int = 0) -> Callable[[Evidence], np.ndarray]:
    return catalog.find("detectors", detector)(*mixture(images, seed), HEAD)


def needs_features(detector: str) -> bool:
    return catalog.constant("detectors", detector, "NEEDS_FEATURES", False)


@every_detector
def test_the_module_says_what_it_is_and_its_options_have_defaults(detector: str) -> None:
    function = catalog.find("detectors", detector)
    assert catalog.module("detectors", detector).__doc__
    assert function.__doc__
    assert catalog.required("detectors", detector, detector) == {"familiar", "labels", "head"}
    assert all(isinstance(value, int | float) for value in catalog.options("detectors", detector).values())
    assert detector in SHIFTS, "say in SHIFTS above what a constant added to the logits does"


@every_detector
@pytest.mark.parametrize("images", [0, 1, 7, 3000])
def test_there_is_a_finite_score_for_every_image(detector: str, images: int) -> None:
    found = fitted(detector)(mixture(images, 1)[0])
    assert (found.dtype, found.shape) == (np.float64, (images,))
    assert np.isfinite(found).all()


@every_detector
def test_familiar_images_score_higher_than_strange_ones(detector: str) -> None:
    score = fitted(detector)
    assert auroc(score(mixture(500, 1)[0]), score(strangers(500, 2))) > 0.99


@every_detector
def test_the_order_of_the_images_does_not_matter(detector: str) -> None:
    judged, order = mixture(200, 1)[0], np.random.default_rng(3).permutation(200)
    familiar, labels = mixture(200, 0)
    shuffled = Evidence(familiar.logits[order], features_of(familiar)[order])
    expected = catalog.find("detectors", detector)(familiar, labels, HEAD)(judged)
    found = catalog.find("detectors", detector)(shuffled, labels[order], HEAD)(Evidence(judged.logits[order], features_of(judged)[order]))
    assert np.allclose(found, expected[order], rtol=1e-9, atol=1e-9)


@every_detector
def test_an_image_has_its_score_whatever_it_is_scored_with(detector: str) -> None:
    score, judged = fitted(detector), mixture(1500, 1)[0]
    whole = score(judged)
    for rows in (slice(0, 1), slice(1400, 1401), slice(1000, 1500)):
        alone = score(Evidence(judged.logits[rows], features_of(judged)[rows]))
        assert np.allclose(alone, whole[rows], rtol=1e-12, atol=1e-9)


@every_detector
def test_the_names_of_the_classes_do_not_matter(detector: str) -> None:
    familiar, labels = mixture(300, 0)
    judged, order = mixture(100, 1)[0], np.array([2, 0, 3, 1])
    head = Head(HEAD.weight[order], HEAD.bias[order])
    renamed = catalog.find("detectors", detector)(Evidence(familiar.logits[:, order], familiar.features), np.argsort(order)[labels], head)
    found = renamed(Evidence(judged.logits[:, order], judged.features))
    assert np.allclose(found, fitted(detector, 300)(judged), rtol=1e-9, atol=1e-9)


@every_detector
def test_the_same_again_gives_the_same_bits_and_changes_nothing(detector: str) -> None:
    familiar, labels = mixture(200, 0)
    judged = mixture(100, 1)[0]
    arrays = (familiar.logits, features_of(familiar), labels, HEAD.weight, HEAD.bias, judged.logits, features_of(judged))
    before = [array.copy() for array in arrays]
    random_numbers = np.random.get_state()
    score = catalog.find("detectors", detector)(familiar, labels, HEAD)
    first = score(judged)
    assert np.array_equal(first, score(judged))
    assert np.array_equal(first, fitted(detector, 200)(judged))
    assert all(np.array_equal(array, copy) for array, copy in zip(arrays, before, strict=True))
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), random_numbers, strict=True))


@every_detector
def test_a_constant_added_to_logits_does_what_is_said(detector: str) -> None:
    """On logits that are multiples of 1/64, so that float32 adds whole numbers to them exactly."""

    def shifted(evidence: Evidence, constants: np.ndarray | float) -> Evidence:
        return replace(evidence, logits=rounded(evidence) + np.asarray(constants, np.float32).reshape(-1, 1))

    def rounded(evidence: Evidence) -> np.ndarray:
        return np.round(evidence.logits * 64) / 64

    familiar, labels = mixture(300, 0)
    judged = mixture(200, 1)[0]
    generator = np.random.default_rng(5)
    fit = catalog.find("detectors", detector)
    expected = fit(shifted(familiar, 0.0), labels, HEAD)(shifted(judged, 0.0))
    each = fit(shifted(familiar, generator.integers(-99, 99, 300)), labels, HEAD)(shifted(judged, generator.integers(-99, 99, 200)))
    same = fit(shifted(familiar, 50.0), labels, HEAD)(shifted(judged, 50.0))
    if SHIFTS[detector] == "nothing":
        assert np.allclose(each, expected, rtol=1e-9, atol=1e-12)
    elif SHIFTS[detector] == "the same for all":
        assert np.allclose(same, expected + 50, rtol=1e-12)
        assert not np.array_equal(rankdata(each), rankdata(expected))
    elif SHIFTS[detector] == "unread":
        assert np.array_equal(each, expected)
    else:
        assert not np.array_equal(rankdata(same), rankdata(expected))


@every_detector
@pytest.mark.parametrize("factor", [0.0, 60.0, 1e6])
def test_scores_stay_finite_for_flat_and_for_saturated_logits(detector: str, factor: float) -> None:
    def scaled(evidence: Evidence) -> Evidence:
        return replace(evidence, logits=(evidence.logits * np.float32(factor)))

    familiar, labels = mixture(100, 0)
    score = catalog.find("detectors", detector)(scaled(familiar), labels, HEAD)
    assert np.isfinite(score(scaled(mixture(100, 1)[0]))).all()
    assert np.isfinite(score(scaled(strangers(100, 2)))).all()


DEGENERATE: dict[str, tuple[Evidence, np.ndarray]] = {
    "a single image": mixture(1, 0),
    "two images of one class": (mixture(2, 0)[0], np.array([1, 1])),
    "fewer images than dimensions": mixture(WIDTH - 3, 0),
    "a class without images": mixture(200, 0, classes=CLASSES - 1),
    "one class alone": mixture(200, 0, classes=1),
    "the same image again and again": (seen(CENTRES[[1] * 30]), np.full(30, 1)),
    "an image of zeros": (seen(np.zeros((20, WIDTH))), np.arange(20) % CLASSES),
    "a feature that never varies": (seen(mixture(200, 0)[0].logits @ np.eye(CLASSES, WIDTH)), mixture(200, 0)[1]),
}


@every_detector
@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_calibration_sets_give_finite_scores(detector: str, kind: str) -> None:
    familiar, labels = DEGENERATE[kind]
    score = catalog.find("detectors", detector)(familiar, labels, HEAD)
    for judged in (mixture(50, 1)[0], strangers(50, 2), familiar):
        found = score(judged)
        assert found.shape == (len(judged),)
        assert np.isfinite(found).all()


@every_detector
@pytest.mark.parametrize("kind", ["fewer images than dimensions", "a class without images"])
def test_strange_images_are_found_with_a_poor_calibration_set_as_well(detector: str, kind: str) -> None:
    familiar, labels = DEGENERATE[kind]
    score = catalog.find("detectors", detector)(familiar, labels, HEAD)
    known = mixture(500, 1)
    kept = known[1] < CLASSES - 1
    assert auroc(score(Evidence(known[0].logits[kept], features_of(known[0])[kept])), score(strangers(500, 2))) > 0.9


@every_detector
def test_missing_features_are_named_in_one_sentence_and_never_needed_in_vain(detector: str) -> None:
    familiar, labels = mixture(50, 0)
    bare = replace(familiar, features=None)
    fit = catalog.find("detectors", detector)
    if not needs_features(detector):
        assert np.array_equal(fit(bare, labels, None)(bare), fit(familiar, labels, HEAD)(familiar))
        return
    with pytest.raises(
        LookupError, match=rf"^the detector {detector} reads features, the input of the model's last linear layer; expected"
    ):
        fit(bare, labels, HEAD)
    with pytest.raises(LookupError, match=rf"^the detector {detector} reads features"):
        fit(familiar, labels, HEAD)(bare)


@pytest.mark.parametrize("detector", ["vim", "react"])
def test_a_missing_head_is_named_in_one_sentence(detector: str) -> None:
    with pytest.raises(LookupError, match=rf"^the detector {detector} reads the model's last linear layer; expected"):
        catalog.find("detectors", detector)(*mixture(50, 0), None)


@pytest.mark.parametrize("detector", ["kl_matching", *(name for name in catalog.names("detectors") if needs_features(name))])
def test_an_empty_calibration_set_is_refused_in_one_sentence(detector: str) -> None:
    with pytest.raises(UsageError, match=rf"expected familiar images to fit the detector {detector} on, got none; set some aside"):
        catalog.find("detectors", detector)(*mixture(0, 0), HEAD)


def test_detectors_and_their_metrics_need_no_torch() -> None:
    rooms = {room: catalog.names(room) for room in ("detectors", "detection_metrics")}
    imports = "; ".join(f"import robustsuite.{room}.{name}" for room, names in rooms.items() for name in names)
    subprocess.run([sys.executable, "-c", f"{imports}; import sys; assert 'torch' not in sys.modules"], check=True, capture_output=True)


def features_of(evidence: Evidence) -> np.ndarray:
    assert evidence.features is not None
    return evidence.features
