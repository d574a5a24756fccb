"""The shipped suite `release-gate`: every family is in it, it stops early, lets sound models through and turns broken ones away."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import robustsuite
from robustsuite import suite_files
from robustsuite.records import Attacked, Corrupted, Dataset, Report

SUITE = suite_files.load("release-gate")
DIGITS = {"photos": "digits"}


class Blind(nn.Module):
    """Always the same answer, not a very sure one."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * torch.eye(10)[:1].expand(len(images), 10) + 0 * images.mean(dim=(1, 2, 3))[:, None]


def few(count: int = 150) -> Dataset:
    """Some of the digits, as a data set of its own."""
    digits = robustsuite.load_dataset("digits")
    return Dataset("few", digits.ids[:count], digits.labels[:count], digits.classes, digits.read, source="digits")


def statuses(report: Report) -> dict[str, str]:
    return {verdict.check: verdict.status for verdict in report.verdicts}


def shown(report: Report) -> float:
    """The share of images under conditions that were shown, as the report says it."""
    (share,) = (float(found[1]) for note in report.notes if (found := re.search(r"were shown \(([\d.]+)%\)", note)))
    return share / 100


def test_every_family_is_in_it_and_it_stops_when_decided() -> None:
    checks = {check.name: check for check in SUITE.checks}
    assert SUITE.decision.stop == "decided"
    assert any(isinstance(condition.perturbation, Corrupted) for condition in checks["corruptions"].conditions)
    assert isinstance(checks["attack"].conditions[0].perturbation, Attacked)
    assert checks["elsewhere"].metric == "accuracy_drop"
    assert SUITE.data["elsewhere"].optional
    assert checks["confidence"].recalibration == "temperature"
    assert all(check.gate and check.gate.relative_to is None for check in SUITE.checks)  # a relative one would wait for the last image


def test_every_threshold_has_a_reason_above_it() -> None:
    text = Path(SUITE.path).read_text()
    for check in SUITE.checks:
        assert re.search(rf'\n# [^\n]+\n\[\[check\]\]\nname = "{check.name}"', text), check.name


def test_a_model_that_sees_nothing_is_turned_away() -> None:
    report = robustsuite.evaluate(SUITE, {"blind": Blind()}, {"photos": few()}, workers=0)
    found = statuses(report)
    assert found["clean"] == found["corruptions"] == found["everyday"] == found["noise"] == "failed"
    assert found["elsewhere"] == "skipped"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["digits-standard", "digits-robust"])
def test_a_sound_model_gets_through_on_a_fraction_of_the_images(model: str) -> None:
    report = robustsuite.evaluate(SUITE, [model], DIGITS, workers=0)
    assert set(statuses(report).values()) == {"passed", "skipped"}
    assert shown(report) < 0.2


@pytest.mark.slow
def test_a_drop_elsewhere_is_seen_where_photos_from_elsewhere_are_given() -> None:
    digits = robustsuite.load_dataset("digits")
    turned = Dataset("turned", digits.ids, np.roll(digits.labels, 1), digits.classes, digits.read, source="labels that do not fit")
    report = robustsuite.evaluate(SUITE, ["digits-standard"], {"photos": few(600), "elsewhere": turned}, workers=0)
    assert statuses(report)["elsewhere"] == "failed"
