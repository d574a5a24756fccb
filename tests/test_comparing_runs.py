"""Stored runs beside each other: only where they were measured alike, from their records alone, for anybody to read."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import test_report_in_browser
from rich.cells import cell_len
from test_baseline import SUITE, Model, run, suite_of
from toy import Toy

import robustsuite
from robustsuite import UsageError, store
from robustsuite.cli import main
from robustsuite.comparing import compare
from robustsuite.records import Comparison, Condition, Difference, Flip, Measurement, Verdict
from robustsuite.reporting.comparison import checks, lines, span, to_html

browser = test_report_in_browser.browser  # a fixture


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"), per_class=40)


@pytest.fixture(scope="module")
def stored(toy: Toy) -> Callable[..., Path]:
    """The folder of a run, made once."""
    made: dict[str, Path] = {}

    def make(name: str, model: Model | None = None, **options: object) -> Path:
        if name not in made:
            run(toy, model or Model(0), name, **options)
            (made[name],) = (toy.folder / name).iterdir()
        return made[name]

    return make


@pytest.fixture
def copied(stored: Callable[..., Path], tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(stored("good"), tmp_path / "copied"))


def described(folder: Path, **changes: object) -> Path:
    """The run with another description."""
    (file,) = folder.glob("run-*.json")
    file.write_bytes(store.described(json.loads(file.read_text()) | changes))
    return folder


def change_protocol(folder: Path, name: str, fact: str) -> Path:
    (file,) = folder.glob("run-*.json")
    return described(folder, protocol=json.loads(file.read_text())["protocol"] | {name: fact})


def by_check(comparison: Comparison, model: str) -> dict[str, Difference]:
    return {one.check: one for one in comparison.differences if one.model == model}


def refused(*folders: Path) -> str:
    with pytest.raises(UsageError) as told:
        compare(folders)
    assert "\n" not in str(told.value)
    return str(told.value)


# ------------------------------------------------------------------------------------------------------ comparisons


def test_a_planted_regression_is_found(stored: Callable[..., Path]) -> None:
    found = compare([stored("good"), stored("bad", Model(0, 1, 2))])
    clean = by_check(found, "B: m")["clean"]
    assert clean.lost > 10
    assert clean.gained == 0
    assert clean.difference == pytest.approx(-clean.lost / 80)
    assert clean.high < 0
    assert {flip.prediction == flip.label for flip in found.flips} == {False}
    lost = {flip.image for flip in found.flips if flip.condition == Condition("images")}
    assert len(lost) == clean.lost
    assert "B: m against A: m, 3 checks: 3 worse" in lines(found)


def test_the_same_run_twice_does_not_differ(stored: Callable[..., Path]) -> None:
    found = compare([stored("good"), stored("good")])
    for one in (*found.differences, *found.conditions):
        assert one.difference == 0
        assert (one.gained, one.lost) in ((0, 0), (None, None))
    assert found.flips == ()


def test_three_runs_are_held_against_the_first(stored: Callable[..., Path]) -> None:
    found = compare([stored("good"), stored("bad", Model(0, 1, 2)), stored("best", Model())])
    assert list(found.sources) == ["A: m", "B: m", "C: m"]
    assert {one.baseline for one in found.differences} == {"A: m"}
    assert by_check(found, "B: m")["clean"].difference < 0 < by_check(found, "C: m")["clean"].difference
    (worst, differences), *_ = checks(found, "A: m")
    assert worst == "clean"
    assert [one.model for one in differences] == ["B: m", "C: m"]


def test_models_of_one_run_are_held_against_its_first(toy: Toy) -> None:
    data = {"images": toy.images}
    several = {"new": Model(0), "old": Model(0, 1), "oldest": Model(0, 1, 2)}
    robustsuite.evaluate(suite_of(toy), several, data, device="cpu", reports=toy.folder / "several")
    (folder,) = (toy.folder / "several").iterdir()
    found = compare([folder])
    assert {(one.model, one.baseline) for one in found.differences} == {("old", "new"), ("oldest", "new")}
    assert list(found.sources) == ["new", "old", "oldest"]
    again = compare([folder, folder])
    assert {(one.model, one.baseline) for one in again.differences} == {(f"B: {name}", f"A: {name}") for name in several}
    assert to_html(again).count('class="held"') == 3


def test_models_of_other_names_are_compared_where_each_run_has_one(toy: Toy, stored: Callable[..., Path]) -> None:
    robustsuite.evaluate(suite_of(toy), {"other": Model(1)}, {"images": toy.images}, device="cpu", reports=toy.folder / "other")
    (folder,) = (toy.folder / "other").iterdir()
    found = compare([stored("good"), folder])
    assert {(one.model, one.baseline) for one in found.differences} == {("other", "m")}
    assert {verdict.model for verdict in found.verdicts} == {"m", "other"}


def test_another_threshold_is_no_other_check(toy: Toy, stored: Callable[..., Path], tmp_path: Path) -> None:
    strict = tmp_path / "regression.toml"
    strict.write_text(SUITE.replace("TARGET", "test-set").replace("0.5", "0.999"))
    found = compare([stored("good"), stored("strict", suite=str(strict))])
    assert by_check(found, "B: m")["clean"].difference == 0
    assert [verdict.status for verdict in found.verdicts if verdict.check == "clean"] == ["passed", "failed"]
    assert "Verdicts: passed, now failed: clean" in lines(found)


def test_python_compares_as_the_command_does(stored: Callable[..., Path], tmp_path: Path) -> None:
    good, bad = stored("good"), stored("bad", Model(0, 1, 2))
    assert robustsuite.compare(bad, good, reports=tmp_path) == robustsuite.compare([str(bad)], str(good)) == compare([good, bad])
    (page,) = tmp_path.iterdir()
    assert page.name.startswith("compare-regression-")


def test_a_run_with_a_baseline_tells_what_changed_in_every_check(toy: Toy, stored: Callable[..., Path]) -> None:
    good = stored("good")
    report = run(toy, Model(0, 1, 2), "against", baseline=good)
    assert [one.check for one in report.differences] == ["clean", "clean-against-baseline", "score"]
    clean = report.differences[0]
    assert (clean.model, clean.baseline, clean.gained) == ("m", "the baseline", 0)
    assert clean.high < 0
    assert clean.lost == sum(flip.condition == Condition("images") for flip in report.flips)
    (against,) = (toy.folder / "against").iterdir()
    beside = by_check(compare([good, against]), "B: m")
    assert (beside["clean"].difference, beside["clean"].low) == (clean.difference, clean.low)
    assert run(toy, Model(0), "alone").differences == ()


# ---------------------------------------------------------------------------------------------------------- refusals


def test_another_seed_is_refused(stored: Callable[..., Path]) -> None:
    told = refused(stored("good"), stored("seed", seed=1))
    assert "but its seed is 1, and there it is 0; run both by the same suite" in told


def test_another_suite_is_refused(toy: Toy, stored: Callable[..., Path]) -> None:
    told = refused(stored("good"), stored("suite", suite=suite_of(toy, name="other")))
    assert "but its suite is other, and there it is regression" in told


def test_other_images_are_refused(stored: Callable[..., Path], copied: Path) -> None:
    told = refused(stored("good"), change_protocol(copied, "data images", "70 images judged"))
    assert "but its data images is 70 images judged" in told


def test_another_version_of_a_corruption_is_refused(stored: Callable[..., Path], copied: Path) -> None:
    told = refused(stored("good"), change_protocol(copied, "condition images/contrast-1", "version 0"))
    assert "but its condition images/contrast-1 is version 0, and there it is version 1" in told


def test_another_preprocessing_is_refused(stored: Callable[..., Path], copied: Path) -> None:
    told = refused(stored("good"), change_protocol(copied, "preprocessing of m", "crop 8"))
    assert "but its preprocessing of m is crop 8, and there it is as stored" in told


def test_other_conditions_of_a_check_are_refused(stored: Callable[..., Path], tmp_path: Path) -> None:
    other = tmp_path / "regression.toml"
    other.write_text(SUITE.replace("TARGET", "test-set").replace("[1, 3]", "[1, 4]"))
    told = refused(stored("good"), stored("severities", suite=str(other)))
    assert "but its condition of check 'score' is images/contrast-4, and there it is images/contrast-3" in told


def test_another_budget_of_an_attack_is_refused(toy: Toy, tmp_path: Path) -> None:
    folders = []
    for name, epsilon in (("one", "1/255"), ("two", "2/255")):
        suite = tmp_path / name / "attacked.toml"
        suite.parent.mkdir()
        text = (
            'schema = 1\ntitle = "a"\n[data.images]\ndataset = "image_folder"\n[[check]]\nname = "fgsm"\nattack = "fgsm"\nat_least = 0.1\n'
        )
        suite.write_text(f'{text}epsilon = "{epsilon}"\n')
        run(toy, Model(), f"budget-{name}", suite=str(suite))
        folders += (toy.folder / f"budget-{name}").iterdir()
    assert "its condition of check 'fgsm' is images/fgsm linf 2/255, and there it is images/fgsm linf 1/255" in refused(*folders)


def test_preprocessing_that_each_model_brings_is_told(toy: Toy, stored: Callable[..., Path], tmp_path: Path) -> None:
    own = tmp_path / "regression.toml"
    own.write_text(SUITE.replace("TARGET", "test-set").replace('"regression"', '"regression"\npreprocessing = "model"'))
    first, second = (stored(name, suite=str(own)) for name in ("own", "own-again"))
    changed = change_protocol(Path(shutil.copytree(second, tmp_path / "changed")), "preprocessing of m", "crop 8")
    assert "each model brought its own preprocessing: m as stored, m crop 8" in compare([first, changed]).notes


def test_models_that_nobody_can_match_are_refused(toy: Toy, stored: Callable[..., Path]) -> None:
    data = {"images": toy.images}
    robustsuite.evaluate(suite_of(toy), {"x": Model(0), "y": Model(1)}, data, device="cpu", reports=toy.folder / "unmatched")
    (folder,) = (toy.folder / "unmatched").iterdir()
    assert "expected a model of the run that it is held against (m), or one model in each, got x, y" in refused(stored("good"), folder)
    assert "expected a second run, or a run of several models, got one of 'm' alone" in refused(stored("good"))


# --------------------------------------------------------------------------------------------------------- bad input


def test_what_is_no_run_is_refused(stored: Callable[..., Path], tmp_path: Path) -> None:
    good = stored("good")
    assert "which does not exist; check the path" in refused(good, tmp_path / "nothing")
    assert f"got the file {good / 'report.html'}; give the folder that a run wrote it into ({good})" in refused(good, good / "report.html")
    assert "expected a run's folder with run-*.json in it" in refused(good, tmp_path)


def test_damaged_records_are_refused(stored: Callable[..., Path], copied: Path) -> None:
    (file,) = copied.glob("run-*.json")
    text, block = file.read_text(), sorted(copied.glob("blocks-*/*.safetensors"))[0]
    file.write_text(text[:200])
    assert "expected a run's description in" in refused(stored("good"), copied)
    file.write_text('{"schema_version": 1}')
    assert f"expected {file} as a run wrote it" in refused(stored("good"), copied)
    file.write_text(text)
    block.write_bytes(block.read_bytes()[:100])
    assert "expected a block of results in" in refused(stored("good"), copied)


def test_records_that_do_not_say_how_they_were_made_are_refused(stored: Callable[..., Path], copied: Path) -> None:
    assert "expected records that say how they were measured" in refused(stored("good"), described(copied, protocol={}))


def test_a_shard_is_refused(stored: Callable[..., Path], copied: Path) -> None:
    assert "expected a whole run, got shard 1 of 3; put them together with robustsuite merge" in refused(
        stored("good"), described(copied, shard=[1, 3])
    )


def test_of_a_killed_run_what_both_saw_whole_is_compared(stored: Callable[..., Path], tmp_path: Path) -> None:
    small = stored("small", batch_size=16)
    killed = described(Path(shutil.copytree(small, tmp_path / "killed")), finished=False)
    sorted(killed.glob("blocks-*/*.safetensors"))[-1].unlink()
    told = refused(small, killed)
    assert "expected a check whose conditions every run saw whole, got none; take the run up with --rs-resume" in told
    whole = described(Path(shutil.copytree(small, tmp_path / "whole")), finished=False)
    found = compare([small, whole])
    assert any("it did not finish; compared is what both models were shown as a whole" in note for note in found.notes)
    assert by_check(found, "B: m")["clean"].difference == 0


def test_of_a_run_that_stopped_when_decided_the_images_that_it_saw_are_compared(stored: Callable[..., Path], tmp_path: Path) -> None:
    folders = []
    for stop in ("never", "decided"):
        suite = tmp_path / stop / "gated.toml"
        suite.parent.mkdir()
        text = SUITE.replace("no_worse_than_baseline = 0.05", "").replace('target = "TARGET"', f'stop = "{stop}"')
        suite.write_text(text.replace('name = "score"', 'name = "score"\nat_most = 2'))
        folders.append(stored(stop, suite=str(suite), batch_size=8))
    found = compare(folders)
    clean = by_check(found, "B: m")["clean"]
    assert clean.images < 80
    assert f"of the first {clean.images} of 80 images, in random order: one of the runs stopped there" in clean.reason
    assert clean.difference == 0
    assert "verdicts were reached in other ways: stop is never in A, and decided in B" in found.notes


# ------------------------------------------------------------------------------------------------------- the command


def test_the_command_tells_in_80_columns_and_writes_a_page(
    stored: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(stored("good")), str(stored("bad", Model(0, 1, 2)))]
    assert main(["compare", *folders, "--reports", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out.splitlines()
    page = Path(printed[-1].removeprefix("comparison: "))
    assert page.parent == tmp_path / "new"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert max(cell_len(line) for line in printed[:-1]) <= 80
    assert main(["compare", *folders, "--reports", str(tmp_path / "new")]) == 0
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_the_command_says_what_is_wrong_in_one_sentence_and_exits_4(
    stored: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for wrong in (
        [str(tmp_path / "nothing")],
        [str(stored("good"))],
        [str(stored("good")), str(stored("good")), "--reports", str(tmp_path / "file")],
    ):
        assert main(["compare", *wrong]) == 4
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("robustsuite: ")
        assert told.err.count("\n") == 1


def test_the_command_needs_no_torch(stored: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ["compare", str(stored("good")), str(stored("bad", Model(0, 1, 2))), "--reports", str(tmp_path)]
    program = f"from robustsuite.cli import main\nassert main({arguments!r}) == 0\nimport sys\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


# ---------------------------------------------------------------------------------------------------------- the page


HOSTILE = '<script>alert(1)</script>" onload="x" \u202e\x1b[31m😀::error::' + "n" * 10_000


def hostile() -> Comparison:
    """Every name as bad as it gets."""
    condition = Condition(HOSTILE)
    one = Difference(HOSTILE, "accuracy", HOSTILE, f"{HOSTILE}2", 0.5, 0.6, -0.1, -0.2, -0.01, 100, 5, 15)
    other = Difference(f"{HOSTILE}3", HOSTILE, HOSTILE, f"{HOSTILE}2", reason=HOSTILE)
    verdict = Verdict(HOSTILE, HOSTILE, "failed", HOSTILE, Measurement("accuracy", 0.5, 0.5, 0.5, 100), "≥ 0.6", 0.6, "accuracy")
    return Comparison(
        suite=HOSTILE,
        title=HOSTILE,
        sources={HOSTILE: HOSTILE, f"{HOSTILE}2": HOSTILE},
        verdicts=(verdict,),
        differences=(one, other),
        conditions=(Difference(str(condition), "accuracy", HOSTILE, f"{HOSTILE}2", 0.5, 0.6, -0.1, gained=5, lost=15),),
        flips=(Flip(HOSTILE, f"{HOSTILE}2", condition, HOSTILE, HOSTILE, "dog", HOSTILE),),
        higher_is_better={"accuracy": True},
        provenance={HOSTILE: {"model": HOSTILE}, "suite": HOSTILE},
        notes=(HOSTILE,),
    )


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_names_are_text_on_the_page() -> None:
    found = Tags(to_html(hostile()))
    assert "script" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "\x1b" not in to_html(hostile())


def test_hostile_names_steer_no_terminal_and_stay_within_80_columns() -> None:
    printed = lines(hostile())
    assert max(map(cell_len, printed)) <= 80
    assert all(line.isprintable() for line in printed)
    assert not [line for line in printed if line.lstrip().startswith("::")]


def test_the_page_asks_for_nothing_and_forbids_scripts(stored: Callable[..., Path]) -> None:
    page = to_html(compare([stored("good"), stored("bad", Model(0, 1, 2))]))
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count('<th scope="rowgroup"') == 3
    assert len(page) < 300_000


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_the_page_has_no_fault_in_a_browser(stored: Callable[..., Path], browser: Any, tmp_path: Path, width: int, theme: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(to_html(compare([stored("good"), stored("bad", Model(0, 1, 2)), stored("best", Model())])), "utf-8")
    test_report_in_browser.show(browser, page.as_uri(), width, theme)
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in asked if message["method"] == "Network.requestWillBeSent"]
    addresses = {one["request"]["url"] for one in sent if one["documentURL"] == page.as_uri()}  # the browser's own first page asks too
    assert page.as_uri() in addresses
    assert all(address.startswith("data:") for address in addresses - {page.as_uri()})
    scroll, client = browser.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= client
    axe = importlib.util.find_spec("axe_core_python")
    if axe is None or axe.origin is None:
        pytest.skip("axe_core_python is not installed")
    browser.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    browser.execute_script((Path(axe.origin).parent / "axe.min.js").read_text("utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_screen_and_page_say_the_same_numbers(stored: Callable[..., Path]) -> None:
    found = compare([stored("good"), stored("bad", Model(0, 1, 2))])
    clean = by_check(found, "B: m")["clean"]
    number = f"−{100 * clean.lost / 80:.1f}"
    assert any("clean " in line and number in line and f"+0 −{clean.lost}" in line for line in lines(found))
    assert f"{number} points" in to_html(found)
    assert f"+0 −{clean.lost}" in to_html(found)


@pytest.mark.parametrize(("ends", "reach"), [((0.012, -0.03), 0.03), ((0.0,), 0.0), ((-0.61,), 0.8), ((1e-7,), 1e-7), ((0.95,), 1.0)])
def test_an_axis_ends_at_a_round_number_beyond_everything(ends: tuple[float, ...], reach: float) -> None:
    assert span([Difference("c", "accuracy", "m", "n", difference=end) for end in ends]) == pytest.approx(reach)
