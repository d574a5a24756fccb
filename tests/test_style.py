"""The house's style, held by machines: ruff and pyright find nothing to say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str) -> None:
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_finds_nothing() -> None:
    pytest.importorskip("ruff")
    run("ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    pytest.importorskip("ruff")
    run("ruff", "format", "--check", ".")


def test_pyright_finds_nothing() -> None:
    pytest.importorskip("pyright")
    if not shutil.which("node") or subprocess.run([sys.executable, "-m", "pyright", "--version"], capture_output=True).returncode:
        pytest.skip("pyright needs node, and its own package, which it fetches on first use")
    run("pyright", "--pythonpath", sys.executable)


def test_no_file_names_a_package_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".css", ".jinja", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            assert not [host for host in ("pypi." + "org", "pythonhosted." + "org", "download.pytorch." + "org") if host in text], name
