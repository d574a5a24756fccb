"""A call that must come back in time: one that hangs is interrupted, so that everything else goes on."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from robustsuite.errors import EvaluationError, UsageError


class Late(EvaluationError):
    """The call did not come back in time."""


class _Alarm(BaseException):
    """Raised in the midst of the call; what is called catches an `Exception` at most."""


@contextmanager
def patience(seconds: float | None, sentence: str) -> Iterator[None]:
    """Interrupt what is in the context after so many seconds; never where they are `None`.

    By a signal, which Python hears between two of its steps and while it sleeps or waits: foreign code that never comes back to Python is
    not interrupted. An alarm that was set before, such as that of pytest-timeout, is set again with what is left of its time.

    Raises:
        Late: with the sentence.
        UsageError: not in the main thread, or on a system without such signals.
    """
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        raise UsageError("expected a time limit only in the main thread of a POSIX system, got another; leave --rs-timeout out")
    begun, before = time.monotonic(), signal.signal(signal.SIGALRM, _ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Alarm:
        raise Late(sentence) from None
    finally:
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-6), interval)


def _ring(number: int, frame: FrameType | None) -> None:
    raise _Alarm
