"""Reports that show themselves: a card in a notebook, tables as pandas frames."""

import copy
import pickle
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from example_report import example_report, many_conditions
from hostile import HOSTILE, hostile_report
from toy import Toy

import robustsuite
from robustsuite import UsageError
from robustsuite.notebook import shown
from robustsuite.records import Report
from robustsuite.reporting import wording
from robustsuite.reporting.frames import TABLES
from robustsuite.reporting.json import from_json, to_json


class Card(HTMLParser):
    """What a card holds: tags with attributes, rows of cells, and text."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(fragment)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_what_evaluate_and_read_report_return_shows_itself(toy: Toy, tmp_path: Path) -> None:
    suite = str(toy.folder / "suites" / "toy.toml")
    report = robustsuite.evaluate(suite, [toy.reference()], {"images": toy.images}, reports=tmp_path / "out")
    assert "good FAILED 1 of 3 checks: impossible" in Card(report._repr_html_()).text
    (folder,) = (tmp_path / "out").iterdir()
    again = robustsuite.read_report(folder)
    assert again._repr_html_() == report._repr_html_()
    assert [attributes["href"] for tag, attributes in Card(again._repr_html_()).tags if tag == "a"] == [
        (folder / "report.html").resolve().as_uri()
    ]
    assert again.frame("verdicts")["status"].tolist() == ["passed", "passed", "failed"]


def test_a_shown_report_is_the_same_report() -> None:
    report = shown(example_report())
    assert isinstance(report, Report)
    assert report == shown(example_report())
    assert report == example_report()
    assert example_report() == report
    assert report != shown(replace(example_report(), title="another"))
    assert to_json(report) == to_json(example_report())
    assert from_json(to_json(report)) == example_report()
    for copied in (copy.deepcopy(report), pickle.loads(pickle.dumps(report)), replace(report, title=report.title)):
        assert copied == report
        assert copied._repr_html_() == report._repr_html_()


def test_a_card_tells_the_verdicts_and_then_the_checks_failed_ones_first() -> None:
    report = example_report()
    card = Card(shown(report)._repr_html_())
    assert card.text.split("\n")[1:3] == [
        "✓ digits-robust passed 11 of 11 checks",
        "✗ " + wording.sentence(report, "digits-standard"),
    ]
    head, *rows = card.rows
    assert head == ["", "check", "model", "value", "interval", "gate", "reason"]
    for row, verdict in zip(rows, wording.by_urgency(report.verdicts), strict=True):
        told = [verdict.check, verdict.model, wording.value(verdict), wording.interval(verdict), wording.gate(verdict)]
        assert row[1:6] == told
    assert rows[0][6] == "accuracy 0.2845 is below 0.7000, and so is its whole interval"


def test_a_card_of_many_checks_counts_the_rest() -> None:
    card = Card(shown(many_conditions())._repr_html_())
    assert len(card.rows) == 41
    assert 'and 435 more; all of them: report.frame("verdicts")' in card.text
    assert len(shown(many_conditions())._repr_html_()) < 50_000


def test_a_card_has_no_colour_of_its_own_and_refers_to_nothing() -> None:
    fragment = shown(example_report())._repr_html_()
    card = Card(fragment)
    assert card.open == []
    assert {tag for tag, _ in card.tags} == {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert not [style for _, attributes in card.tags if "color:" in (style := attributes.get("style") or "")]
    assert "src=" not in fragment


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_card_shows_any_name_as_text(name: str) -> None:
    fragment = shown(hostile_report(name))._repr_html_()
    card = Card(fragment)
    assert card.open == []
    assert not [tag for tag, _ in card.tags if tag not in ("div", "p", "table", "thead", "tbody", "tr", "th", "td")]
    assert all(character.isprintable() or character == "\n" for character in fragment)
    assert len(fragment) < 20_000


def test_a_card_of_a_report_without_anything_says_so() -> None:
    assert "No model was judged." in shown(Report("s", "t", (), (), ()))._repr_html_()


# ----------------------------------------------------------------------------------------------------------- frames


def test_frames_hold_the_numbers_of_the_report() -> None:
    pytest.importorskip("pandas")
    report = shown(example_report())
    results = report.frame("results")
    wide = results.pivot_table(index=["model", "dataset", "perturbation"], columns="metric", values="value")
    for result in report.results:
        for metric, value in result.metrics.items():
            assert wide.loc[(result.model, "digits", str(result.condition.perturbation or "clean")), metric] == value
    assert results["severity"].dropna().unique().tolist() == [1, 2, 3, 4, 5]
    verdicts = report.frame("verdicts").set_index(["model", "check"])
    assert verdicts.loc[("digits-standard", "clean"), "value"] == 0.9733
    assert verdicts["value"].isna().sum() == 1


def test_every_table_is_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    report = shown(example_report())
    for table in TABLES:
        assert isinstance(report.frame(table), pandas.DataFrame)
        assert table == "results" or len(report.frame(table)) == len(getattr(report, table))
    assert list(report.frames()) == [table for table in TABLES if getattr(report, table)]
    calibrations = report.frame("calibrations")
    assert calibrations["before.accuracy"].tolist() == [one.before["accuracy"] for one in report.calibrations]
    assert "picture" not in report.frame("examples")


def test_a_report_has_a_frame_for_each_of_its_tables() -> None:
    tables = {name for name, kind in Report.__annotations__.items() if str(kind).startswith("tuple") and "str" not in str(kind)}
    assert set(TABLES) == tables


def test_an_unknown_table_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="expected one of the tables verdicts, results, .*, got 'verdict'; choose one of them"):
        shown(example_report()).frame("verdict")


def test_without_pandas_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="expected pandas for a data frame, got none; pip install pandas"):
        shown(example_report()).frame("verdicts")
