"""Detectors and their metrics against slow loops, closed forms and other libraries, whose deviations are pinned."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import log_softmax, softmax
from scipy.stats import norm
from scipy.stats import t as student
from test_every_detector import HEAD, mixture, seen, strangers

from robustsuite import EvaluationError, UsageError, catalog
from robustsuite.detection_metrics._limits import limits
from robustsuite.detection_metrics.aupr_in import aupr_in
from robustsuite.detection_metrics.aupr_in import interval as aupr_limits
from robustsuite.detection_metrics.aupr_out import aupr_out
from robustsuite.detection_metrics.auroc import auroc
from robustsuite.detection_metrics.auroc import interval as auroc_limits
from robustsuite.detection_metrics.fpr_at_95 import fpr_at_95
from robustsuite.detection_metrics.fpr_at_95 import interval as fpr_limits
from robustsuite.detection_metrics.fpr_at_95_outside import fpr_at_95_outside
from robustsuite.detectors._gaussians import _shrinkage, gaussians
from robustsuite.detectors.energy import energy
from robustsuite.detectors.entropy import entropy
from robustsuite.detectors.gen import gen
from robustsuite.detectors.kl_matching import kl_matching
from robustsuite.detectors.knn import knn
from robustsuite.detectors.mahalanobis import mahalanobis
from robustsuite.detectors.max_logit import max_logit
from robustsuite.detectors.msp import msp
from robustsuite.detectors.odin import odin, shown
from robustsuite.detectors.react import react
from robustsuite.detectors.relative_mahalanobis import relative_mahalanobis
from robustsuite.detectors.vim import vim
from robustsuite.models import digits
from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.predictions import Evidence, Head

FAMILIAR, LABELS = mixture(240, 0)
JUDGED = seen(np.concatenate([mixture(30, 1)[0].features, strangers(20, 2).features]))  # pyright: ignore[reportArgumentType, reportCallIssue]
ROWS = [list(map(float, row)) for row in JUDGED.logits]
FEATURES = np.asarray(FAMILIAR.features, dtype=np.float64)
FOUND = np.asarray(JUDGED.features, dtype=np.float64)


def probabilities(row: list[float]) -> list[float]:
    total = sum(math.exp(number - max(row)) for number in row)
    return [math.exp(number - max(row)) / total for number in row]


def the_scores(detector: Callable[..., Callable[[Evidence], np.ndarray]], **options: float) -> np.ndarray:
    return detector(FAMILIAR, LABELS, HEAD, **options)(JUDGED)


# ------------------------------------------------------------------------------------------- scores against slow loops


def test_msp_is_the_logarithm_of_the_largest_probability() -> None:
    assert np.allclose(np.exp(the_scores(msp)), [max(probabilities(row)) for row in ROWS], rtol=1e-12)


def test_max_logit_is_the_largest_logit() -> None:
    assert np.array_equal(the_scores(max_logit), [max(row) for row in ROWS])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_energy_is_the_log_of_the_sum_of_exponentials(temperature: float) -> None:
    expected = [temperature * math.log(sum(math.exp(number / temperature) for number in row)) for row in ROWS]
    assert np.allclose(the_scores(energy, temperature=temperature), expected, rtol=1e-12)


def test_energy_at_a_low_temperature_is_the_largest_logit() -> None:
    assert np.allclose(the_scores(energy, temperature=1e-9), the_scores(max_logit), rtol=1e-7)


def test_entropy_is_the_negative_entropy() -> None:
    expected = [sum(p * math.log(p) for p in probabilities(row) if p) for row in ROWS]
    assert np.allclose(the_scores(entropy), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("gamma", "largest"), [(0.1, 100), (0.5, 2), (1.0, 1)])
def test_gen_is_the_sum_over_the_largest_probabilities(gamma: float, largest: int) -> None:
    expected = []
    for row in ROWS:
        shares = sorted(probabilities(row))
        # 1 - p is the sum of the others: nothing is left of it where p is rounded to 1.
        terms = [(share * sum(shares[:k] + shares[k + 1 :])) ** gamma for k, share in enumerate(shares)]
        expected.append(-sum(terms[-largest:]))
    assert np.allclose(the_scores(gen, gamma=gamma, largest=largest), expected, rtol=1e-9)


def test_gen_of_a_thousand_classes_reads_a_hundred() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 1000)).astype(np.float32)
    top = np.sort(softmax(logits.astype(float), axis=1), axis=1)[:, -100:]
    expected = -((top * (1 - top)) ** 0.1).sum(axis=1)
    assert np.allclose(gen(Evidence(logits), np.zeros(20, int), None)(Evidence(logits)), expected, rtol=1e-12)


def test_kl_matching_is_the_divergence_from_the_nearest_template() -> None:
    templates = {}
    for row in FAMILIAR.logits.astype(float):
        templates.setdefault(int(row.argmax()), []).append(probabilities(list(row)))
    means = [[sum(column) / len(rows) for column in zip(*rows, strict=True)] for rows in templates.values()]
    expected = []
    for row in ROWS:
        shares = probabilities(row)
        expected.append(-min(sum(p * math.log(p / d) for p, d in zip(shares, mean, strict=True)) for mean in means))
    assert np.allclose(the_scores(kl_matching), expected, rtol=1e-9, atol=1e-12)


def test_kl_matching_makes_templates_of_what_is_predicted_whatever_the_labels() -> None:
    wrong = np.roll(LABELS, 1)
    assert np.array_equal(kl_matching(FAMILIAR, wrong, None)(JUDGED), the_scores(kl_matching))


@pytest.mark.parametrize("temperature", [1.0, 1000.0])
def test_odin_is_the_largest_probability_at_a_temperature(temperature: float) -> None:
    expected = [max(probabilities([number / temperature for number in row])) for row in ROWS]
    assert np.allclose(np.exp(the_scores(odin, temperature=temperature)), expected, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 50])
def test_knn_is_the_distance_to_the_kth_of_all(k: int) -> None:
    bank = [row / math.sqrt(sum(number**2 for number in row)) for row in FEATURES]
    expected = []
    for row in FOUND:
        unit = row / math.sqrt(sum(number**2 for number in row))
        expected.append(-sorted(math.sqrt(sum((one - other) ** 2 for one, other in zip(unit, near, strict=True))) for near in bank)[k - 1])
    assert np.allclose(the_scores(knn, k=k), expected, rtol=1e-9)


def test_knn_counts_no_further_than_a_class_has_images() -> None:
    assert np.array_equal(the_scores(knn, k=60), the_scores(knn, k=10_000))  # 240 images of 4 classes


def by_hand(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class means and the inverse of their shared covariance."""
    means = np.array([features[labels == label].mean(axis=0) for label in np.unique(labels)])
    covariance = sum(np.outer(row - means[label], row - means[label]) for row, label in zip(features, labels, strict=True)) / len(features)
    return means, np.linalg.inv(covariance)


def test_mahalanobis_is_the_distance_to_the_nearest_mean() -> None:
    means, precision = by_hand(FEATURES, LABELS)
    expected = [-min((row - mean) @ precision @ (row - mean) for mean in means) for row in FOUND]
    assert np.allclose(the_scores(mahalanobis), expected, rtol=1e-9)


def test_relative_mahalanobis_subtracts_the_distance_to_all() -> None:
    means, precision = by_hand(FEATURES, LABELS)
    (middle,), background = by_hand(FEATURES, np.zeros_like(LABELS))
    expected = [
        -min((row - mean) @ precision @ (row - mean) for mean in means) + (row - middle) @ background @ (row - middle) for row in FOUND
    ]
    assert np.allclose(the_scores(relative_mahalanobis), expected, rtol=1e-9)


def test_relative_mahalanobis_ignores_what_tells_no_classes_apart() -> None:
    """Strange images that differ along the last feature alone: the distances to the classes and to all grow alike."""
    moved = FOUND[:30].copy()
    moved[:, -1] += 5
    many, changes = mixture(20_000, 0), []
    for detector in (mahalanobis, relative_mahalanobis):
        score = detector(*many, None)
        changes.append(np.abs(score(seen(moved)) - score(seen(FOUND[:30]))).mean())
    assert changes[0] > 20 > 100 * changes[1]


def test_relative_mahalanobis_of_a_single_class_tells_nothing() -> None:
    assert np.abs(relative_mahalanobis(FAMILIAR, np.zeros_like(LABELS), None)(JUDGED)).max() < 1e-9


def test_vim_is_the_energy_less_the_virtual_logit() -> None:
    weight, bias = HEAD.weight.astype(float), HEAD.bias.astype(float)
    origin = np.linalg.lstsq(weight, -bias, rcond=None)[0]  # the least-norm solution, which the pseudo-inverse gives
    axes = np.linalg.svd(FEATURES - origin, full_matrices=True)[2]
    rest = axes[8:]  # half of 16 features, which are too few for the paper's 512
    alpha = FAMILIAR.logits.max(axis=1).astype(float).sum() / sum(np.linalg.norm(rest @ (row - origin)) for row in FEATURES)
    expected = [math.log(sum(map(math.exp, row))) - alpha * np.linalg.norm(rest @ (x - origin)) for row, x in zip(ROWS, FOUND, strict=True)]
    assert np.allclose(the_scores(vim), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("width", "principal"), [(2048, 1000), (1600, 1000), (1500, 512), (768, 512), (512, 256), (64, 32)])
def test_vim_has_the_principal_space_of_the_paper(width: int, principal: int) -> None:
    from robustsuite.detectors.vim import _dimension

    assert _dimension(width, width) == principal


@pytest.mark.parametrize(("spanned", "principal"), [(600, 512), (512, 256), (100, 50), (1, 0), (0, 0)])
def test_vim_leaves_familiar_images_a_residual(spanned: int, principal: int) -> None:
    from robustsuite.detectors.vim import _dimension

    assert _dimension(768, spanned) == principal


def test_vim_never_rewards_a_residual() -> None:
    low = Evidence(FAMILIAR.logits - 1000, FAMILIAR.features)  # their mean largest logit is negative
    assert np.array_equal(vim(low, LABELS, HEAD)(JUDGED), the_scores(energy))


@pytest.mark.parametrize("percentile", [50.0, 90.0, 100.0])
def test_react_is_the_energy_of_clipped_features(percentile: float) -> None:
    limit = np.percentile(FEATURES, percentile)
    expected = []
    for row in FOUND:
        clipped = [min(number, limit) for number in row]
        logits = [sum(w * x for w, x in zip(weights, clipped, strict=True)) + b for weights, b in zip(HEAD.weight, HEAD.bias, strict=True)]
        expected.append(math.log(sum(math.exp(float(number)) for number in logits)))
    assert np.allclose(the_scores(react, percentile=percentile), expected, rtol=1e-5, atol=1e-5)


def test_react_at_the_highest_percentile_leaves_familiar_images_their_energy() -> None:
    expected = energy(FAMILIAR, LABELS, None)(FAMILIAR)
    assert np.allclose(react(FAMILIAR, LABELS, HEAD, percentile=100.0)(FAMILIAR), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("detector", "options"),
    [
        ("energy", {"temperature": 0.0}),
        ("odin", {"temperature": -1.0}),
        ("gen", {"gamma": 0.0}),
        ("gen", {"largest": 0}),
        ("knn", {"k": 0}),
        ("react", {"percentile": 101.0}),
    ],
)
def test_options_without_a_meaning_are_refused_in_one_sentence(detector: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"^expected .* for the detector {detector}, got "):
        catalog.find("detectors", detector)(FAMILIAR, LABELS, HEAD, **options)


# ------------------------------------------------------------------------------------- too few images for a covariance


@pytest.mark.parametrize(("images", "width"), [(5, 8), (20, 8), (40, 40)])
def test_shrinkage_is_scikit_learns(images: int, width: int) -> None:
    from sklearn.covariance import ledoit_wolf_shrinkage

    residuals = np.random.default_rng(images).normal(size=(images, width)) * np.linspace(0.1, 3, width)
    found = _shrinkage(residuals, np.linalg.eigvalsh(residuals.T @ residuals / images))
    assert found == pytest.approx(ledoit_wolf_shrinkage(residuals, assume_centered=True), rel=1e-9)


def test_a_covariance_that_can_be_inverted_is_not_shrunk() -> None:
    _, precision = by_hand(FEATURES, LABELS)
    whitening = gaussians(FEATURES, LABELS).whitening
    assert np.allclose(whitening @ whitening.T, precision, rtol=1e-9)


def test_a_pseudo_inverse_calls_familiar_what_is_far_away_and_shrinkage_does_not() -> None:
    """As in OpenOOD and in the ViM authors' benchmark, which take scikit-learn's `EmpiricalCovariance` and its pseudo-inverse."""
    from sklearn.covariance import EmpiricalCovariance

    flat = FEATURES * (np.arange(16) < 12)  # the last features never vary, as units that never fire
    far = flat[:20].copy()
    far[:, -1] = 1000
    means = np.array([flat[label == LABELS].mean(axis=0) for label in range(4)])
    precision = EmpiricalCovariance(assume_centered=True).fit(flat - means[LABELS]).precision_
    theirs = [[-min((row - mean) @ precision @ (row - mean) for mean in means) for row in rows] for rows in (flat[:20], far)]
    assert np.allclose(*theirs)
    score = mahalanobis(seen(flat), LABELS, None)
    assert score(seen(far)).max() < score(seen(flat)).min() - 1000


# ---------------------------------------------------------------------------------------------------- saturated scores


@pytest.mark.parametrize("detector", ["msp", "entropy", "gen", "odin"])
def test_saturated_confidences_keep_their_order(detector: str) -> None:
    """Logit margins of 40 to 200: in float32 all probabilities are exactly 1, and in float64 most are."""
    margins = np.linspace(40, 200, 50, dtype=np.float32)
    logits = np.stack([margins, np.zeros(50, np.float32), np.zeros(50, np.float32)], axis=1)
    assert (torch.from_numpy(logits).softmax(dim=1)[:, 0] == 1).all()
    found = catalog.find("detectors", detector)(FAMILIAR, LABELS, None)(Evidence(logits))
    assert (np.diff(found) > 0).all()


# --------------------------------------------------------------------------------------------- what ODIN shows a model


def test_odin_moves_every_value_so_that_the_largest_probability_rises() -> None:
    model, _ = digits.load("digits-standard")
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    with torch.no_grad():
        moved = shown(model, images)
        clean, after = ((model(points) / 1000).log_softmax(dim=1).amax(dim=1) for points in (images, moved))
    assert torch.equal(images, before)
    assert not moved.requires_grad
    assert (moved - images).abs().max() <= 0.0014 + 1e-7
    assert (after > clean).all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_odin_follows_the_gradient_of_the_papers_loss() -> None:
    """Cross-entropy of the prediction at the temperature, one image at a time; the step goes down."""
    model, _ = digits.load("digits-robust")
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = shown(model, images, epsilon=0.01, temperature=10.0)
    for image, moved in zip(images, found, strict=True):
        point = image[None].clone().requires_grad_()
        logits = model(point) / 10
        torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1)).backward()
        assert point.grad is not None
        clear = point.grad[0].abs() > 1e-6 * point.grad.abs().max()  # the sign of what is almost 0 is rounding
        assert torch.equal((image - 0.01 * point.grad[0].sign())[clear], moved[clear])
        assert clear.float().mean() > 0.9


def test_odin_works_in_inference_mode_and_on_frozen_models() -> None:
    model, _ = digits.load("digits-standard")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    expected = shown(model, images)
    model.requires_grad_(False)
    assert torch.equal(shown(model, images), expected)
    with torch.inference_mode():
        assert torch.equal(shown(model, images.clone()), expected)


def test_odin_refuses_a_model_without_a_gradient_in_one_sentence() -> None:
    with pytest.raises(EvaluationError, match="expected logits with a gradient with respect to the images for the detector odin, got none"):
        shown(lambda images: images.detach().mean(dim=(2, 3)), torch.rand(2, 3, 4, 4))


def test_odin_with_no_step_is_softmax_at_a_temperature() -> None:
    model, _ = digits.load("digits-standard")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    assert torch.equal(shown(model, images, epsilon=0.0), images)


# ------------------------------------------------------------------------------------------ metrics against slow loops


def some_scores(kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    inside, outside = generator.normal(1, 1, 97), generator.normal(0, 1.5, 61)
    if kind == "rounded":
        inside, outside = np.round(inside), np.round(outside)
    return inside, outside


every_kind = pytest.mark.parametrize("kind", ["continuous", "rounded"])


@every_kind
def test_auroc_counts_pairs(kind: str) -> None:
    inside, outside = some_scores(kind)
    wins = sum(1.0 if one > other else 0.5 if one == other else 0.0 for one in inside for other in outside)
    assert auroc(inside, outside) == pytest.approx(wins / len(inside) / len(outside), rel=1e-14)


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted({*positive, *negative}, reverse=True):
        accepted, false = (positive >= threshold).sum(), (negative >= threshold).sum()
        total += (accepted / len(positive) - recall) * accepted / (accepted + false)
        recall = accepted / len(positive)
    return total


@every_kind
def test_aupr_is_a_sum_over_thresholds(kind: str) -> None:
    inside, outside = some_scores(kind)
    assert aupr_in(inside, outside) == pytest.approx(average_precision(inside, outside), rel=1e-12)
    assert aupr_out(inside, outside) == pytest.approx(average_precision(-outside, -inside), rel=1e-12)


def rate_at_95(positive: np.ndarray, negative: np.ndarray) -> float:
    for threshold in sorted({*positive, *negative}, reverse=True):
        if 20 * (positive >= threshold).sum() >= 19 * len(positive):
            return float((negative >= threshold).mean())
    raise AssertionError("the lowest score accepts everything")


@every_kind
@pytest.mark.parametrize("images", [1, 2, 19, 20, 21, 40, 97])
def test_fpr_is_taken_at_the_first_threshold_that_accepts_95_of_100(kind: str, images: int) -> None:
    inside, outside = some_scores(kind)
    assert fpr_at_95(inside[:images], outside) == rate_at_95(inside[:images], outside)
    assert fpr_at_95_outside(inside, outside[:images]) == rate_at_95(-outside[:images], -inside)


def test_where_all_scores_are_equal_nothing_is_told_apart() -> None:
    inside, outside = np.full(30, 0.7), np.full(10, 0.7)
    assert auroc(inside, outside) == 0.5
    assert (aupr_in(inside, outside), aupr_out(inside, outside)) == (0.75, 0.25)  # their shares
    assert (fpr_at_95(inside, outside), fpr_at_95_outside(inside, outside)) == (1.0, 1.0)


def test_the_two_rates_may_differ_greatly() -> None:
    """One stranger in ten looks like a familiar image: to reject 95 % of strangers is then to reject half of the familiar ones."""
    inside, outside = np.linspace(1, 2, 101), np.concatenate([np.full(90, 0.0), np.full(10, 1.5)])
    assert fpr_at_95(inside, outside) == 0.1
    assert fpr_at_95_outside(inside, outside) == pytest.approx(0.5, abs=0.01)


def test_every_metric_has_a_mirror_image() -> None:
    inside, outside = some_scores("rounded")
    assert auroc(inside, outside) == pytest.approx(1 - auroc(outside, inside), abs=1e-15)
    assert auroc(inside, outside) == auroc(-outside, -inside)
    assert aupr_in(inside, outside) == aupr_out(-outside, -inside)
    assert fpr_at_95(inside, outside) == fpr_at_95_outside(-outside, -inside)


# --------------------------------------------------------------------------------------------------------- closed forms


def spread(mean: float, deviation: float, images: int = 200_000) -> np.ndarray:
    """A Gaussian's scores, evenly spread: the population itself, but for 1 in so many."""
    return mean + deviation * norm.ppf((np.arange(images) + 0.5) / images)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.0, 1.0), (2.5, 0.4), (3.3, 1.0), (1.0, 3.0), (-1.0, 1.0)])
def test_two_gaussians_have_the_values_of_the_formulas(mean: float, deviation: float) -> None:
    inside, outside = spread(mean, deviation), spread(0, 1)
    assert auroc(inside, outside) == pytest.approx(norm.cdf(mean / math.hypot(1, deviation)), abs=1e-6)
    assert fpr_at_95(inside, outside) == pytest.approx(norm.sf(mean + deviation * norm.ppf(0.05)), abs=1e-4)
    assert fpr_at_95_outside(inside, outside) == pytest.approx(norm.cdf((norm.ppf(0.95) - mean) / deviation), abs=1e-4)


@pytest.mark.parametrize("odds", [1, 4])
def test_the_precision_of_two_gaussians_is_an_integral(odds: int) -> None:
    inside, outside = spread(1.5, 1), spread(0, 1, 200_000 * odds)

    def precision(recall: float) -> float:
        return recall / (recall + odds * norm.sf(norm.isf(recall, 1.5)))

    assert aupr_in(inside, outside) == pytest.approx(quad(precision, 0, 1)[0], abs=1e-4)


# ---------------------------------------------------------------------------------------------------------------- limits


def test_the_lower_limit_of_a_separated_area_is_exact() -> None:
    """As of so many successes in so many trials: no more can be said of a population in which all pairs are in order."""
    low, high = auroc_limits(np.arange(10.0) + 100, np.arange(1000.0) / 1000, 0.05)
    assert (low, high) == pytest.approx((clopper_pearson(10, 10, 0.05)[0], 1.0))


def test_limits_of_a_large_sample_are_delongs() -> None:
    """The variance from the placements of every image, by its definition, and normal limits."""
    inside, outside = some_scores("continuous")
    inside, outside = (np.concatenate([some_scores("continuous", seed)[side] for seed in range(20)]) for side in (0, 1))
    ranks = (inside[:, None] > outside).astype(float)
    variance = ranks.mean(axis=1).var(ddof=1) / len(inside) + ranks.mean(axis=0).var(ddof=1) / len(outside)
    low, high = auroc_limits(inside, outside, 0.05)
    assert high - low == pytest.approx(2 * norm.ppf(0.95) * math.sqrt(variance), rel=0.03)


def test_limits_of_a_large_aupr_are_as_far_as_samples_differ() -> None:
    generator = np.random.default_rng(0)
    samples = [(generator.normal(1, 1, 1000), generator.normal(0, 1, 1500)) for _ in range(300)]
    deviation = np.std([aupr_in(*sample) for sample in samples])
    widths = [high - low for low, high in (aupr_limits(*sample, 0.05) for sample in samples)]
    assert np.mean(widths) == pytest.approx(2 * norm.ppf(0.95) * deviation, rel=0.15)


@pytest.mark.parametrize("images", [20, 72, 73, 400])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_limits_of_the_rate_come_from_order_statistics(images: int, alpha: float) -> None:
    """Which scores may be the threshold is counted out; with others below or above all of them either limit is found alone."""

    def below(count: int) -> float:
        return sum(math.comb(images, k) * 0.05**k * 0.95 ** (images - k) for k in range(count))  # fewer than `count` below a quantile

    lowest = max((k for k in range(images + 1) if below(k) <= alpha / 2), default=0)
    highest = min((k for k in range(1, images + 1) if 1 - below(k) <= alpha / 2), default=images + 1)
    inside, others = np.arange(1.0, images + 1), np.linspace(0.5, images + 0.5, 1000)
    low, high = fpr_limits(inside, others, alpha)
    most, least = (others >= lowest).sum(), (others >= highest).sum()  # the k-th score is k; at 0 every one is accepted
    spent = below(lowest), 1 - below(highest)
    assert high == pytest.approx(clopper_pearson(int(most), 1000, (alpha - spent[0]) / (1 - spent[0]))[1], rel=1e-9)
    assert low == pytest.approx(clopper_pearson(int(least), 1000, (alpha - spent[1]) / (1 - spent[1]))[0], rel=1e-9)
    assert (high == 1) == (lowest == 0)


def test_a_rate_from_few_familiar_images_may_be_anything() -> None:
    inside, outside = np.arange(30.0) + 100, np.arange(1000.0) / 1000
    assert fpr_at_95(inside, outside) == 0
    assert fpr_limits(inside, outside, 0.05) == (0, 1)


# ------------------------------------------------------------------------------------------------------- other libraries


@every_kind
def test_metrics_are_scikit_learns(kind: str) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    inside, outside = some_scores(kind)
    scores, familiar = np.concatenate([inside, outside]), np.repeat([1, 0], [len(inside), len(outside)])
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(familiar, scores), rel=1e-12)
    assert aupr_in(inside, outside) == pytest.approx(average_precision_score(familiar, scores), rel=1e-12)
    assert aupr_out(inside, outside) == pytest.approx(average_precision_score(1 - familiar, -scores), rel=1e-12)
    for found, positive, ranked in ((fpr_at_95, familiar, scores), (fpr_at_95_outside, 1 - familiar, -scores)):
        false, true, _ = roc_curve(positive, ranked, drop_intermediate=False)
        assert found(inside, outside) == pytest.approx(false[np.argmax(true >= 0.95)], rel=1e-12)


def test_the_trapezoidal_area_that_peers_report_is_larger_where_scores_are_equal() -> None:
    """OpenOOD and pytorch-ood join the points of the precision-recall curve by straight lines (Davis & Goadrich 2006)."""
    from sklearn.metrics import auc, precision_recall_curve

    for kind, more in (("continuous", 0.0), ("rounded", 0.03)):
        inside, outside = some_scores(kind)
        precision, recall, _ = precision_recall_curve(np.repeat([1, 0], [97, 61]), np.concatenate([inside, outside]))
        gap = auc(recall, precision) - aupr_in(inside, outside)
        assert abs(gap) < 0.01 if not more else gap > more
    # Of scores that are all equal the straight line makes (1 + share) / 2: better than chance.
    precision, recall, _ = precision_recall_curve([1, 0, 0, 0], np.ones(4))
    assert auc(recall, precision) == 0.625
    assert aupr_in(np.ones(1), np.ones(3)) == 0.25


def test_a_strict_threshold_as_in_openood_1_praises_a_detector_that_tells_nothing() -> None:
    def theirs(inside: np.ndarray, outside: np.ndarray) -> float:
        threshold = np.sort(inside)[-int(np.floor(0.95 * len(inside)))]
        return float((outside > threshold).mean())

    inside, outside = some_scores("continuous")
    assert theirs(inside, outside) == pytest.approx(fpr_at_95(inside, outside), abs=1 / 61)
    blind = np.zeros(100), np.zeros(50)
    assert theirs(*blind) == 0
    assert fpr_at_95(*blind) == 1


def test_the_nearest_recall_as_in_hendrycks_code_may_accept_fewer_than_95_of_100() -> None:
    inside, outside = np.round(spread(1, 1, 100), 0), np.round(spread(0, 1, 100), 0)
    recalls = {threshold: float((inside >= threshold).mean()) for threshold in np.unique(inside)}
    nearest = min(recalls, key=lambda threshold: abs(recalls[threshold] - 0.95))
    assert recalls[nearest] < 0.95
    assert (outside >= nearest).mean() < fpr_at_95(inside, outside)


def test_the_mean_rate_of_odins_code_is_close() -> None:
    """It averages over thresholds that accept 94.95 % to 95.05 %, in 100,000 steps, and counts what is above them."""
    inside, outside = spread(1, 1, 10_000), spread(0, 1, 10_000)
    rates = []
    for threshold in np.linspace(-2, 1, 30_000):
        accepted = 1 - np.searchsorted(inside, threshold) / 10_000
        if 0.9495 <= accepted <= 0.9505:
            rates.append(1 - np.searchsorted(outside, threshold, "right") / 10_000)
    assert fpr_at_95(inside, outside) == pytest.approx(np.mean(rates), abs=1e-3)


def test_knn_is_scikit_learns() -> None:
    from sklearn.neighbors import NearestNeighbors

    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (FEATURES, FOUND)]
    distances, _ = NearestNeighbors(n_neighbors=50).fit(unit[0]).kneighbors(unit[1])
    assert np.allclose(the_scores(knn), -distances[:, -1], rtol=1e-9)


def pytorch_ood() -> object:
    return pytest.importorskip("pytorch_ood", reason="pytorch-ood is not installed")


@every_kind
def test_metrics_are_pytorch_oods_but_for_the_trapezia(kind: str) -> None:
    """There the unfamiliar images are positive, and higher scores less familiar."""
    metrics = pytorch_ood().metrics.functional  # pyright: ignore[reportAttributeAccessIssue]
    inside, outside = some_scores(kind)
    scores, labels = torch.from_numpy(-np.concatenate([inside, outside])), torch.tensor([0] * len(inside) + [-1] * len(outside))
    assert auroc(inside, outside) == pytest.approx(metrics.auroc(scores, labels).item(), rel=1e-12)
    assert fpr_at_95_outside(inside, outside) == pytest.approx(metrics.fpr_at_tpr(scores, labels).item(), rel=1e-12)
    gap = metrics.aupr(scores, labels, positive="ood").item() - aupr_out(inside, outside)
    assert abs(gap) < 0.02 if kind == "continuous" else gap > 0.02


def test_scores_from_logits_are_pytorch_oods() -> None:
    detector = pytorch_ood().detector  # pyright: ignore[reportAttributeAccessIssue]
    logits, familiar = torch.from_numpy(JUDGED.logits.astype(float)), torch.from_numpy(FAMILIAR.logits.astype(float))
    assert np.allclose(np.exp(the_scores(msp)), -detector.MaxSoftmax(None).predict_logits(logits).numpy())
    assert np.allclose(the_scores(max_logit), -detector.MaxLogit(None).predict_logits(logits).numpy())
    assert np.allclose(the_scores(energy, temperature=2.0), -detector.EnergyBased(None, t=2.0).predict_logits(logits).numpy())
    matching = detector.KLMatching(None).fit_logits(familiar)
    assert np.allclose(the_scores(kl_matching), -matching.predict_logits(logits).numpy(), atol=1e-9)


def test_entropy_is_pytorch_oods_where_no_probability_is_clipped() -> None:
    """It clips probabilities at 1e-7: entropies below `1e-7 log 1e7` for each other class all become that."""
    theirs = pytorch_ood().detector.Entropy(None)  # pyright: ignore[reportAttributeAccessIssue]
    flat = Evidence(JUDGED.logits / 10)
    assert np.allclose(entropy(flat, LABELS, None)(flat), -theirs.predict_logits(torch.from_numpy(flat.logits.astype(float))).numpy())
    sure = np.array([[20, 0, 0], [40, 0, 0]], dtype=np.float32)
    clipped = theirs.predict_logits(torch.from_numpy(sure.astype(float))).numpy()
    assert clipped[0] == pytest.approx(clipped[1], rel=1e-2)
    assert np.divide(*entropy(flat, LABELS, None)(Evidence(sure))) > 1e6


def test_gen_is_pytorch_oods_where_no_probability_is_clamped() -> None:
    """It takes the mean, and clamps probabilities to [1e-7, 1 - 1e-7]: more confident images all get the same score."""
    theirs = pytorch_ood().detector.GEN(None, M=3)  # pyright: ignore[reportAttributeAccessIssue]
    flat = Evidence(JUDGED.logits / 10)
    score = gen(flat, LABELS, None, largest=3)
    assert np.allclose(score(flat), -3 * theirs.predict_logits(torch.from_numpy(flat.logits.astype(float))).numpy(), rtol=1e-9)
    sure = np.array([[20, 0, 0], [40, 0, 0]], dtype=np.float32)
    clamped = theirs.predict_logits(torch.from_numpy(sure.astype(float))).numpy()
    assert clamped[0] == clamped[1]
    assert np.diff(score(Evidence(sure)))[0] > 0


def test_scores_from_features_are_pytorch_oods() -> None:
    """Which computes in float32, and sums the covariance without dividing it by the number of images."""
    detector = pytorch_ood().detector  # pyright: ignore[reportAttributeAccessIssue]
    features, found = (torch.from_numpy(np.asarray(evidence.features)) for evidence in (FAMILIAR, JUDGED))
    labels, images = torch.from_numpy(LABELS), len(LABELS)
    theirs = detector.Mahalanobis(None).fit_features(features, labels).predict_features(found)
    assert np.allclose(the_scores(mahalanobis), -2 * images * theirs.numpy(), rtol=1e-3)
    theirs = detector.RMD(None).fit_features(features, labels).predict_features(found)
    assert np.allclose(the_scores(relative_mahalanobis), -images * theirs.numpy(), rtol=1e-2, atol=0.05)
    theirs = detector.KNN(None, k=20).fit_features(features, labels).predict_features(found)
    assert np.allclose(the_scores(knn, k=20), -theirs.numpy(), rtol=1e-4)
    weight, bias = torch.from_numpy(HEAD.weight), torch.from_numpy(HEAD.bias)
    theirs = detector.ViM(None, 8, weight, bias).fit_features(features, labels).predict_features(found)
    assert np.allclose(the_scores(vim), -theirs.numpy(), rtol=1e-3, atol=1e-3)
    rectified = detector.ReAct(None, lambda z: z @ weight.T + bias).fit_feature_maps(features, labels)
    assert np.allclose(the_scores(react), -rectified.predict_feature_maps(found).numpy(), rtol=1e-4, atol=1e-4)


def test_odin_shows_what_pytorch_ood_shows() -> None:
    theirs = pytorch_ood().detector.odin.odin_preprocessing  # pyright: ignore[reportAttributeAccessIssue]
    model, _ = digits.load("digits-standard")
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    # Theirs is the gradient of the mean loss of the batch, so that the sign of what is almost 0 may differ.
    assert (shown(model, images) - theirs(model, images)).abs().gt(1e-6).float().mean() < 0.001


def test_the_head_is_read_as_the_logits_say() -> None:
    head = Head(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    evidence = Evidence(features, features)
    assert np.allclose(react(evidence, np.arange(30) % 4, head, percentile=100.0)(evidence), energy(evidence, LABELS, None)(evidence))
    assert np.allclose(np.exp(msp(evidence, LABELS, None)(evidence)), np.exp(log_softmax(features.astype(float), axis=1)).max(axis=1))


def test_limits_from_few_images_are_as_wide_as_students() -> None:
    """A variance so small that neither asymmetry nor missed images count."""
    low, high = limits(0.5, 0.5, 1e-8, 4, 0.05, (0.5, 0.5))
    assert (high - low) / 2e-4 == pytest.approx(student.ppf(0.95, 3), rel=1e-3)
    low, high = limits(0.5, 0.5, 1e-8, 1_000_000, 0.05, (0.5, 0.5))
    assert (high - low) / 2e-4 == pytest.approx(norm.ppf(0.95), rel=1e-3)
