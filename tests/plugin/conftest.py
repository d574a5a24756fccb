"""Tests of the plugin run pytest within pytest, which forgets every module imported inside: all must be here before."""

from importlib import import_module
from pathlib import Path

import pytest
import sklearn.datasets  # noqa: F401

PACKAGE = Path(__file__).parents[2] / "robustsuite"
for path in sorted(PACKAGE.rglob("*.py")):
    import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"))


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures of toys are no news for the job that runs these tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
