"""Shards of a run, made apart and put together, are the run that one process makes."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from test_resuming import CLEAR, PLAIN, UNDECIDED, killed, run
from test_stopping import Blind
from test_uncertainty_in_a_suite import SUITE as UNCERTAIN
from test_uncertainty_in_a_suite import Linear
from torch import nn
from toy import Toy

import robustsuite
from robustsuite import UsageError
from robustsuite.assembling import assemble, outcomes_of
from robustsuite.merging import merge
from robustsuite.records import Report

SHARDS = 3


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path, per_class=16)


def shards(toy: Toy, text: str, model: nn.Module, count: int = SHARDS, **settings: object) -> list[Path]:
    for number in range(1, count + 1):
        run(toy, text, model, f"shard-{number}", shard=(number, count), **settings)
    return [folder for number in range(1, count + 1) for folder in (toy.folder / f"shard-{number}").iterdir()]


def merged(toy: Toy, folders: list[Path]) -> Report:
    merge(folders, toy.folder / "merged")
    return assemble(toy.folder / "merged")


def told(report: Report) -> Report:
    facts = ("started", "seconds", "shards", "images decoded")
    report = Report(**{field.name: getattr(report, field.name) for field in fields(report)})
    return replace(report, provenance={name: fact for name, fact in report.provenance.items() if name not in facts})


@pytest.mark.parametrize(
    ("text", "model", "settings"),
    [(PLAIN, Linear(), {}), (PLAIN, Linear(), {"shuffle": True})],
    ids=["stored order", "shuffled"],
)
def test_merged_shards_are_the_whole_run_byte_for_byte(toy: Toy, text: str, model: nn.Module, settings: dict[str, object]) -> None:
    whole = run(toy, text, model, "whole", batch_size=2, **settings)
    report = merged(toy, shards(toy, text, model, batch_size=2, **settings)[::-1])
    assert told(report) == told(whole)
    (folder,) = (toy.folder / "whole").iterdir()
    ours, theirs = (sorted(one.glob("blocks-*/*.safetensors")) for one in (toy.folder / "merged", folder))
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]


def test_detectors_and_sets_are_merged_too(toy: Toy, tmp_path: Path) -> None:
    data = {"images": toy.images, "strange": Toy(tmp_path / "strange", per_class=6).images}
    suite = str(toy.write_suite("uncertain", UNCERTAIN))

    def made(folder: str, shard: tuple[int, int]) -> Report:
        model = {"m": Linear()}
        return robustsuite.evaluate(suite, model, data, device="cpu", batch_size=2, reports=toy.folder / folder, shard=shard)

    whole = made("whole", (1, 1))
    for number in (1, 2):
        made("shards", (number, 2))
    assert told(merged(toy, sorted((toy.folder / "shards").iterdir()))) == told(whole)


def test_a_shard_alone_has_no_verdict_and_says_so(toy: Toy) -> None:
    report = run(toy, PLAIN, Linear(), "one", shard=(1, 2))
    assert {verdict.status for verdict in report.verdicts} == {"skipped"}
    assert all("shard 1 of 2" in verdict.reason and not verdict.required for verdict in report.verdicts)
    assert report.provenance["shard"] == "1 of 2"


def test_the_images_of_all_shards_come_in_one_random_order_each_once(toy: Toy) -> None:
    merged(toy, shards(toy, UNDECIDED, Blind(), batch_size=2))
    for condition, outcome in outcomes_of(toy.folder / "merged")["m"].items():
        if condition.perturbation is None:
            assert outcome.arrival is not None
            assert np.array_equal(np.sort(outcome.arrival), np.arange(len(outcome.rows)))
            assert not np.array_equal(outcome.arrival, np.arange(len(outcome.rows)))
    pairs = np.concatenate([one.arrival for condition, one in outcomes_of(toy.folder / "merged")["m"].items() if condition.perturbation])
    assert len(pairs) == len(np.unique(pairs))


def test_what_a_shard_has_decided_stands_and_what_none_has_is_exact(toy: Toy) -> None:
    clear = merged(toy, shards(toy, CLEAR, Blind(), count=2, batch_size=2))
    assert {verdict.status for verdict in clear.verdicts} == {"passed"}
    whole = run(toy, UNDECIDED, Blind(), "whole")
    for number in (1, 2):
        run(toy, UNDECIDED, Blind(), "undecided", shard=(number, 2), batch_size=2)
    merge([*(toy.folder / "undecided").iterdir()], toy.folder / "exact")
    exact = assemble(toy.folder / "exact")
    assert [one.status for one in exact.verdicts] == [one.status for one in whole.verdicts]
    assert all(one.measurement.low == one.measurement.value == one.measurement.high for one in exact.verdicts)


def test_early_verdicts_of_shards_share_alpha(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = set()
    from robustsuite import judging

    early = judging.early
    monkeypatch.setattr(judging, "early", lambda *given: spent.add(given[3].alpha) or early(*given))
    run(toy, CLEAR, Blind(), "one", shard=(1, 4), batch_size=2)
    assert spent == {0.05 / 4}


def test_a_model_that_breaks_is_an_error_of_its_shard_and_of_the_whole(toy: Toy) -> None:
    class Broken(nn.Module):
        def forward(self, images: object) -> object:
            raise ValueError("no")

    folders = shards(toy, PLAIN, Broken(), count=2)
    assert {verdict.status for verdict in assemble(folders[0]).verdicts} == {"error"}
    assert {verdict.status for verdict in merged(toy, folders).verdicts} == {"error"}


def test_what_cannot_be_merged_is_told(toy: Toy) -> None:
    folders = shards(toy, PLAIN, Linear())
    run(toy, PLAIN, Linear(), "whole")
    (whole,) = (toy.folder / "whole").iterdir()
    run(toy, PLAIN, Linear(), "other", shard=(3, 3), seed=1)
    (other,) = (toy.folder / "other").iterdir()
    unfinished = killed(toy, PLAIN, Linear(), 4, shard=(2, 3))
    for given, sentence in {
        (folders[0], folders[2]): "expected all 3 shards, got none of number 2",
        (folders[0], folders[0], folders[1]): "expected every shard once, got shard 1 of 3",
        (whole,): "got a whole run; merge runs made with --rs-shard",
        (folders[0], folders[1], other): "expected shards of one run, but in .* seed",
        (folders[0], unfinished, folders[2]): "expected shard 2 of 3 .* to be finished",
        (toy.folder,): "expected a run's folder",
    }.items():
        with pytest.raises(UsageError, match=sentence):
            merge(given, toy.folder / "never")
    assert not (toy.folder / "never").exists()


def test_a_killed_shard_is_taken_up_as_that_shard_only(toy: Toy) -> None:
    folders = shards(toy, PLAIN, Linear(), count=2, batch_size=4)
    left = killed(toy, PLAIN, Linear(), 12, shard=(2, 2))
    suite = str(toy.write_suite("resumed", PLAIN))

    def again(shard: tuple[int, int]) -> Report:
        return robustsuite.evaluate(suite, {"m": Linear()}, {"images": toy.images}, device="cpu", resume=left, batch_size=4, shard=shard)

    with pytest.raises(UsageError, match="its shard was"):
        again((1, 2))
    again((2, 2))
    ours, theirs = (sorted(one.glob("blocks-*/*.safetensors")) for one in (left, folders[1]))
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]


def test_the_report_of_merged_shards_says_so(toy: Toy) -> None:
    report = merged(toy, shards(toy, PLAIN, Linear()))
    assert report.provenance["shards"] == "3, merged"
    assert "shard" not in report.provenance
    description = json.loads(next((toy.folder / "merged").glob("run-*.json")).read_text())
    assert "shard" not in description
