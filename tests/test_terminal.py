"""What a person or a log is told: in 80 columns, without colour, with nothing that steers; and the same numbers as everywhere else."""

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from unicodedata import east_asian_width

import jsonschema
import pytest
from example_report import example_report, many_conditions
from hostile import HOSTILE, hostile_report
from toy import Toy

from robustsuite import suite_files
from robustsuite.github_actions import SUMMARY_BYTES, announce
from robustsuite.records import Report
from robustsuite.reporting import wording
from robustsuite.reporting.annotations import annotations
from robustsuite.reporting.json import from_json
from robustsuite.reporting.markdown import to_markdown
from robustsuite.reporting.schema import results_schema
from robustsuite.reporting.terminal import COLOURS, lines

ROOT = Path(__file__).parent.parent

hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())


def columns(line: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


# ---------------------------------------------------------------------------------------------------------- verbose


def test_verbose_tells_every_check_in_full() -> None:
    said = "\n".join(lines(example_report(), verbose=True))
    for verdict in example_report().verdicts:
        standing = wording.standing(verdict)
        block = said.partition(f"{wording.SYMBOLS[standing]} {wording.WORDS[standing]}  {verdict.check} · {verdict.model}\n")[2]
        block = " ".join(block.partition("\n\n")[0].split())
        for part in (
            wording.value(verdict) if verdict.measurement else "",
            wording.interval(verdict),
            wording.gate(verdict),
            verdict.reason,
        ):
            assert " ".join(part.split()) in block
        assert "600 images" in block or not verdict.measurement


def test_verbose_tells_every_number_of_every_condition() -> None:
    report = example_report()
    said = lines(report, verbose=True)
    for result in report.results:
        name = wording.perturbation_name(result.condition)
        told = " ".join(line for line in said if line.strip().startswith(name[:26]))
        for metric, value in result.metrics.items():
            assert wording.number(metric, value) in told
    assert "! digits/defocus_blur-5: logits of image digit-1204 are not finite" in said


@pytest.mark.parametrize("report", [example_report(), many_conditions()], ids=["example", "many"])
def test_verbose_lines_are_at_most_80_columns_wide(report: Report) -> None:
    assert max(map(columns, lines(report, verbose=True))) <= 80


def test_what_failed_comes_first_in_three_lines() -> None:
    report = replace(example_report(), verdicts=tuple(one for one in example_report().verdicts if one.status == "failed"))
    _, _, *said = lines(report)
    first = said[said.index("") + 1 :] if said[0] else said[1:]
    blocks = "\n".join(first).split("\n\n")[:3]
    assert [len(block.splitlines()) for block in blocks] == [3, 3, 3]
    assert all(block.startswith("✗ FAILED  ") for block in blocks)


@pytest.mark.slow
def test_verbose_has_an_ini_twin(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nrs_verbose = true")
    said = pytester.runpytest_subprocess(*Toy(pytester.path).arguments("-k", "clean")).stdout.str()
    assert "passed  clean · good" in said


def test_colours_repeat_what_words_say() -> None:
    assert {COLOURS.get(wording.SYMBOLS[one]) for one in ("failed", "error")} == {"red"}
    assert COLOURS.get(wording.SYMBOLS["measured"]) is None


# ---------------------------------------------------------------------------------------------------- hostile names


@hostile
@pytest.mark.parametrize("verbose", [False, True])
def test_no_name_steers_a_terminal_or_a_log(name: str, verbose: bool) -> None:
    for line in lines(hostile_report(name), verbose):
        assert columns(line) <= 80
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


@hostile
def test_no_name_acts_in_markdown(name: str) -> None:
    text = to_markdown(hostile_report(name))
    assert len(text.encode()) < 60_000
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "<" not in text
    assert not re.search(r"@\w|://|\bwww\.", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


def test_markdown_of_a_hostile_name_is_read_back_as_the_name() -> None:
    markdown = pytest.importorskip("markdown_it")
    for name in ("<script>alert(1)</script>", "a|b *c* _d_ `e` [f](g) ~h~ # i", 'it\'s "quoted" & more', '=HYPERLINK("x","y")'):
        page = markdown.MarkdownIt("commonmark").enable("table").render(to_markdown(hostile_report(name)))
        cell = Cells(page).rows[1][1]
        assert cell == name


@hostile
def test_no_name_leaves_its_annotation(name: str) -> None:
    suite = replace(suite_files.load("quickstart"), name=name)
    said = annotations([(hostile_report(name), suite)], ROOT)
    assert len(said) == 3
    for line in said:
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        _, properties, message = re.fullmatch(r"::(error|warning) ([^:]*)::(.*)", line).groups()
        assert [one.partition("=")[0] for one in properties.split(",")] == ["file", "line", "title"]
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", properties + message)


def test_a_percent_sign_of_a_name_is_a_percent_sign_on_githubs_page() -> None:
    (line, *_) = annotations([(hostile_report("a%0A::error::owned"), suite_files.load("quickstart"))])
    assert "title=FAILED a%250A%3A%3Aerror%3A%3Aowned · a%250A" in line


def test_at_most_ten_annotations_of_a_level_and_the_rest_counted() -> None:
    report = many_conditions()
    failed = [verdict for verdict in report.verdicts if verdict.status == "failed"]
    said = annotations([(report, suite_files.load("quickstart"))])
    errors = [line for line in said if line.startswith("::error ")]
    assert len(failed) > 10
    assert len(errors) == 10
    assert errors[-1] == f"::error title=robustsuite::and {len(failed) - 9} more checks did not pass; the summary lists them"
    assert len([line for line in said if line.startswith("::warning ")]) <= 10


def test_a_summary_never_grows_above_githubs_limit(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (SUMMARY_BYTES - 10_000))
    suite = suite_files.load("quickstart")
    said = announce([(many_conditions(), suite), (many_conditions(), suite)], {"GITHUB_STEP_SUMMARY": str(path)})
    assert SUMMARY_BYTES - 10_000 < path.stat().st_size <= SUMMARY_BYTES
    assert "more of 475 rows do not fit here" in path.read_text()
    assert said == ["warning: the job summary is full, so that it does not show suite quickstart; its report does"]


# ----------------------------------------------------------------------------------------------------- one real run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every output of a real run: some checks of `quickstart` on the model that fails one of them."""
    folder = tmp_path_factory.mktemp("run")
    chosen = ["-k", "clean-accuracy or fgsm-linf or calibration-error", "--rs-target", "population"]
    arguments = ["--suite", "quickstart", "--model", "digits-standard", *chosen, "--rs-verbose", "--junitxml=junit.xml", "--color=yes"]
    environment = {**os.environ, "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    (reports,) = (folder / "reports").iterdir()
    files = {path.name: path.read_text("utf-8") for path in reports.iterdir() if path.suffix in (".html", ".json", ".md", ".csv")}
    return {**files, "junit.xml": (folder / "junit.xml").read_text("utf-8"), "screen": done.stdout}


class Cells(HTMLParser):
    """The cells of every table row of a page, as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = self.hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = self.hidden or tag in ("svg", "script", "style")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self.inside = True
        elif self.inside and tag != "wbr":
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")
        self.hidden = self.hidden and tag not in ("svg", "script", "style")

    def handle_data(self, data: str) -> None:
        if self.inside and not self.hidden:
            self.rows[-1][-1] += data


def test_every_output_says_the_same_numbers_of_every_check(run: dict[str, str]) -> None:
    report = from_json(run["results.json"])
    assert len(report.verdicts) == 4
    jsonschema.validate(json.loads(run["results.json"]), results_schema())
    raw = {one["check"]: one for one in json.loads(run["results.json"])["verdicts"]}
    table = {row["check"]: row for row in csv.DictReader(run["verdicts.csv"].splitlines())}
    cases = {case.get("name"): case for case in ET.fromstring(run["junit.xml"]).iter("testcase")}
    screen = re.sub(r"\x1b\[[0-9;]*m", "", run["screen"])
    markdown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in run["summary.md"].splitlines() if line.startswith("|")]
    page = Cells(run["report.html"]).rows
    for verdict in report.verdicts:
        measured, name = verdict.measurement, verdict.check
        numbers = {"value": measured.value, "low": measured.low, "high": measured.high, "threshold": verdict.threshold}
        # what machines read, to the last digit
        assert {**raw[name]["measurement"], "threshold": raw[name]["threshold"]}.items() >= numbers.items()
        assert {key: float(table[name][key]) for key in numbers} == numbers
        properties = {one.get("name"): one.get("value") for one in cases[name].iter("property")}
        assert {key: float(properties[key]) for key in numbers} == numbers
        assert raw[name]["status"] == table[name]["status"] == properties["status"] == verdict.status
        assert int(table[name]["images"]) == int(properties["images"]) == measured.samples == 600
        # what people read, in the same words
        told = [wording.value(verdict), wording.interval(verdict), wording.gate(verdict)]
        (row,) = [row for row in markdown if row[1] == name]
        assert row[2:5] == told
        assert row[0].endswith(wording.WORDS[wording.standing(verdict)])
        block = screen.partition(f"{wording.WORDS[wording.standing(verdict)]}  {name} · digits-standard\n")[2].partition("\n\n")[0]
        assert all(part in block for part in told)
        shown = [" ".join(" ".join(cell.split()) for cell in row) for row in page if any(name in cell.split() for cell in row)]
        assert any(all(part in text for part in told) for text in shown)


def test_every_output_says_the_same_numbers_of_every_condition(run: dict[str, str]) -> None:
    report = from_json(run["results.json"])
    table = {(row["perturbation"], row["metric"]): float(row["value"]) for row in csv.DictReader(run["results.csv"].splitlines())}
    told = {(str(one.condition.perturbation or "clean"), metric): value for one in report.results for metric, value in one.metrics.items()}
    assert table == told
    screen = re.sub(r"\x1b\[[0-9;]*m", "", run["screen"]).splitlines()
    page = [" ".join(" ".join(cell.split()) for cell in row) for row in Cells(run["report.html"]).rows]
    for result in report.results:
        name = wording.perturbation_name(result.condition)
        for metric, value in result.metrics.items():
            shown = wording.number(metric, value)
            assert any(line.strip().startswith(name) and shown in line for line in screen)
            assert any(name in row and shown in row for row in page)


def test_a_log_with_colours_has_no_cursor_movement_and_no_wide_line(run: dict[str, str]) -> None:
    assert "\r" not in run["screen"]
    assert set(re.findall(r"\x1b\[[0-9;]*(.)", run["screen"])) <= {"m"}
    section = run["screen"].partition("robustsuite: quickstart =")[2]
    assert max(columns(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in section.splitlines() if not line.startswith("report: ")) <= 80


def test_the_path_of_the_report_comes_last(run: dict[str, str]) -> None:
    *_, path, counts = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", run["screen"]).splitlines() if line]
    assert re.fullmatch(r"report: reports/quickstart-digits-standard-.*/report\.html", path)
    assert "1 failed, 3 passed" in counts


# ------------------------------------------------------------------------------------------------------- exit codes


def test_the_exit_codes_of_the_readme_are_those_of_the_plugin() -> None:
    from robustsuite import pytest_plugin
    from robustsuite.judging import exit_code

    table = dict(re.findall(r"^\| (\d) \| (.*) \|$", (ROOT / "README.md").read_text("utf-8"), flags=re.M))
    docstring = " ".join(pytest_plugin.__doc__.split())
    assert set(table) == set(re.findall(r"[:;] (\d) ", docstring)) == {"0", "1", "4", "6", "7"}
    page = dict(re.findall(r"^\| (\d) \| ([^|]*) \|", (ROOT / "docs" / "exit-codes.md").read_text("utf-8"), flags=re.M))
    assert all(table[code].startswith(page[code]) for code in table)
    said = {"passed": "0", "failed": "1", "error": "6", "skipped": "6", "inconclusive": "7"}
    for status, code in said.items():
        assert str(exit_code([(status, True)], "hold")) == code
        word = {"error": "could not be evaluated"}.get(status, status)
        assert word in table[code]
        assert word in docstring.partition(f" {code} ")[2].partition(";")[0]
    assert exit_code([("inconclusive", True)], "fail") == 1
    assert exit_code([("inconclusive", True)], "warn") == 0
    assert "`--rs-inconclusive fail` makes it 1, `warn` 0" in table["7"]
