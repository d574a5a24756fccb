"""The page without a browser: what it says, how large it is, and that names stay names."""

import base64
import json
import re
from dataclasses import replace
from fractions import Fraction
from html import unescape
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from example_report import example_report, many_conditions
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binom
from toy import Toy

import robustsuite
from robustsuite import assembling, tabulating
from robustsuite.predictions import Outcome, Predictions
from robustsuite.records import (
    Attacked,
    Check,
    ClassResult,
    Condition,
    ConditionResult,
    Confusion,
    Corrupted,
    Difference,
    Measurement,
    Report,
    Suite,
    ThreatModel,
    Verdict,
)
from robustsuite.reporting import arrangement, wording
from robustsuite.reporting.drawings import amplified_difference
from robustsuite.reporting.html import to_html
from robustsuite.reporting.json import from_json, to_json

ACCURACY = {"accuracy": True, "brier_score": False}


def text_of(page: str) -> str:
    body = re.sub(r"<(style|script|title)>.*?</\1>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


# ------------------------------------------------------------------------------------------------------------- size


def test_ten_models_under_95_conditions_stay_under_a_megabyte() -> None:
    page = to_html(many_conditions(models=10)).encode()
    assert len(page) <= 1_000_000


def test_ten_models_with_four_thumbnails_of_every_corruption_stay_under_three_megabytes() -> None:
    page = to_html(many_conditions(models=10, pictures=4))
    assert page.count("data:image/jpeg") == 4 * 20
    assert page.count("data:image/png") == 4 * 19  # the differences
    assert len(page.encode()) <= 3_000_000


def test_the_script_and_the_style_are_short() -> None:
    page = to_html(Report("suite", "", (), (), ()))
    script = re.search("<script>(.*?)</script>", page, flags=re.S)
    assert script is not None
    assert len(script[1]) <= 11_000
    assert "innerHTML" not in script[1]


# ------------------------------------------------------------------------------------------- what changed, in words


def difference(value: float, low: float, high: float, metric: str = "accuracy", **changes: object) -> Difference:
    return replace(Difference("check", metric, "m", "v1", 0.5 + value, 0.5, value, low, high, 600), **changes)


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (difference(-0.02, -0.03, -0.01), "worse"),
        (difference(0.02, 0.01, 0.03), "better"),
        (difference(0.02, -0.01, 0.03), "no difference shown"),
        (difference(0.0, 0.0, 0.0), "same"),
        (difference(-0.02, -0.03, -0.01, "brier_score"), "better"),
        (difference(0.02, 0.01, 0.03, "brier_score"), "worse"),
        (difference(0.02, 0.01, 0.03, "of_unknown_direction"), "differs"),
        (Difference("check", "accuracy", "m", "v1", reason="not measured then"), "not compared"),
        (difference(float("nan"), 0, 0), "not compared"),
    ],
)
def test_a_difference_is_named_by_its_limits_and_by_which_way_is_better(one: Difference, word: str) -> None:
    assert wording.change(one, ACCURACY) == word


def test_differences_are_signed_and_those_of_shares_in_points() -> None:
    assert wording.signed("accuracy", -0.0234) == "−2.3 points"
    assert wording.signed("brier_score", 0.0112) == "+0.0112"
    assert wording.signed("accuracy", 0.0) == "0.0 points"
    assert wording.signed("accuracy", None) == "–"
    assert wording.difference_limits(difference(-0.02, -0.03, -0.01)) == "−3.0 to −1.0 points"
    assert wording.difference_limits(difference(0.1, 0.1, 0.1)) == ""


def test_the_worst_change_comes_first() -> None:
    report = example_report()
    words = [wording.change(one, report.higher_is_better) for one in wording.by_change(report.differences, report.higher_is_better)]
    assert words == ["worse", "not compared", "no difference shown", "no difference shown", "better", "better"]
    page = text_of(to_html(report))
    assert "Since digits-2025-10: 1 check worse, 2 better, 2 no difference shown, 1 not compared" in page
    changes = page[page.index("What changed since the baseline") :]
    assert changes.index("noise-mean") < changes.index("brightness-mean") < changes.index("sharpness")
    assert "−2.8 points −3.9 to −1.6 points 79.4 % 82.1 % +31 −114 of 600 images" in changes


def test_images_that_flipped_are_listed_and_those_lost_come_first() -> None:
    page = text_of(to_html(example_report()))
    assert "3 flips of images: digits-standard against digits-2025-10" in page
    flipped = page[page.index("3 flips of images") :]
    assert flipped.index("digit-0912 lost digits/gaussian_noise-3 3 8 3") < flipped.index("digit-0311 gained digits/clean 5 5 6")


def test_a_check_and_its_comparison_with_the_baseline_are_told_once() -> None:
    twins = (difference(-0.02, -0.03, -0.01), difference(-0.02, -0.03, -0.01, check="check-against-baseline"))
    alone = difference(-0.02, -0.03, -0.01, check="other-against-baseline")
    report = report_of(measured(), differences=(*twins, alone), higher_is_better=ACCURACY)
    assert wording.compared(report) == [twins[0], alone]
    assert "Since v1: 2 checks worse" in text_of(to_html(report))


def test_only_the_worst_hundred_changes_are_listed_and_the_others_counted() -> None:
    page = to_html(many_conditions(models=10))
    assert page.count('<td class="change ') == 100
    assert "850 more, which changed less" in text_of(page)


def test_a_page_without_a_baseline_says_nothing_of_changes() -> None:
    page = to_html(replace(example_report(), differences=(), flips=()))
    assert 'id="changes"' not in page
    assert "Since " not in text_of(page)


def test_a_mean_change_is_that_of_all_its_conditions_or_nothing() -> None:
    fog, more = (Condition("a", Corrupted("fog", severity)) for severity in (1, 2))
    now = tuple(measured(condition=condition, metrics={"accuracy": 0.5}) for condition in (fog, more))
    before = tuple(measured(condition=condition, metrics={"accuracy": value}) for condition, value in ((fog, 0.75), (more, 0.25)))
    (whole,) = arrangement.heatmaps(report_of(*now, baseline_results=before))
    assert [whole.change([cell]) for cell in whole.cells] == [-0.25, 0.25]
    assert whole.change(whole.cells) == 0.0
    (half,) = arrangement.heatmaps(report_of(*now, baseline_results=before[:1]))
    assert [half.change([cell]) for cell in half.cells] == [-0.25, None]
    assert half.change(half.cells) is None
    other = tuple(replace(one, model="other") for one in before)
    assert "Against the baseline" not in to_html(report_of(*now, baseline_results=other))


def test_a_report_from_before_there_were_numbers_of_the_baseline_is_read() -> None:
    told = json.loads(to_json(example_report()))
    del told["baseline_results"]
    for example in told["examples"]:
        del example["heat"]
    found = from_json(json.dumps(told))
    examples = tuple(replace(one, heat=b"") for one in example_report().examples)
    assert found == replace(example_report(), baseline_results=(), examples=examples)


def test_a_run_with_a_baseline_holds_the_accuracies_of_the_earlier_one(tmp_path: Path) -> None:
    toy = Toy(tmp_path, per_class=8)
    suite = str(toy.write_suite("small", SMALL))
    blind, good = ([f"m={toy.reference(name)}"] for name in ("blind", "good"))
    first = robustsuite.evaluate(suite, blind, {"images": toy.images}, device="cpu", reports=tmp_path / "runs")
    assert first.baseline_results == ()
    (folder,) = (tmp_path / "runs").iterdir()
    second = robustsuite.evaluate(suite, good, {"images": toy.images}, device="cpu", baseline=folder)
    assert second.baseline_results == (ConditionResult("m", Condition("images"), 16, {"accuracy": 0.5}),)


# ---------------------------------------------------------------------------------------------- classes, confusions

SMALL = """
schema = 1
title = "small"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
at_least = 0.5
no_worse_than_baseline = 0.05
"""

NAMES = ("cat", "dog", "owl")
MATRIX = np.array([[5, 1, 0], [2, 2, 4], [0, 0, 6]])
"""Images by label (row) and prediction (column)."""


def answers(labels: np.ndarray, predicted: np.ndarray) -> Predictions:
    zeros = np.zeros(len(labels), np.float32)
    return Predictions(labels, predicted[:, None], zeros[:, None], zeros, labels, zeros, zeros)


def outcome(matrix: np.ndarray, perturbation: Corrupted | None = None) -> Outcome:
    labels, predicted = (np.repeat(places.ravel(), matrix.ravel()).astype(np.int16) for places in np.indices(matrix.shape))
    return Outcome("m", Condition("pets", perturbation), np.arange(len(labels)), answers(labels, predicted), len(labels))


def test_classes_are_those_of_the_confusion_matrix() -> None:
    found = tabulating.classes([outcome(MATRIX)], {"pets": {"classes": NAMES}})
    assert found == (
        ClassResult("m", "pets", "dog", 8, 2, 3),
        ClassResult("m", "pets", "cat", 6, 5, 7),
        ClassResult("m", "pets", "owl", 6, 6, 10),
    )


def test_confusions_are_those_of_the_confusion_matrix() -> None:
    found = tabulating.confusions([outcome(MATRIX)], {"pets": {"classes": NAMES}})
    assert found == (
        Confusion("m", "pets", "dog", "owl", 4),
        Confusion("m", "pets", "dog", "cat", 2),
        Confusion("m", "pets", "cat", "dog", 1),
    )


def test_of_many_classes_the_ten_worst_that_have_five_images_are_told() -> None:
    matrix = np.zeros((30, 30), int)
    for label in range(30):
        matrix[label, label], matrix[label, (label + 1) % 30] = label, 3  # class 0 and 1 have fewer than five images
    found = tabulating.classes([outcome(matrix)], {})
    assert [one.name for one in found] == [str(label) for label in range(2, 12)]
    assert [(one.images, one.correct, one.calls) for one in found][:2] == [(5, 2, 5), (6, 3, 6)]
    assert [one.images for one in tabulating.confusions([outcome(matrix)], {})] == [3] * 10


def test_only_clean_images_with_one_label_each_are_told() -> None:
    corrupted, unlabelled = Corrupted("fog", 3), answers(np.full(4, -1), np.zeros(4, int))
    web, none = Outcome("m", Condition("web"), np.arange(4), unlabelled, 4), Outcome("m", Condition("none"), np.arange(0), None, 4)
    told = [outcome(MATRIX, corrupted), web, none]
    assert tabulating.classes(told, {}) == ()
    assert tabulating.confusions(told, {}) == ()
    several = {"pets": {"classes": NAMES, "several_right": True}}
    assert tabulating.classes([outcome(MATRIX)], several) == ()
    assert tabulating.confusions([outcome(np.diag([3, 4]))], {}) == ()


def test_the_page_shows_the_least_accurate_classes_and_what_they_are_taken_for() -> None:
    page = text_of(to_html(example_report()))
    classes = page[page.index("Classes On the images as they are") :]
    assert "8 90.0 60 100.0 54" in classes
    assert "8 1 4" in classes[classes.index("What is most often taken for what") :]


def test_a_run_tells_its_classes_by_name_and_what_it_could_not_measure(tmp_path: Path) -> None:
    toy = Toy(tmp_path, per_class=8)
    suite = toy.write_suite("small", SMALL)
    models = [f"blind={toy.reference('blind')}"]
    report = robustsuite.evaluate(str(suite), models, {"images": toy.images}, device="cpu", reports=tmp_path / "runs")
    assert report.classes == (ClassResult("blind", "images", "red", 8, 0, 0), ClassResult("blind", "images", "green", 8, 8, 16))
    assert report.confusions == (Confusion("blind", "images", "red", "green", 8),)
    assert "not selected" not in report.provenance
    assert arrangement.unmeasured(report)[0].startswith("Could not be measured on blind: clean-against-baseline (")


# --------------------------------------------------------------------------------------------- what was not measured


def measured(dataset: str = "a", images: int = 100, **changes: object) -> ConditionResult:
    return replace(ConditionResult("m", Condition(dataset), images, {"accuracy": 0.9}), **changes)


def report_of(*results: ConditionResult, verdicts: tuple[Verdict, ...] = (), **changes: object) -> Report:
    return replace(Report("suite", "Title", ("m",), verdicts, results), **changes)


def test_what_nobody_asked_is_said_in_a_sentence_each() -> None:
    told = arrangement.unmeasured(report_of(measured()))
    assert [sentence.split(":")[0] for sentence in told] == [
        "Nothing was corrupted",
        "Nothing was attacked",
        "There was one data set",
        "No check is on calibration",
    ]


def test_what_was_asked_is_not_said_to_be_missing() -> None:
    attacked = Condition("b", Attacked("pgd", ThreatModel("l2", Fraction(1, 2))))
    error = Verdict("sure", "m", "passed", "", Measurement("expected_calibration_error", 0.01, 0.01, 0.01, 100))
    results = (measured(), measured(condition=attacked), measured(condition=Condition("a", Corrupted("fog", 1))))
    assert arrangement.unmeasured(report_of(*results, verdicts=(error,))) == []


def test_skipped_unselected_broken_and_stopped_are_each_named_with_the_reason() -> None:
    skipped = tuple(Verdict(name, "m", "skipped", "no folder was given for b") for name in ("b-drop", "b-robustness"))
    broken = measured(condition=Condition("a", Corrupted("fog", 1)), metrics={}, error="logits are not finite")
    early = measured(condition=Condition("a", Corrupted("fog", 2)), images=30)
    told = arrangement.unmeasured(report_of(measured(), broken, early, verdicts=skipped, provenance={"not selected": ["slow", "slower"]}))
    assert told[:4] == [
        "Skipped: b-drop, b-robustness (no folder was given for b).",
        "Checks of the suite that this run left out: slow, slower.",
        "Could not be measured on m: a/fog-1 (logits are not finite).",
        "On a, 1 of 2 measurements stopped early, after 30 of 100 images: enough for their verdicts, but coarse.",
    ]
    page = text_of(to_html(report_of(measured(), broken, early, verdicts=skipped)))
    assert told[0] in page[page.index("What was not measured") :]


def test_a_suite_left_out_in_part_says_which_checks_of_which_model() -> None:
    checks = tuple(Check(name, "accuracy", (Condition("a"),)) for name in ("one", "two", "three"))
    suite = Suite("s", "S", {}, checks)
    verdicts = [Verdict("one", "m", "passed", ""), Verdict("one", "n", "passed", ""), Verdict("two", "n", "passed", "")]
    assert assembling._left_out(suite, verdicts) == {"not selected": ["two on m", "three"]}
    assert assembling._left_out(replace(suite, checks=checks[:1]), verdicts) == {}


# ----------------------------------------------------------------------------------------------- data sets, heatmaps


def test_data_sets_stand_side_by_side_with_drop_and_effective_robustness() -> None:
    verdicts = tuple(
        Verdict(name, "m", "passed", "", Measurement(metric, value, value, value, 100))
        for name, metric, value in (("b-drop", "accuracy_drop", 0.2), ("b-effective", "effective_robustness", -0.013))
    )
    page = text_of(to_html(report_of(measured("a"), measured("b", metrics={"accuracy": 0.7}), verdicts=verdicts)))
    shifts = page[page.index("On other data sets") : page.index("What was not measured")]
    assert "a 100 90.0" in shifts
    assert "b 100 70.0" in shifts
    assert "b-drop accuracy drop 20.0 %" in shifts
    assert "b-effective effective robustness -1.3 %" in shifts
    assert 'id="shifts"' not in to_html(example_report())


def test_heatmaps_of_one_data_set_have_the_same_rows_and_columns() -> None:
    cells = [("one", "fog", 1), ("one", "snow", 2), ("two", "snow", 1)]
    results = tuple(
        ConditionResult(model, Condition("a", Corrupted(name, severity)), 9, {"accuracy": 0.5}) for model, name, severity in cells
    )
    first, second = arrangement.heatmaps(report_of(*results, models=("one", "two")))
    assert first.severities == second.severities == (1, 2)
    assert [name for name, _ in first.rows] == [name for name, _ in second.rows] == ["fog", "snow"]
    assert second.rows[0][1] == (None, None)


# ----------------------------------------------------------------------------------------------------------- curves


def attacked(radius: str, value: float, images: int = 600) -> ConditionResult:
    condition = Condition("a", Attacked("pgd", ThreatModel("linf", Fraction(radius))))
    return measured(condition=condition, images=images, metrics={"accuracy": value})


def test_an_attacked_accuracy_has_the_exact_limits_of_a_proportion() -> None:
    report = report_of(measured(images=600), attacked("8/255", 0.5))
    (curve,) = arrangement.curves(report)
    low, high = curve.limits(curve.rows[1][1][0]) or (0, 1)
    # What Clopper and Pearson mean by their limits: there the tails from 300 of 600 on have probability alpha.
    assert binom.sf(299, 600, low) == pytest.approx(0.05)
    assert binom.cdf(300, 600, high) == pytest.approx(0.05)
    page = to_html(report)
    assert page.count('class="whisker series-0"') == 2
    assert f"radius 8/255: 50.0 %, between {100 * low:.1f} and {100 * high:.1f} % in the population" in page
    assert f"8/255 50.0 {100 * low:.1f} to {100 * high:.1f}" in text_of(page)


def test_an_accuracy_on_fewer_images_than_were_meant_has_no_limits() -> None:
    report = report_of(measured(images=600), attacked("8/255", 0.5, images=40))
    page = to_html(report)
    assert page.count('class="whisker series-0"') == 1
    assert "radius 8/255: 50.0 %</title>" in page


# --------------------------------------------------------------------------------------------------------- pictures


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_difference_is_the_largest_of_the_channels_times_what_is_told() -> None:
    clean = np.full((20, 20, 3), 100)
    changed = clean.copy()
    changed[:, :10, 0] += 7
    changed[:, :10, 2] -= 3
    picture, times = amplified_difference(png(clean), png(changed))
    shades = np.asarray(Image.open(BytesIO(picture)).convert("L")).astype(int)
    assert times == 32  # 7 * 32 = 224, and 7 * 64 is more than 255
    assert shades.shape == (20, 20)
    assert (abs(shades[:, :10] - 7 * 32) <= 17).all()  # sixteen shades
    assert (shades[:, 10:] == 0).all()


@pytest.mark.parametrize("other", [b"", b"no picture", png(np.zeros((3, 4, 3))), png(np.full((4, 4, 3), 9))])
def test_there_is_no_difference_from_nothing_from_another_size_or_from_the_same(other: bytes) -> None:
    assert amplified_difference(png(np.full((4, 4, 3), 9)), other) == (b"", 0)


def test_every_perturbed_picture_has_its_difference_from_the_clean_one() -> None:
    page = to_html(example_report())
    assert len(re.findall(r"difference × \d+<", page)) == 3 * 4
    sources = re.findall(r'class="difference" src="data:image/png;base64,([^"]+)"', page)
    assert [Image.open(BytesIO(base64.b64decode(source))).size for source in sources] == [(32, 32)] * 12


def test_where_a_model_looked_is_offered_below_its_picture_and_only_where_it_was_asked() -> None:
    page = to_html(replace(example_report(), provenance={"pictures explained by": "eigen-cam"}))
    assert page.count('class="over"') == 6
    assert "as eigen-cam has it: it tells where, and not why" in text_of(page)
    without = replace(example_report(), examples=tuple(replace(one, heat=b"") for one in example_report().examples))
    assert 'class="over"' not in to_html(without)
    assert "looked" not in text_of(to_html(without))


def test_the_images_that_were_most_often_mistaken_come_first() -> None:
    right, wrong = (replace(example_report().examples[0], image=name, correct=correct) for name, correct in (("r", True), ("w", False)))
    assert [strip.image for strip in arrangement.strips(replace(example_report(), examples=(right, wrong)))] == ["w", "r"]


# ------------------------------------------------------------------------------------------------------ hostile names

NASTY = (
    "<script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "' onmouseover='document.title=1' \" autofocus onfocus=\"document.title='owned'\"",
    "&lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe\u202d\u2066\u2067",
    "שלום עולם",
    "🦉🏳️‍🌈👩‍👩‍👧‍👦 ẞß İi",
    "a" * 10_000,
    "long name " * 1_000,
    "%3Cscript%3E #check=x /../..",
    "\ud800 half a character",
)


def named(name: str) -> Report:
    """The example with every name, label and reason replaced."""
    report = example_report()
    condition = Condition(name, Corrupted(name, 1))
    clean = report.calibrations[0]
    return replace(
        report,
        suite=name,
        title=name,
        description=name,
        models=(name, f"{name}2"),
        verdicts=tuple(
            replace(one, check=f"{name}{place}", model=name, reason=name, metric=name if place == 2 else one.metric)
            for place, one in enumerate(report.verdicts[12:18])
        ),
        results=(
            *(replace(report.results[0], model=name, condition=one) for one in (Condition(name), Condition(f"{name}b"), condition)),
            replace(
                report.results[0], model=name, condition=Condition(name, Attacked(name, ThreatModel("l2", Fraction(1)), ((name, name),)))
            ),
            replace(report.results[0], model=name, condition=Condition(name, Corrupted(name, 2)), metrics={}, error=name),
        ),
        calibrations=(replace(clean, model=name, dataset=name, note=name, parameters={name: 1.0}, recalibration=name),),
        classes=(ClassResult(name, name, name, 10, 3, 4),),
        confusions=(Confusion(name, name, name, name, 3),),
        differences=(
            Difference(f"{name}0", name, name, name, 0.1, 0.2, -0.1, -0.2, -0.05),
            Difference(name, name, name, name, reason=name),
        ),
        flips=tuple(replace(one, model=name, baseline=name, image=name, label=name, prediction=name) for one in report.flips),
        examples=tuple(replace(one, image=name, label=name, model=name, prediction=name) for one in report.examples[:4]),
        provenance={name: {name: [name] * 3}, "not selected": [name]},
        notes=(name,),
    )


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_a_hostile_name_is_shown_as_text(name: str) -> None:
    page = to_html(named(name))
    assert page.lower().count("<script") == page.lower().count("</script") == page.lower().count("</style") == 1
    assert not re.search(r"<[a-z]+[^>]*\son[a-z]+=", re.sub(r'"[^"]*"', '""', re.sub("<(style|script)>.*?</\\1>", "", page, flags=re.S)))
    shown = re.sub("[\u202a-\u202e\u2066-\u2069]", "\ufffd", name.encode("utf-8", "replace").decode())
    assert " ".join(shown[:90].split()) in text_of(page)


def test_a_long_name_is_cut_in_the_middle_and_does_not_fill_the_page() -> None:
    page = to_html(named("a" * 10_000 + "END"))
    assert "a" * 2_100 not in page
    assert f"{'a' * 100} … {'a' * 14}END" in page
    assert len(page) < 400_000


def test_marks_that_turn_the_reading_direction_are_seen_and_turn_nothing() -> None:
    page = to_html(named("\u202egnp.exe\u2066"))
    assert "<bdi" in page
    assert "\ufffdgnp.exe\ufffd" in text_of(page)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_any_name_can_be_linked_to(name: str) -> None:
    page = to_html(replace(example_report(), verdicts=(replace(example_report().verdicts[0], check=name),)))
    links = set(re.findall(r'href="#(check=[^"]*)"', page))
    assert len(links) == 1
    (link,) = links
    assert page.count(f'id="{link}"') == 1
    assert re.fullmatch(r"check=[\w.!~*'()/%-]+", unescape(link), flags=re.A)
