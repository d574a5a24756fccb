"""Progress: one live line on a terminal, a plain line every ten seconds elsewhere, never wider than 80 columns."""

import pytest

from robustsuite.reporting import progress
from robustsuite.reporting.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def shown(live: bool, clock: Clock, seconds: list[float]) -> str:
    written: list[str] = []
    line = Progress(written.append, live)
    for step, passed in enumerate(seconds, start=1):
        clock.now += passed
        line.show("quickstart", 100 * step, 1000, 31, 2, finished=False)
    line.clear()
    return "".join(written)


def test_a_terminal_has_one_line_that_is_overwritten_and_taken_away(clock: Clock) -> None:
    text = shown(True, clock, [1, 1, 1])
    assert "\n" not in text
    assert text.count("\r") == 5
    assert text.endswith("\r")
    assert "quickstart: 300/1000 images, 31 conditions x 2 models, 100 images/s, 0:07 left" in text


def test_a_log_has_a_plain_line_every_ten_seconds(clock: Clock) -> None:
    lines = shown(False, clock, [4, 4, 4, 4, 4]).splitlines()
    assert [line.split()[1] for line in lines] == ["300/1000"]
    assert "\r" not in "".join(lines)


def test_a_terminal_is_not_written_to_more_than_ten_times_a_second(clock: Clock) -> None:
    assert shown(True, clock, [0.01] * 50).count("images/s") <= 6


def test_a_long_run_shows_hours_and_no_line_is_wider_than_80_columns(clock: Clock) -> None:
    written: list[str] = []
    line = Progress(written.append, live=False)
    clock.now += 3600
    line.show("a-suite-with-a-rather-long-name-indeed", 10_000, 50_000, 95, 20, finished=False)
    assert len(written[0].rstrip("\n")) < 80
    line.begun, line.shown = clock.now - 3600, 0
    line.show("s", 10_000, 50_000, 95, 1, finished=False)
    assert "4:00:00 left" in written[1]
