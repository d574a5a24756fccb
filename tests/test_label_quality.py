"""Wrong labels that were planted are told in the report, and every check is judged without them as well."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from example_report import example_report
from PIL import Image
from test_groups_and_shifts import Painter, dataset
from test_groups_and_shifts import judged as judged_by
from test_uncertainty_in_a_suite import by_name
from torch import nn

import robustsuite
from robustsuite import label_quality, planning, store, suite_files
from robustsuite.assembling import assemble
from robustsuite.predictions import Outcome, Predictions
from robustsuite.records import Condition, Dataset, LabelSpace, Report, Suspect, SuspectCount
from robustsuite.reporting import arrangement
from robustsuite.reporting.html import to_html
from robustsuite.reporting.json import from_json, to_json
from robustsuite.reporting.markdown import to_markdown
from robustsuite.reporting.terminal import lines

HEAD = 'schema = 1\ntitle = "labels"\n[data.images]\ndataset = "image_folder"\nlabel_errors = true\n'
SUITE = (
    HEAD
    + """
[[check]]
name = "clean"
at_least = 0.97
[[check]]
name = "dim"
corruptions = ["brightness"]
severities = [1]
at_least = 0.5
[[check]]
name = "worst"
by = "half"
summary = "worst_case"
at_least = 0.99
"""
)
IMAGES, CLASSES = 120, 4
WRONG = (8, 17, 42, 77, 90, 111)  # every label is the number of the image modulo 4, but those of these are one more


class Reading(nn.Module):
    """Reads the class from the red of the image, 40 levels a class, and is the surer the more green there is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green = images[:, 0].mean(dim=(1, 2)), images[:, 1].mean(dim=(1, 2))
        apart = (red[:, None] * 255 / 40 - torch.arange(CLASSES)[None]).abs()
        return -(4 + green[:, None] / 10) * apart


class Green:
    """Paints image `index` in the red of its class, the later ones in more green."""

    def __call__(self, index: int) -> Image.Image:
        return Image.new("RGB", (32, 32), (40 * (index % CLASSES), index, 0))


def planted(images: int = IMAGES, wrong: tuple[int, ...] = WRONG) -> Dataset:
    labels = np.arange(images) % CLASSES
    labels[list(wrong)] = (labels[list(wrong)] + 1) % CLASSES
    halves = ["early" if row < images // 2 else "late" for row in range(images)]
    return Dataset("made", [f"{row}.png" for row in range(images)], labels, tuple("abcd"), Green(), source="made", groups={"half": halves})


def judged(tmp_path: Path, text: str = SUITE, data: Dataset | None = None, **settings: object) -> Report:
    return judged_by(tmp_path, text, {"images": data or planted()}, Reading().eval(), **settings)


@pytest.fixture
def cleanlab() -> Iterator[None]:
    pytest.importorskip("cleanlab", reason="needs cleanlab, which is in the extra `labels`")
    yield


needs_cleanlab = pytest.mark.usefixtures("cleanlab")


# ---------------------------------------------------------------------------------------------------- through a suite


@needs_cleanlab
@pytest.mark.parametrize("settings", [{}, {"batch_size": 7, "shuffle": True}], ids=str)
def test_planted_labels_are_told_the_least_probable_first(tmp_path: Path, settings: dict[str, object]) -> None:
    report = judged(tmp_path, **settings)
    assert report.suspect_counts == (SuspectCount("m", "images", len(WRONG), IMAGES),)
    assert {one.image for one in report.suspects} == {f"{row}.png" for row in WRONG}
    probabilities = [one.label_probability for one in report.suspects]
    assert probabilities == sorted(probabilities)
    one = next(one for one in report.suspects if one.image == "17.png")
    assert (one.label, one.prediction) == ("c", "b")
    green = 17 / 255
    logits = -(4 + green / 10) * np.abs(np.arange(4) - 1)
    share = np.exp(logits) / np.exp(logits).sum()
    assert one.confidence == pytest.approx(share[1], rel=1e-5)
    assert one.label_probability == pytest.approx(share[2], rel=1e-5)


@needs_cleanlab
def test_every_check_is_judged_without_the_suspect_images_too(tmp_path: Path) -> None:
    report = judged(tmp_path)
    before = by_name(report)
    after = {one.check: one for one in report.verdicts_without_suspects}
    assert [before[name].status for name in ("clean", "dim", "worst")] == ["failed", "passed", "failed"]
    assert before["clean"].measurement.value == 1 - len(WRONG) / IMAGES
    assert [after[name].status for name in ("clean", "dim", "worst")] == ["passed", "passed", "passed"]
    assert after["clean"].measurement.value == 1
    assert after["clean"].measurement.samples == after["dim"].measurement.samples == IMAGES - len(WRONG)


@needs_cleanlab
def test_verdicts_without_suspects_are_those_of_a_data_set_without_these_images(tmp_path: Path) -> None:
    text = SUITE.replace("[data.images]", '[decision]\ntarget = "population"\n[data.images]')
    whole = judged(tmp_path, text)
    kept = [row for row in range(IMAGES) if row not in WRONG]
    data = planted()
    groups = {"half": [data.groups["half"][row] for row in kept]}
    fewer = replace(data, ids=[data.ids[row] for row in kept], labels=data.labels[kept], read=Chosen(kept), groups=groups)
    assert whole.verdicts_without_suspects == judged(tmp_path, text.replace("label_errors = true\n", ""), fewer).verdicts


class Chosen(Green):
    """Some of the images."""

    def __init__(self, kept: list[int]):
        self.kept = kept

    def __call__(self, index: int) -> Image.Image:
        return super().__call__(self.kept[index])


@needs_cleanlab
def test_checks_on_other_data_are_not_judged_again(tmp_path: Path) -> None:
    text = HEAD + '[data.other]\ndataset = "image_folder"\n' + "".join(
        f'[[check]]\nname = "{name}"\ndata = "{name}"\nat_least = 0.9\n' for name in ("images", "other")
    )  # fmt: skip
    report = judged_by(tmp_path, text, {"images": planted(), "other": planted()}, Reading().eval())
    assert [one.dataset for one in report.suspect_counts] == ["images"]
    assert [one.check for one in report.verdicts_without_suspects] == ["images"]


@needs_cleanlab
def test_a_comparison_leaves_out_the_same_images_of_the_baseline(tmp_path: Path) -> None:
    text = HEAD + '[[check]]\nname = "churn"\nmetric = "churn"\n[[check]]\nname = "drop"\nno_worse_than_baseline = 0.01\n'
    first = tmp_path / "first"
    judged(tmp_path, text, reports=first)
    (baseline,) = first.iterdir()
    report = judged(tmp_path, text, baseline=baseline)
    assert [(one.check, one.status) for one in report.verdicts_without_suspects] == [("churn", "passed"), ("drop", "passed")]
    assert report.verdicts_without_suspects[1].measurement.samples == IMAGES - len(WRONG)


@needs_cleanlab
def test_where_no_label_is_suspect_nothing_is_judged_again(tmp_path: Path) -> None:
    report = judged(tmp_path, data=planted(wrong=()))
    assert report.suspect_counts == (SuspectCount("m", "images", 0, IMAGES),)
    assert (report.suspects, report.verdicts_without_suspects) == ((), ())
    assert lines(report)[-1] == "labels: 0 of 120 suspect"


STOPPING = HEAD.replace("[data.images]", '[decision]\nstop = "decided"\n[data.images]') + '[[check]]\nname = "clean"\nat_least = 0.5\n'


@needs_cleanlab
def test_what_was_decided_before_the_last_image_is_not_judged_again(tmp_path: Path) -> None:
    report = judged(tmp_path, STOPPING + '[[check]]\nname = "seen"\n')
    assert "decided after" in by_name(report)["clean"].reason
    assert report.suspect_counts == (SuspectCount("m", "images", len(WRONG), IMAGES),)
    assert [(one.check, one.measurement.value) for one in report.verdicts_without_suspects] == [("seen", 1.0)]


def test_of_a_run_that_stopped_before_the_last_image_nothing_is_estimated(tmp_path: Path) -> None:
    report = judged(tmp_path, STOPPING, batch_size=8)
    assert report.suspect_counts == ()
    assert any("of 120 images were judged" in note for note in report.notes)


@needs_cleanlab
def test_the_report_can_be_made_again_and_survives_json(tmp_path: Path) -> None:
    report = judged(tmp_path, reports=tmp_path / "reports")
    (folder,) = (tmp_path / "reports").iterdir()
    assert assemble(folder) == report
    assert from_json(to_json(report)) == report


# --------------------------------------------------------------------------------------------- where nothing is estimated


def refused(report: Report) -> str:
    """The only note, of a report that has estimated nothing."""
    assert (report.suspects, report.suspect_counts, report.verdicts_without_suspects) == ((), (), ())
    (note,) = report.notes
    assert note.startswith("suspect labels were not estimated (images on m): ")
    return note.partition("): ")[2]


def test_without_cleanlab_a_note_says_so_and_everything_else_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    report = judged(tmp_path)
    assert refused(report) == "finding wrong labels needs cleanlab, which is not installed: pip install 'robustsuite[labels]'"
    assert [one.status for one in report.verdicts] == ["failed", "passed", "failed"]


def test_a_model_that_is_mostly_wrong_is_not_asked(tmp_path: Path) -> None:
    report = judged(tmp_path, data=planted(wrong=tuple(range(61))))
    assert refused(report).startswith("the model is mostly wrong (accuracy 0.4917)")


def test_images_without_labels_have_no_wrong_ones(tmp_path: Path) -> None:
    unlabelled = replace(planted(), labels=np.full(IMAGES, -1), classes=())
    text = HEAD + '[[check]]\nname = "clean"\n'
    assert refused(judged(tmp_path, text, unlabelled)) == "the images have no labels that the model knows"


def test_images_with_several_right_classes_are_left_alone(tmp_path: Path) -> None:
    judged(tmp_path, reports=tmp_path / "reports")
    (folder,) = (tmp_path / "reports").iterdir()
    (description,) = store.descriptions(folder).values()
    description["data"]["images"]["several_right"] = True
    store.Writer(folder, "0", description)
    assert refused(assemble(folder)).startswith("an image may have several right classes")


def test_records_without_logits_say_how_to_keep_them(tmp_path: Path) -> None:
    judged(tmp_path, SUITE.replace("label_errors = true\n", ""), reports=tmp_path / "reports")
    (folder,) = (tmp_path / "reports").iterdir()
    again = robustsuite.judge(folder, suite_files.parse(SUITE, tmp_path / "shifts.toml"))
    assert refused(again) == "every logit is needed, and none were kept: run it with --rs-keep logits"


def test_a_run_that_was_cut_short_says_how_far_it_came() -> None:
    predictions = Predictions(*np.zeros((1, 3), np.int16), *np.zeros((6, 3)))
    cut = Outcome("m", Condition("images"), np.arange(3), predictions, 9)
    assert label_quality.estimates([cut], {"images": {}}) == (
        [],
        ["suspect labels were not estimated (images on m): only 3 of 9 images were judged"],
    )


def test_nothing_is_estimated_or_kept_where_it_is_not_asked_for(tmp_path: Path) -> None:
    report = judged(tmp_path, SUITE.replace("label_errors = true\n", ""))
    assert (report.suspects, report.suspect_counts, report.notes) == ((), (), ())


def test_every_logit_is_kept_of_clean_images_that_a_selected_check_uses() -> None:
    data = "".join(f'[data.{name}]\ndataset = "image_folder"\nlabel_errors = {asked}\n' for name, asked in ASKED.items())
    checks = "".join(f'[[check]]\nname = "{name}"\ndata = "{name}"\ncorruptions = ["fog"]\n' for name in ASKED)
    suite = suite_files.parse(f'schema = 1\ntitle = "t"\n{data}{checks}', Path("t.toml"))
    assert [demand.label_errors for demand in suite.data.values()] == [True, False, True]
    selected = [check for check in suite.checks if check.name != "c"]
    assert planning.plan(suite, {"m": selected}).logits == (Condition("a"),)


ASKED = {"a": "true", "b": "false", "c": "true"}


# -------------------------------------------------------------------------------------------------------- the outputs


def told(count: int = 12, suspects: int = 2) -> Report:
    """The example with suspect labels of its failing model: two of its verdicts change."""
    report = example_report()
    model = "digits-standard"
    mine = [one for one in report.verdicts if one.model == model]
    failed = [one for one in mine if one.status == "failed"][:2]
    return replace(
        report,
        suspects=tuple(Suspect(model, "digits", f"digit-{row}", "<1>", "7", 0.99999, 1e-9) for row in range(suspects)),
        suspect_counts=(SuspectCount(model, "digits", count, 600),),
        verdicts_without_suspects=tuple(replace(one, status="passed") if one in failed else one for one in mine),
    )


def test_each_output_tells_it_in_a_line() -> None:
    assert "labels, digits-standard: 12 of 600 suspect; without them 2 verdicts change" in lines(told())
    assert "labels, digits-standard: 12 of 600 suspect; without them 2 verdicts change\n" in to_markdown(told())
    alone = replace(told(), models=("digits-standard",), verdicts=tuple(one for one in told().verdicts if one.model == "digits-standard"))
    assert "labels: 12 of 600 suspect; without them 2 verdicts change" in lines(alone)
    several = replace(alone, suspect_counts=(*told().suspect_counts, SuspectCount("digits-standard", "letters", 3, 1200)))
    assert "labels: 15 of 1,800 suspect in 2 data sets; without them 2 verdicts change" in lines(several)


def test_changed_verdicts_come_first_on_the_page() -> None:
    rows = arrangement.label_rows(told())
    assert [row.changes for row in rows] == [True, True] + [False] * (len(rows) - 2)


def test_the_page_says_what_the_estimate_is_worth() -> None:
    page = to_html(told())
    assert "confident learning (Northcutt et al. 2021) from each model’s own probabilities" in page
    assert "A gap between gate and value that is smaller than the share of suspect labels says little." in page
    assert '<a href="#labels">' in page
    assert "12 suspect labels, digits-standard on digits: the 2 least probable" in re.sub(r"<[^>]+>", "", page)
    assert "<td>&lt;1&gt;</td>" in page
    assert '<td class="number">&lt; 0.1 %</td><td>7</td><td class="number">&gt; 99.9 %</td>' in page
    assert "labels" not in [word for word in to_html(example_report()).split('"') if word == "labels"]


def test_what_is_told_survives_json() -> None:
    assert from_json(to_json(told())) == told()


# ------------------------------------------------------------------------------------------------- without some images


def test_all_that_is_known_of_an_image_is_left_out_with_it() -> None:
    predictions = Predictions(*np.arange(4).reshape(1, 4), np.arange(8).reshape(4, 2), *np.arange(20.0).reshape(5, 4))
    whole = Outcome(
        "m",
        Condition("images"),
        np.array([2, 3, 5, 9]),
        predictions,
        4,
        recalibrated={"temperature": predictions},
        distance=np.arange(4.0),
        measured={"score": np.arange(4)},
        arrival=np.arange(4),
        groups={"half": np.array(list("abcd"))},
    )
    clean = Outcome("m", Condition("images"), np.array([2, 3, 5, 9]), predictions, 4)
    other = replace(whole, condition=Condition("other"))
    estimate = label_quality.Estimate(clean, np.array([2, 0]))
    found = label_quality.without({whole.condition: whole, other.condition: other}, [estimate])
    left = found[whole.condition]
    assert found[other.condition] is other
    assert (left.rows.tolist(), left.expected, left.complete) == ([3, 9], 2, True)
    columns = (left.distance, left.measured["score"], left.arrival, left.predictions.labels, left.recalibrated["temperature"].labels)
    assert all(column.tolist() == [1, 3] for column in columns)
    assert left.groups["half"].tolist() == ["b", "d"]


@needs_cleanlab
def test_data_with_other_classes_than_the_outputs_are_estimated_by_their_own(tmp_path: Path) -> None:
    """Two outputs stand for each of two classes; two labels are wrong."""
    levels = [0, 1, 2, 3] * 10
    labels = [level // 2 for level in levels]
    labels[3], labels[20] = 0, 1
    made = replace(dataset(levels, labels, 2, space=LabelSpace(((0, 1), (2, 3)))), read=Painter(tuple(40 * level for level in levels)))
    report = judged_by(tmp_path, HEAD + '[[check]]\nname = "clean"\n', {"images": made}, Wide().eval())
    assert {one.image for one in report.suspects} == {"3.png", "20.png"}


class Wide(Reading):
    """As many outputs as ImageNet has classes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(super().forward(images), (0, 996), value=-50)
