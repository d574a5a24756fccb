"""What an earlier run has found out is not shown again, and only where nothing that it depends on has changed."""

import json
from pathlib import Path

import pytest
from toy import TOY_SUITE, Toy

import robustsuite
from robustsuite import UsageError, store
from robustsuite.records import Report

FITTED = """
schema = 1
title = "fitted"
[data.images]
dataset = "image_folder"
calibration = 0.3
[[check]]
name = "clean"
metric = "expected_calibration_error"
recalibration = "temperature"
[[check]]
name = "corrupted"
corruptions = ["fog", "contrast"]
severities = [1]
"""
COUNTED = """

class Counted(Colour):
    def forward(self, images):
        from pathlib import Path
        path = Path(__file__).parent / "shown"
        path.write_text(str(int(path.read_text()) + len(images)) if path.exists() else str(len(images)))
        return super().forward(images)

def counted(): return Counted().eval()
def lighter(): return Counted(5.0).eval()
"""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    made = Toy(tmp_path, per_class=12)
    file = tmp_path / "models.py"
    file.write_text(file.read_text() + COUNTED)
    return made


def run(toy: Toy, text: str = TOY_SUITE, model: str = "counted", reuse: Path | None = None, **settings: object) -> tuple[Report, int]:
    """The report, and how many images the model was shown."""
    suite, counter = toy.write_suite("reused", text), toy.folder / "shown"
    counter.unlink(missing_ok=True)
    given = {"device": "cpu", "workers": 0, "reports": toy.folder / "reports", **settings}
    report = robustsuite.evaluate(str(suite), [f"m={toy.folder / 'models.py'}:{model}"], {"images": toy.images}, reuse=reuse, **given)
    return report, int(counter.read_text()) if counter.exists() else 0


@pytest.mark.parametrize("text", [TOY_SUITE, FITTED], ids=["plain", "with a recalibration"])
def test_a_second_run_shows_nothing_and_says_the_same(toy: Toy, text: str) -> None:
    first, shown = run(toy, text)
    second, again = run(toy, text, reuse=toy.folder / "reports")
    assert shown > 0
    assert again == 0
    assert second.verdicts == first.verdicts
    assert second.results == first.results
    assert second.calibrations == first.calibrations
    assert [one.picture for one in second.examples] == [one.picture for one in first.examples]
    assert any("were not shown again: their numbers are from reused-m-" in note for note in second.notes)


def test_another_threshold_shows_nothing(toy: Toy) -> None:
    run(toy)
    report, shown = run(toy, TOY_SUITE.replace("at_least = 0.9", "at_least = 0.95"), reuse=toy.folder / "reports")
    assert shown == 0
    assert all(verdict.gate == "≥ 0.95" for verdict in report.verdicts)


def test_a_further_condition_is_the_only_one_shown(toy: Toy) -> None:
    _, whole = run(toy, TOY_SUITE.replace("[1, 3]", "[1]"))
    before = run(toy, TOY_SUITE.replace("[1, 3]", "[1]"), reuse=toy.folder / "reports")[1]
    _, shown = run(toy, reuse=toy.folder / "reports")
    assert before == 0
    assert 0 < shown <= 24 + 8 < whole  # one condition, filled up to a multiple of four


def test_a_further_condition_beside_a_recalibration_shows_the_calibration_images_too(toy: Toy) -> None:
    run(toy, FITTED)
    more = FITTED.replace('["fog", "contrast"]', '["fog", "contrast", "brightness"]')
    ours, _ = run(toy, more, reuse=toy.folder / "reports")
    theirs, _ = run(toy, more)
    assert (ours.verdicts, ours.results, ours.calibrations) == (theirs.verdicts, theirs.results, theirs.calibrations)


@pytest.mark.parametrize("change", ["weights", "code", "seed", "images", "precision"])
def test_whatever_a_number_depends_on_is_looked_at(toy: Toy, change: str) -> None:
    run(toy)
    settings: dict[str, object] = {}
    match change:
        case "weights":
            settings["model"] = "lighter"
        case "code":
            file = toy.folder / "models.py"
            file.write_text(file.read_text() + "\n# changed\n")
        case "seed":
            settings["seed"] = 1
        case "images":
            next(toy.images.rglob("*.png")).unlink()
        case "precision":
            settings["amp"] = "bf16"
    assert run(toy, reuse=toy.folder / "reports", **settings)[1] > 0


def test_what_was_cut_short_or_stopped_early_is_shown_again(toy: Toy) -> None:
    run(toy, batch_size=2)
    (folder,) = (toy.folder / "reports").iterdir()
    sorted(folder.glob("blocks-*/*.safetensors"))[-1].unlink()
    assert run(toy, reuse=folder)[1] > 0


def test_logits_that_were_not_kept_are_asked_for_again(toy: Toy) -> None:
    run(toy)
    assert run(toy, reuse=toy.folder / "reports", keep="logits")[1] > 0
    assert run(toy, reuse=toy.folder / "reports", keep="logits")[1] == 0
    assert run(toy, reuse=toy.folder / "reports")[1] == 0


def test_a_run_that_reused_is_taken_up_again(toy: Toy) -> None:
    first, _ = run(toy)
    run(toy, reuse=toy.folder / "reports")
    folder = max((toy.folder / "reports").iterdir())
    (file,) = folder.glob("run-*.json")
    file.write_bytes(store.described({**json.loads(file.read_text()), "finished": False}))
    again, shown = run(toy, reports=None, resume=folder)
    assert shown == 0
    assert (again.verdicts, again.results) == (first.verdicts, first.results)


def test_a_folder_without_runs_is_told(toy: Toy) -> None:
    with pytest.raises(UsageError, match="expected a run, or a folder of runs, in"):
        run(toy, reuse=toy.images)
