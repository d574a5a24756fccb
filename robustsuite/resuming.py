"""Whether a stored run is the one that is to be taken up again: nothing that its numbers depend on may have changed."""

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from robustsuite.errors import UsageError
from robustsuite.store import descriptions

FREE = ("started", "seconds", "images decoded", "batch size", "baseline", "suite file")
"""Facts that may differ, or that are compared by what is in them."""
MEASURED = ("images of ", "corrupted images of ")
"""Beginnings of facts that a run finds out on its way."""


def earlier(folder: Path, part: str, now: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a part of a run found out about itself before it was killed; `None` where there is no such part.

    Raises `UsageError` with the first difference between what it said it would do, and what is to be done `now`.
    """
    parts = descriptions(folder)
    before = parts.get(part)
    if before is None:
        known = [sorted(other["selected"]) for other in parts.values()]
        if sorted(now["selected"]) in known:  # another worker's: this one begins anew
            return None
        raise UsageError(
            f"--rs-resume {folder}: expected a run of {', '.join(now['selected'])} together, got one of {', '.join(known[0])}; "
            "name the same models"
        )
    for name, (was, wanted) in differences(before, now).items():
        if was != wanted:
            raise UsageError(
                f"--rs-resume {folder}: expected the run that is to be taken up again, but its {name} was {short(was)}, and here it is "
                f"{short(wanted)}; run the suite anew"
            )
    finished = before["finished"] and not before["broken"]
    return {"notes": before["notes"], "provenance": before["provenance"], "finished": finished}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two descriptions say of everything that a run's numbers depend on, by what it is called."""
    texts = (text["suite"]["text"].splitlines() for text in (before, now))
    found = {
        "suite file": next((lines for lines in zip_longest(*texts) if lines[0] != lines[1]), (None, None)),
        **{name: (before[name], now[name]) for name in ("decision", "selected", "conditions")},
        "shard": tuple(tuple(told.get("shard", (1, 1))) for told in (before, now)),
    }
    facts, wanted = before["provenance"], now["provenance"]
    for name in dict.fromkeys([*wanted, *facts]):
        if name not in FREE and not name.startswith(MEASURED):
            found[name] = facts.get(name), wanted.get(name)
    for name in dict.fromkeys([*now["protocol"], *before.get("protocol", {})]):
        found[name] = before.get("protocol", {}).get(name), now["protocol"].get(name)
    return found


def short(value: Any) -> str:
    """The value in at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
