"""How far a run has come: one live line on a terminal, a plain line every ten seconds elsewhere."""

import time
from collections.abc import Callable

PLAIN_EVERY = 10.0  # seconds
LIVE_EVERY = 0.1


class Progress:
    """Shows images done, images per second and the time left.

    Args:
        write: writes text to the terminal or log.
        live: whether a line can be overwritten.
        flush: brings written text to the screen.
    """

    def __init__(self, write: Callable[[str], object], live: bool, flush: Callable[[], object] = lambda: None):
        self.write, self.live, self.flush = write, live, flush
        self.begun = self.shown = time.monotonic()
        self.width = 0

    def show(self, suite: str, done: int, expected: int, conditions: int, models: int, finished: bool) -> None:
        """Say so, if it is time to."""
        now = time.monotonic()
        if now - self.shown < (LIVE_EVERY if self.live else PLAIN_EVERY) or finished:
            return
        self.shown = now
        rate = done / max(now - self.begun, 1e-9)
        left = (expected - done) / rate if done else 0
        shown = f"{conditions} conditions" + (f" x {models} models" if models > 1 else "")
        line = f"{suite}: {done}/{expected} images, {shown}, {rate:.0f} images/s, {_clock(left)} left"[:79]
        if self.live:
            self.write("\r" + line.ljust(self.width))
            self.width = len(line)
        else:
            self.write(line + "\n")
        self.flush()

    def clear(self) -> None:
        """Take the live line away."""
        if self.live and self.width:
            self.write("\r" + " " * self.width + "\r")
            self.flush()
            self.width = 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
