"""In GitHub Actions a run is told on the job's page and at the lines of the suite file; elsewhere nothing is."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import pytest
from hostile import HOSTILE
from toy import TOY_SUITE, Toy

from robustsuite import github_actions
from robustsuite.cli import main


@pytest.fixture
def toy(pytester: pytest.Pytester) -> Toy:
    return Toy(pytester.path)


@pytest.fixture
def summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The job's summary, in a job of GitHub Actions."""
    path = pytester.path / "summary.md"
    for name, value in {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": pytester.path, "GITHUB_STEP_SUMMARY": path}.items():
        monkeypatch.setenv(name, str(value))
    return path


def commands(output: str) -> list[tuple[str, dict[str, str], str]]:
    """The workflow commands of a log, as GitHub reads them: level, properties, message."""
    found = re.findall(r"^::(error|warning) (.*?)::(.*)$", output, flags=re.M)
    return [(level, dict(one.split("=", 1) for one in told.split(",")), unquote(message)) for level, told, message in found]


def test_a_failed_check_is_an_error_at_its_line_of_the_suite(pytester: pytest.Pytester, toy: Toy, summary: Path) -> None:
    result = pytester.runpytest(*toy.arguments())
    ((level, properties, message),) = commands(result.stdout.str())
    line = TOY_SUITE.splitlines().index('name = "impossible"')
    assert level == "error"
    assert properties["file"] == "suites/toy.toml"
    assert abs(int(properties["line"]) - line) <= 1
    assert unquote(properties["title"]) == "FAILED impossible · good"
    assert message.startswith("0.0 %, gate ≥ 90 %. ")
    assert summary.read_text().count("**✗ good FAILED 1 of 3 checks: impossible**") == 1


def test_a_check_that_could_not_be_evaluated_is_an_error_and_an_inconclusive_one_a_warning(
    pytester: pytest.Pytester, toy: Toy, summary: Path
) -> None:
    toy.write_suite("toy", TOY_SUITE + '\n[decision]\ntarget = "population"\n')
    result = pytester.runpytest(*toy.arguments("--model", toy.reference("nan"), "-k", "clean"))
    levels = {unquote(properties["title"]): level for level, properties, _ in commands(result.stdout.str())}
    assert levels == {"ERROR clean · nan": "error", "INCONCLUSIVE clean · good": "warning"}


def test_what_passed_is_told_in_the_summary_alone(pytester: pytest.Pytester, toy: Toy, summary: Path) -> None:
    result = pytester.runpytest(*toy.arguments("-k", "clean"))
    assert commands(result.stdout.str()) == []
    assert "**✓ good passed 1 of 1 check**" in summary.read_text()


def test_elsewhere_there_are_no_commands(pytester: pytest.Pytester, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    assert "::error" not in pytester.runpytest(*toy.arguments()).stdout.str()


def test_a_suite_outside_the_workspace_has_no_line(
    pytester: pytest.Pytester, toy: Toy, summary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path / "elsewhere"))
    ((_, properties, _),) = commands(pytester.runpytest(*toy.arguments()).stdout.str())
    assert list(properties) == ["title"]


def test_a_summary_is_appended_to(pytester: pytest.Pytester, toy: Toy, summary: Path) -> None:
    summary.write_text("what an earlier command of the step wrote\n")
    toy.write_suite("twin", TOY_SUITE)
    pytester.runpytest(*toy.arguments("--suite", "twin", "-k", "clean"))
    text = summary.read_text()
    assert text.startswith("what an earlier command of the step wrote\n")
    assert text.count("passed 1 of 1 check") == 2


@pytest.mark.parametrize("place", ["nowhere/summary.md", "."])
def test_a_summary_that_cannot_be_written_is_a_warning_and_changes_no_verdict(
    pytester: pytest.Pytester, toy: Toy, summary: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / place))
    result = pytester.runpytest(*toy.arguments("-k", "clean"))
    assert result.ret == 0
    ((level, _, message),) = commands(result.stdout.str())
    assert level == "warning"
    assert message.startswith("expected to append to GITHUB_STEP_SUMMARY, got ")


def test_a_full_summary_is_left_as_it_is(pytester: pytest.Pytester, toy: Toy, summary: Path) -> None:
    summary.write_bytes(b"x" * (github_actions.SUMMARY_BYTES - 1000))
    result = pytester.runpytest(*toy.arguments("-k", "clean"))
    assert result.ret == 0
    assert summary.stat().st_size == github_actions.SUMMARY_BYTES - 1000
    assert "the job summary is full" in commands(result.stdout.str())[0][2]


@pytest.mark.slow
def test_workers_announce_nothing_and_the_controller_once(pytester: pytest.Pytester, toy: Toy, summary: Path) -> None:
    pytest.importorskip("xdist")
    result = pytester.runpytest(*toy.arguments("-n", "2", "--model", toy.reference("other")))
    assert len(commands(result.stdout.str())) == 2
    assert summary.read_text().count("**✗ ") == 2


def test_nothing_is_written_where_no_suite_is_asked_for(pytester: pytest.Pytester, summary: Path) -> None:
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest().assert_outcomes(passed=1)
    assert not summary.exists()


HOSTILE_MODELS = """
from torch import nn

class Hostile(nn.Module):
    def forward(self, images):
        raise ValueError({message!r})

def hostile(): return Hostile()
"""


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_model_says_is_text_in_the_log_in_junit_and_on_the_page(
    pytester: pytest.Pytester, toy: Toy, summary: Path, name: str
) -> None:
    (toy.folder / "models.py").write_text(HOSTILE_MODELS.format(message=name))
    result = pytester.runpytest(*toy.arguments("-k", "clean", "--junitxml=junit.xml", model="hostile"))
    assert result.ret == 6
    assert [level for level, _, _ in commands(result.stdout.str())] == ["error"]
    told = ET.fromstring((pytester.path / "junit.xml").read_bytes())  # refuses what XML cannot hold
    (case,) = told.iter("testcase")
    assert {one.get("name"): one.get("value") for one in case.iter("property")}["status"] == "error"
    assert not [text for text in told.itertext() if not all(character.isprintable() or character in "\n\t" for character in text)]
    assert "<script" not in summary.read_text()


def test_judging_records_again_is_told_like_a_run(
    pytester: pytest.Pytester, toy: Toy, summary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.runpytest(*toy.arguments())
    summary.unlink()
    (run,) = (pytester.path / "reports").iterdir()
    capsys.readouterr()
    assert main(["judge", str(run), "--suite", "toy", "--reports", str(pytester.path / "again")]) == 1
    ((level, properties, _),) = commands(capsys.readouterr().out)
    assert (level, properties["file"]) == ("error", "suites/toy.toml")
    assert "FAILED 1 of 3 checks: impossible" in summary.read_text()
