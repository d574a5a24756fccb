"""robustsuite: may this vision model ship? Corruptions, attacks, shifts and calibration, one pass, one verdict.

The names below are the public API; each is loaded on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustsuite.api import attack as attack
    from robustsuite.api import compare as compare
    from robustsuite.api import corrupt as corrupt
    from robustsuite.api import evaluate as evaluate
    from robustsuite.api import fit as fit
    from robustsuite.api import judge as judge
    from robustsuite.api import load_dataset as load_dataset
    from robustsuite.api import load_model as load_model
    from robustsuite.api import load_suite as load_suite
    from robustsuite.api import measure as measure
    from robustsuite.api import read_report as read_report
    from robustsuite.errors import EvaluationError as EvaluationError
    from robustsuite.errors import UsageError as UsageError

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(
        ("attack", "compare", "corrupt", "evaluate", "fit", "judge", "load_dataset", "load_model", "load_suite", "measure", "read_report"),
        "robustsuite.api",
    ),
    **dict.fromkeys(("EvaluationError", "UsageError"), "robustsuite.errors"),
}

__all__ = [
    "EvaluationError",
    "UsageError",
    "attack",
    "compare",
    "corrupt",
    "evaluate",
    "fit",
    "judge",
    "load_dataset",
    "load_model",
    "load_suite",
    "measure",
    "read_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'robustsuite' has no attribute {name!r}")
