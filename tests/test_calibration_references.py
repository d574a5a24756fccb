"""Every number of top-label calibration against slow loops, and against other libraries where they are right; where they are not, why.

What is not installed is skipped. Loops of code that is not published as a package are written down here as it has them.
"""

import warnings
from collections.abc import Callable
from types import ModuleType

import calibration_reference
import numpy as np
import pytest
import torch
from calibration_reference import reference_brier_reliability, smoothed_size
from scipy.special import softmax

from robustsuite import catalog
from robustsuite.metrics.brier_reliability import brier_reliability
from robustsuite.metrics.brier_resolution import brier_resolution
from robustsuite.metrics.debiased_calibration_error import debiased_calibration_error
from robustsuite.metrics.equal_mass_calibration_error import equal_mass_calibration_error
from robustsuite.metrics.expected_calibration_error import expected_calibration_error
from robustsuite.metrics.kernel_calibration_error import kernel_calibration_error
from robustsuite.metrics.maximum_calibration_error import maximum_calibration_error
from robustsuite.metrics.root_mean_square_calibration_error import root_mean_square_calibration_error
from robustsuite.metrics.smooth_calibration_error import smooth_calibration_error
from robustsuite.numerics.beta_kernel import _each_with_each, mean_of_others
from robustsuite.numerics.condense import condense
from robustsuite.numerics.reflected_gaussian import Smoothed
from robustsuite.predictions import Predictions

# ------------------------------------------------------------------------------------------------------ the logits


def drawn(images: int, classes: int, temperature: float, spread: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the softmax of logits, which are then divided by a temperature: below 1, the model is overconfident."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, spread, (images, classes))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < generator.uniform(size=(images, 1))).sum(axis=1)
    return (logits / temperature).astype(np.float32), labels.clip(max=classes - 1)


def sine(images: int, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gaps of both signs, which no binning confuses with their sum: the chance to be right swings about the confidence."""
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.15, 0.99, images)
    right = generator.uniform(size=images) < np.clip(confidence + 0.15 * np.sin(6 * np.pi * confidence), 0, 1)
    predicted = generator.integers(classes, size=images)
    probabilities = np.repeat((1 - confidence)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(images), predicted] = confidence
    return np.log(probabilities).astype(np.float32), np.where(right, predicted, (predicted + 1) % classes)


SETS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "calibrated": drawn(600, 10, 1.0),
    "overconfident": drawn(600, 10, 0.5),
    "saturated": drawn(600, 10, 0.15, spread=4.3),
    "sine": sine(600),
    "two classes": drawn(600, 2, 0.6),
    "1000 classes": drawn(600, 1000, 1.0),
    "1000 classes, overconfident": drawn(600, 1000, 0.5, spread=4.0),
}
every_set = pytest.mark.parametrize("name", SETS)
NOT_SATURATED = [name for name in SETS if name != "saturated"]


def probabilities(name: str) -> np.ndarray:
    return softmax(SETS[name][0].astype(np.float64), axis=1)


def predictions(name: str) -> Predictions:
    logits, labels = SETS[name]
    return condense(torch.from_numpy(logits), torch.from_numpy(labels))


def peer(module: str) -> ModuleType:
    """A library that these numbers are compared with, or a reason to skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a peer imports is its own business
        return pytest.importorskip(module, reason=f"needs {module}, which is not installed")


def test_the_sets_are_what_they_are_called() -> None:
    def share_of_ones(name: str) -> float:
        return float((predictions(name).confidence.astype(np.float32) == 1).mean())

    assert share_of_ones("saturated") == pytest.approx(0.36, abs=0.03)
    assert [name for name in SETS if share_of_ones(name) < 0.05] == NOT_SATURATED
    shown = predictions("sine")
    gaps = shown.correct - shown.confidence
    assert abs(gaps.mean()) < 0.25 * expected_calibration_error(shown)  # of both signs: they cancel in the mean


# ------------------------------------------------------------------------------------------- the slow loops, always

REFERENCES = {
    name.removeprefix("reference_"): function for name, function in vars(calibration_reference).items() if name.startswith("reference_")
}
PAIRWISE = ("kernel_calibration_error", "smooth_calibration_error")  # whose loops are over pairs of images


@every_set
@pytest.mark.parametrize("metric", REFERENCES)
def test_every_top_label_metric_is_its_slow_loop(metric: str, name: str) -> None:
    some = slice(250 if metric in PAIRWISE else None)
    found = catalog.find("metrics", metric)(predictions(name).take(np.arange(len(SETS[name][1]))[some]))
    assert found == pytest.approx(REFERENCES[metric](probabilities(name)[some], SETS[name][1][some]), abs=1e-6)


@pytest.mark.parametrize("metric", [name for name in REFERENCES if "bins" in catalog.signature("metrics", name, name, 1)])
@pytest.mark.parametrize("bins", [1, 7, 20, 100])
def test_any_number_of_bins(metric: str, bins: int) -> None:
    for name in ("sine", "saturated"):
        found = catalog.find("metrics", metric)(predictions(name), bins=bins)
        assert found == pytest.approx(REFERENCES[metric](probabilities(name), SETS[name][1], bins=bins), abs=1e-6)


@every_set
def test_the_terms_of_murphys_decomposition_sum_to_the_brier_score_of_binned_confidences(name: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    shown = predictions(name)
    index = np.minimum((shown.confidence * 15).astype(int), 14)
    binned = (np.bincount(index, shown.confidence) / np.maximum(np.bincount(index), 1))[index]
    uncertainty = shown.correct.mean() * (1 - shown.correct.mean())
    expected = metrics.brier_score_loss(shown.correct, binned)
    assert brier_reliability(shown) - brier_resolution(shown) + uncertainty == pytest.approx(expected, abs=1e-12)


def test_bins_of_equal_mass_share_out_images_and_ties() -> None:
    # Three images in two bins: the middle one counts half in each. Confidences .6, .7, .8; the middle one is wrong.
    shown = np.log(np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2]]))
    kept = condense(torch.from_numpy(shown), torch.tensor([0, 1, 0]))
    assert equal_mass_calibration_error(kept, bins=2) == pytest.approx((abs(0.4 - 0.35) + abs(-0.35 + 0.2)) / 3, abs=1e-7)
    # Four equal confidences in two bins: whichever are wrong, both bins have the mean gap.
    for labels in ([0, 0, 1, 1], [1, 0, 1, 0]):
        kept = condense(torch.log(torch.tensor([[0.8, 0.2]])).repeat(4, 1), torch.tensor(labels))
        assert equal_mass_calibration_error(kept, bins=2) == pytest.approx(0.3, abs=1e-7)


@pytest.mark.parametrize("bandwidth", [0.0005, 0.002, 0.02, 0.1, 0.5])
def test_smoothing_by_cosines_is_smoothing_by_sums(bandwidth: float) -> None:
    shown = predictions("sine")
    gaps = shown.correct - shown.confidence
    found = Smoothed(shown.confidence, gaps / len(gaps)).size(bandwidth)
    assert found == pytest.approx(smoothed_size(shown.confidence, gaps, bandwidth, steps=8000), abs=1e-6 if bandwidth < 0.005 else 1e-9)


def test_smooth_calibration_error_below_its_narrowest_bandwidth_is_the_size_there() -> None:
    confidence = 1 - 1e-4 * np.linspace(0.5, 1.5, 50)
    kept = condense(torch.from_numpy(np.log(np.stack([confidence, 1 - confidence], axis=1))), torch.zeros(50, dtype=torch.long))
    assert smooth_calibration_error(kept) == pytest.approx(1e-4, rel=1e-3)  # all gaps of one sign: their mean, at any bandwidth


@pytest.mark.parametrize("bandwidth", [0.0001, 0.001, 0.02, 0.5])
@pytest.mark.parametrize("kind", ["even", "saturated", "sparse"])
def test_many_kernels_are_interpolated_as_if_each_were_summed(kind: str, bandwidth: float) -> None:
    generator = np.random.default_rng(3)
    values = generator.uniform(0.1, 1, 20_000)
    if kind == "saturated":
        values = 1 - 10.0 ** -generator.uniform(0, 9, 20_000)
    if kind == "sparse":  # three quarters of all within a thousandth, the others far between
        values = np.where(generator.uniform(size=20_000) < 0.999, 0.8 + 1e-3 * generator.uniform(size=20_000), values)
    answers = (generator.uniform(size=20_000) < values).astype(float)
    rows = np.concatenate([np.argsort(values)[:30], np.argsort(values)[-30:], generator.integers(20_000, size=40)])
    expected = _each_with_each(rows, np.clip(values, 2.0**-24, 1 - 2.0**-24), answers, bandwidth)
    assert np.abs(mean_of_others(values, answers, bandwidth)[rows] - expected).max() < 1e-7


def test_the_kernel_estimate_approaches_the_truth() -> None:
    errors = [kernel_calibration_error(condense(*map(torch.from_numpy, sine(images))), 3 / images**1.1) for images in (1000, 30_000)]
    confidence = np.linspace(0.15, 0.99, 100_001)
    truth = np.abs(np.clip(confidence + 0.15 * np.sin(6 * np.pi * confidence), 0, 1) - confidence).mean()
    assert abs(errors[1] - truth) < 0.01 < abs(errors[0] - truth)


# --------------------------------------------------------------------------------------------------------- netcal


@every_set
@pytest.mark.parametrize("bins", [10, 15])
def test_netcal_in_float64_agrees(name: str, bins: int) -> None:
    netcal = peer("netcal.metrics")
    if name == "two classes":
        pytest.skip("netcal judges the probability of class 1 where there are two classes; see below")
    shown, labels = probabilities(name), SETS[name][1]
    assert expected_calibration_error(predictions(name), bins) == pytest.approx(netcal.ECE(bins).measure(shown, labels), abs=1e-6)
    assert maximum_calibration_error(predictions(name), bins) == pytest.approx(netcal.MCE(bins).measure(shown, labels), abs=1e-6)


def test_netcal_agrees_on_bins_of_equal_mass_where_no_border_falls_between() -> None:
    netcal = peer("netcal.metrics")
    shown, labels = probabilities("sine"), SETS["sine"][1]  # 600 images in 15 bins of 40
    expected = netcal.ECE(15, equal_intervals=False).measure(shown, labels)
    assert equal_mass_calibration_error(predictions("sine")) == pytest.approx(expected, abs=1e-6)
    assert equal_mass_calibration_error(predictions("sine"), 7) != pytest.approx(
        netcal.ECE(7, equal_intervals=False).measure(shown, labels), abs=1e-5
    )  # 600 / 7 is no whole number: netcal's borders are quantiles between images, which belong wholly to one side


def test_netcal_takes_labels_of_two_kinds_for_two_classes() -> None:
    """It counts the distinct labels given, not the classes: then it judges class 1, or refuses more classes than two."""
    netcal = peer("netcal.metrics")
    shown, labels = probabilities("two classes"), SETS["two classes"][1]
    index, gaps = np.minimum((shown[:, 1] * 15).astype(int), 14), labels - shown[:, 1]
    of_class_1 = np.abs(np.bincount(index, gaps)).sum() / len(labels)
    assert netcal.ECE(15).measure(shown, labels) == pytest.approx(of_class_1, abs=1e-9)
    assert abs(of_class_1 - expected_calibration_error(predictions("two classes"))) > 1e-4
    with pytest.raises(RuntimeError, match="binary"):
        netcal.ECE(15).measure(probabilities("1000 classes")[:2], SETS["1000 classes"][1][:2])


def test_what_netcal_calls_ace_weighs_empty_and_full_bins_alike() -> None:
    netcal = peer("netcal.metrics")
    adaptive = netcal.ACE(15).measure(probabilities("calibrated"), SETS["calibrated"][1])
    assert adaptive > 1.1 * equal_mass_calibration_error(predictions("calibrated"))  # the mean gap of bins, not of images


# -------------------------------------------------------------------------------------------- uncertainty-calibration


@every_set
def test_uncertainty_calibration_agrees(name: str) -> None:
    calibration = peer("calibration")
    shown, labels = probabilities(name), SETS[name][1]

    def theirs(power: int, debiased: bool) -> float:
        return calibration.utils.lower_bound_scaling_ce(
            shown, labels, p=power, debias=debiased, num_bins=15, binning_scheme=calibration.utils.get_equal_prob_bins, mode="top-label"
        )

    assert expected_calibration_error(predictions(name)) == pytest.approx(theirs(1, False), abs=1e-6)
    assert root_mean_square_calibration_error(predictions(name)) == pytest.approx(theirs(2, False), abs=1e-6)
    assert debiased_calibration_error(predictions(name)) == pytest.approx(theirs(2, True), abs=1e-6)


@pytest.mark.parametrize("name", NOT_SATURATED)
def test_uncertainty_calibration_agrees_on_bins_of_equal_mass_where_no_border_falls_between(name: str) -> None:
    calibration = peer("calibration")
    shown, labels = probabilities(name), SETS[name][1]
    if len(np.unique(shown.max(axis=1).astype(np.float32))) < 600:
        pytest.skip("some of these confidences are equal in float32")
    assert equal_mass_calibration_error(predictions(name)) == pytest.approx(calibration.get_ece_em(shown, labels), abs=1e-6)


def test_uncertainty_calibration_leaves_bins_of_equal_mass_uneven_where_confidences_tie() -> None:
    """Its borders fall between different confidences only: 36 % of all images share a bin, and fewer than 15 bins are left."""
    calibration = peer("calibration")
    shown = probabilities("saturated").max(axis=1).astype(np.float32)
    assert len(calibration.utils.get_equal_bins(list(shown), 15)) < 15


def test_uncertainty_calibration_has_no_debiased_mean_gap_where_a_bin_is_empty() -> None:
    calibration = peer("calibration")
    with pytest.raises(ValueError, match="at least 2 points"):  # bins below 1/10 are empty with ten classes
        calibration.get_ece(probabilities("calibrated"), SETS["calibrated"][1], debias=True)


# ----------------------------------------------------------------------------------------------------- torchmetrics


def torchmetrics_error(name: str, norm: str) -> float:
    functional = peer("torchmetrics.functional.classification")
    shown, labels = torch.from_numpy(probabilities(name)), torch.from_numpy(SETS[name][1])
    return functional.multiclass_calibration_error(shown, labels, shown.shape[1], n_bins=15, norm=norm).item()


@pytest.mark.parametrize("name", NOT_SATURATED)
def test_torchmetrics_agrees_where_no_confidence_is_1(name: str) -> None:
    shown = predictions(name)
    if (shown.confidence.astype(np.float32) == 1).any():
        pytest.skip("some of these confidences are 1; see below")
    assert expected_calibration_error(shown) == pytest.approx(torchmetrics_error(name, "l1"), abs=2e-5)
    assert root_mean_square_calibration_error(shown) == pytest.approx(torchmetrics_error(name, "l2"), abs=2e-5)
    assert maximum_calibration_error(shown) == pytest.approx(torchmetrics_error(name, "max"), abs=2e-5)


def test_torchmetrics_counts_confidences_of_1_in_a_bin_of_their_own() -> None:
    """Its bins are [lo, hi), with a sixteenth one that holds exactly 1 (Lightning-AI/torchmetrics issue 3510)."""
    shown, labels = probabilities("saturated"), SETS["saturated"][1]
    ours, theirs = root_mean_square_calibration_error(predictions("saturated")), torchmetrics_error("saturated", "l2")
    assert abs(theirs - ours) > 2e-4
    confidence, right = shown.max(axis=1).astype(np.float32), shown.argmax(axis=1) == labels
    index = np.where(confidence == 1, 15, np.minimum((confidence * 15).astype(int), 14))
    gaps, counts = np.bincount(index, right - confidence.astype(float)), np.bincount(index)
    assert theirs == pytest.approx(np.sqrt((gaps**2 / np.maximum(counts, 1)).sum() / 600), abs=2e-5)


def test_torchmetrics_takes_small_logits_for_probabilities() -> None:
    """It decides by the range of the batch's numbers; here logits are logits, and probabilities are refused (`Stream`)."""
    functional = peer("torchmetrics.functional.classification")
    logits = torch.rand(500, 10, generator=torch.Generator().manual_seed(0)) * 0.9
    labels = logits.argmax(dim=1)
    theirs = functional.multiclass_calibration_error(logits, labels, 10, n_bins=15).item()
    assert expected_calibration_error(condense(logits, labels)) == pytest.approx(
        1 - logits.softmax(dim=1).amax(dim=1).mean().item(), abs=1e-6
    )
    assert theirs == pytest.approx(1 - logits.amax(dim=1).mean().item(), abs=1e-5)


# ---------------------------------------------------------------------------------------------------------- relplot


@pytest.mark.parametrize("name", ["calibrated", "overconfident", "sine", "1000 classes"])
def test_relplot_agrees_as_far_as_its_grids_allow(name: str) -> None:
    """It gathers images on a grid, and returns the size at the upper end of the last of ten halvings of the bandwidth."""
    relplot = peer("relplot")
    shown = predictions(name)
    gaps = shown.correct - shown.confidence
    theirs = relplot.smECE(shown.confidence, shown.correct.astype(float))
    assert smooth_calibration_error(shown) == pytest.approx(theirs, abs=1e-3)
    for bandwidth in (0.05, 0.2):
        expected = relplot.smECE_sigma(shown.confidence, shown.correct.astype(float), bandwidth)
        assert Smoothed(shown.confidence, gaps / len(gaps)).size(bandwidth) == pytest.approx(expected, abs=1e-3)


def test_relplot_counts_half_of_every_confidence_of_1() -> None:
    """Its mirror image leaves out the edge itself: the half of a Gaussian that lies beyond 1 is lost, and not only at 36 % saturation."""
    relplot = peer("relplot")
    confidence, wrong = np.array([1.0] * 50 + [0.5] * 50), np.zeros(100)
    # All gaps have one sign, so that the size is the mean gap at any bandwidth: .75, or with the first half counted half 2/3.
    assert Smoothed(confidence, (wrong - confidence) / 100).size(0.05) == pytest.approx(0.75, abs=1e-9)
    assert relplot.smECE_sigma(confidence, wrong, 0.05) == pytest.approx(2 / 3, abs=1e-3)
    shown = predictions("saturated")
    theirs = relplot.smECE(shown.confidence, shown.correct.astype(float))
    assert abs(theirs - smooth_calibration_error(shown)) > 5e-3


def test_relplot_counts_confidences_of_1_in_a_bin_of_their_own() -> None:
    relplot = peer("relplot.metrics")
    confidence, right = np.array([0.95] * 10 + [1.0] * 10), np.array([1.0] * 10 + [1.0] * 9 + [0.0])
    # In one bin the gaps of +.05 and -.1 cancel to -.025 of all; in two they add up.
    assert relplot.binnedECE(confidence, right, 10) == pytest.approx(0.075)
    kept = condense(torch.from_numpy(np.log(np.stack([confidence, 1 - confidence + 1e-300], axis=1))), torch.from_numpy(1 - right).long())
    assert expected_calibration_error(kept, 10) == pytest.approx(0.025, abs=1e-7)


# ------------------------------------------------------------------------------------- loops that are not published


def binned(confidence: np.ndarray, right: np.ndarray, inside: Callable[[float, float], np.ndarray], bins: int = 15) -> float:
    """Their loop over bins: the share of images times the gap of the means."""
    total = 0.0
    for low, high in zip(np.linspace(0, 1, bins + 1)[:-1], np.linspace(0, 1, bins + 1)[1:], strict=True):
        mask = inside(low, high)
        if mask.any():
            total += mask.mean() * abs(right[mask].mean() - confidence[mask].mean())
    return total


def float32_answers(name: str) -> tuple[np.ndarray, np.ndarray]:
    shown = torch.from_numpy(SETS[name][0]).softmax(dim=1).numpy()
    return shown.max(axis=1), shown.argmax(axis=1) == SETS[name][1]


@every_set
def test_the_loop_of_gpleiss_temperature_scaling_agrees(name: str) -> None:
    """In float32, with bins (lo, hi]."""
    confidence, right = float32_answers(name)
    theirs = binned(confidence, right, lambda low, high: (confidence > low) & (confidence <= high))
    assert expected_calibration_error(predictions(name)) == pytest.approx(theirs, abs=1e-6)


@every_set
def test_the_loop_of_openood_loses_confidences_of_1(name: str) -> None:
    """All its bins are [lo, hi), the last one too, so that nobody counts images with a confidence of 1."""
    confidence, right = float32_answers(name)
    lost = (confidence == 1).mean()
    theirs = binned(confidence, right, lambda low, high: (confidence >= low) & (confidence < high))
    if lost:
        assert abs(theirs - expected_calibration_error(predictions(name))) > 0.1 * lost * (1 - right[confidence == 1].mean())
    else:
        assert expected_calibration_error(predictions(name)) == pytest.approx(theirs, abs=1e-6)


def test_openood_as_written_takes_logits_for_confidences() -> None:
    """And those outside [0, 1) fall into no bin: of these, 99 % of the images."""
    logits, labels = SETS["overconfident"]
    confidence, right = logits.max(axis=1), logits.argmax(axis=1) == labels
    theirs = binned(confidence, right, lambda low, high: (confidence >= low) & (confidence < high))
    assert ((confidence >= 0) & (confidence < 1)).mean() < 0.01
    assert theirs < 0.1 * expected_calibration_error(predictions("overconfident"))


def hendrycks(confidence: np.ndarray, right: np.ndarray, size: int = 100) -> float:
    """RMS calibration error as in natural-adv-examples and pytorch-ood: bins of 100 images, and a loop that ends one bin early."""
    order = np.argsort(confidence)
    confidence, right = confidence[order], right[order]
    bins = [[number * size, (number + 1) * size] for number in range(len(confidence) // size)]
    bins[-1][1] = len(confidence)
    total = 0.0
    for low, high in bins[:-1]:
        total += (high - low) / len(confidence) * (right[low:high].mean() - confidence[low:high].mean()) ** 2
    return float(np.sqrt(total))


def test_the_loop_of_hendrycks_never_counts_the_most_confident_images() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.9, 1, 150)
    right = generator.uniform(size=150) < 0.43  # overconfident by .52
    kept = condense(torch.from_numpy(np.log(np.stack([confidence, 1 - confidence], axis=1))), torch.from_numpy(1 - right.astype(int)))
    assert hendrycks(confidence, right) == 0
    assert root_mean_square_calibration_error(kept) == pytest.approx(0.52, abs=0.1)


@every_set
def test_the_two_expected_errors_of_robustness_metrics_differ_at_1(name: str) -> None:
    """One clips the bin of a confidence of 1 into the last one, as here; the other, by digitize, gives it a bin of its own."""
    shown, labels = probabilities(name), SETS[name][1]
    confidence, right = shown.max(axis=1), shown.argmax(axis=1) == labels

    def of(index: np.ndarray) -> float:
        return float(np.abs(np.bincount(index, right - confidence)).sum() / len(labels))

    clipped = of(np.clip(np.floor(15 * confidence).astype(int), 0, 14))
    own = of(np.digitize(confidence, np.linspace(0, 1, 16)) - 1)
    assert expected_calibration_error(predictions(name)) == pytest.approx(clipped, abs=1e-6)
    if not (confidence == 1).any():
        assert own == pytest.approx(clipped, abs=1e-12)


def test_thirty_bins_are_not_fifteen() -> None:
    """The other metric of robustness_metrics has 30 bins by default: a plug-in error rises with their number."""
    thirty, fifteen = (expected_calibration_error(predictions("calibrated"), bins) for bins in (30, 15))
    assert thirty > 1.1 * fifteen


def test_one_sign_of_gap_cannot_tell_binnings_apart() -> None:
    """Why a set of mixed signs is among these: of a model that is overconfident throughout, every binning gives the same number."""
    shown = predictions("overconfident")
    assert equal_mass_calibration_error(shown) == pytest.approx(expected_calibration_error(shown), rel=2e-3)
    mixed = predictions("sine")
    assert abs(equal_mass_calibration_error(mixed) - expected_calibration_error(mixed)) > 2e-3


def test_debiasing_takes_the_bias_out() -> None:
    shown = [condense(*map(torch.from_numpy, drawn(600, 10, 1.0, seed=seed))) for seed in range(40)]
    plain, debiased = (
        np.mean([metric(each) ** 2 for each in shown]) for metric in (root_mean_square_calibration_error, debiased_calibration_error)
    )
    assert debiased < 0.5 * plain  # and not 0, because a negative square is set to 0
    assert reference_brier_reliability(probabilities("calibrated"), SETS["calibrated"][1]) > 0
