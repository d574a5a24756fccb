"""What the README, the guide for contributors and the site say is run: every block of code, in order, each page in a place of its own.

- A block that follows a line that ends in "`path`:" is a file, written there; "At the end of `path`:" adds to one.
- `sh` and `bash` blocks are run in a shell that stops at the first mistake, `python` blocks in one namespace for each page.
- `<!-- exits: 1 -->` above a block says that its last command ends so; `<!-- not run: reason -->` that it is not run, and why.
- A block without a language is output. Where it follows a block of commands, these must have printed every line of it.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import warm_commands
import yaml

import robustsuite
from robustsuite import catalog, suite_files

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"))
    if not {"reference", "_build"} & set(path.relative_to(ROOT).parts)
)
RUN, NOT_CODE = ("python", "sh", "bash"), ("text", "")
NOT_RUN = 4
"""Blocks that say that they are not run. One more needs a reason that convinces, and this number changed."""

FUNCTION = "import robustsuite\n\n\ndef function():\n    return robustsuite.load_model('digits-robust').classifier\n"


@dataclass(frozen=True)
class Block:
    """A block of a page; `told` is the nearest line of text above it, `marks` the comments between."""

    page: str
    line: int
    language: str
    text: str
    told: str
    marks: str

    @property
    def path(self) -> str:
        """The file that the block is, or nothing."""
        found = re.search(r"`([\w./-]+)`:$", self.told)
        return found[1] if found else ""

    def mark(self, name: str) -> str:
        """What a comment above the block says, or nothing."""
        found = re.search(rf"<!-- {name}: (.+?) -->", self.marks)
        return found[1] if found else ""


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = iter(enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), start=1))
    told, marks = "", ""
    for number, line in lines:
        if line.startswith(("```", ":::")) and line != ":::":
            inside = []
            for _, each in lines:
                if each == line[:3]:
                    break
                inside.append(each)
            yield Block(page, number, line[3:].strip(), "\n".join(inside) + "\n", told, marks)
            told, marks = "", ""
        elif line.startswith("<!--"):
            marks += line
        elif line:
            told, marks = line, ""


SLURM = """#!/bin/bash
# Stands for Slurm: jobs run at once, those of an array one after another.
set -euo pipefail
if [ "$1" != --parsable ]; then exec bash -c "${@: -1}"; fi
script=$2; shift 2
export SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_COUNT=$(sed -n 's/^#SBATCH --array=1-//p' "$script")
for task in $(seq "$SLURM_ARRAY_TASK_COUNT"); do SLURM_ARRAY_TASK_ID=$task bash "$script" "$@" >&2; done
echo 7
"""

BLOCKS = {page: list(blocks(page)) for page in PAGES}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_commands.installed(tmp_path_factory.mktemp("bin") / "warm") as folder:
        yield folder


@pytest.fixture
def place(tmp_path: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what pages take for granted: images in FOLDER, photo.jpg, a model in path/to/file.py, and the environment."""
    images = robustsuite.load_dataset("digits")
    for row in range(40):
        path = tmp_path / "FOLDER" / images.classes[int(images.labels[row])] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.read(row).save(path)
    images.read(0).resize((64, 48)).save(tmp_path / "photo.jpg")
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "file.py").write_text(FUNCTION)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(commands)
    slurm = tmp_path / "slurm" / "sbatch"
    slurm.parent.mkdir()
    slurm.write_text(SLURM)
    slurm.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, (commands, slurm.parent, Path(sys.executable).parent, os.environ["PATH"]))))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def copy_of_the_project(folder: Path) -> None:
    """For pages that add a file to the project: they add it to a copy."""
    for name in ("robustsuite", "tests", "suites"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def run(block: Block, folder: Path) -> str:
    """What a block of commands prints. Asserts that it ends as the page says."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    result = subprocess.run(shell, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == int(block.mark("exits") or 0), f"{block.page}:{block.line}\n{block.text}\n{result.stdout}"
    assert "Traceback" not in result.stdout, result.stdout
    return result.stdout


def write(block: Block) -> None:
    """The file that a block is, or its addition to one."""
    path = Path(block.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() + "\n\n" if "At the end of" in block.told else ""
    path.write_text(before + block.text)


def squeezed(text: str) -> list[str]:
    """Lines without the white space that only aligns them, and without what differs from run to run."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(("report:", "…"))]


DAILY = ("README.md", "docs/tour.md", "docs/exit-codes.md")
"""Pages whose code is run every time; that of the others takes minutes."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page in DAILY else pytest.mark.slow)
        for page in PAGES
        if any(block.language in RUN for block in BLOCKS[page])
    ],
)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(page: str, place: Path) -> None:
    if page == "CONTRIBUTING.md" or page.startswith("docs/adding/"):
        copy_of_the_project(place)
    names: dict[str, object] = {"__name__": "page"}
    printed: list[str] | None = None
    for block in BLOCKS[page]:
        if block.path and not block.language.startswith("{"):
            write(block)
        elif block.mark("not run") or (block.mark("needs") and find_spec(block.mark("needs")) is None):
            printed = None
        elif block.language == "python":
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names)
        elif block.language in RUN:
            printed = squeezed(run(block, place))
        elif not block.language and not block.told and printed is not None:
            missing = [line for line in squeezed(block.text) if line not in " ".join(printed)]  # which may be broken elsewhere
            assert not missing, f"{page}:{block.line} says what was not printed: {missing}\n" + "\n".join(printed)


@pytest.mark.parametrize("page", PAGES)
def test_data_on_a_page_can_be_read(page: str) -> None:
    for block in BLOCKS[page]:
        match block.language:
            case "toml" if "schema = 1" in block.text:
                if not block.mark("not a suite"):
                    suite_files.parse(block.text, Path(block.path or "example.toml"))
            case "toml":
                tomllib.loads(block.text)
            case "ini":
                configparser.ConfigParser().read_string(block.text)
            case "yaml":
                yaml.safe_load(block.text)
            case "json":
                json.loads(block.text)
            case other:
                assert other in (*RUN, *NOT_CODE) or other.startswith("{"), (
                    f"{page}:{block.line}: nobody knows how to try a block of {other!r}"
                )


def test_what_is_not_run_says_why_and_is_counted() -> None:
    reasons = [block.mark("not run") for page in PAGES for block in BLOCKS[page] if "not run" in block.marks]
    assert all(len(reason.split()) > 3 for reason in reasons), reasons
    assert len(reasons) == NOT_RUN, reasons


def test_every_option_that_a_page_names_exists() -> None:
    plugin = (ROOT / "robustsuite" / "pytest_plugin.py").read_text()
    known = set(re.findall(r'"--rs-([\w-]+)"', plugin)) | set(re.findall(r'^    "([\w-]+)": \(', plugin, flags=re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"--rs-([a-z][\w-]*)", (ROOT / page).read_text(encoding="utf-8")))
        assert named <= known, f"{page}: {named - known}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8")):
            if "://" not in target and "reference/" not in target:  # the reference is written when the site is
                assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


# ------------------------------------------------------------------------------------------------------ the reference


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        return import_module("make_reference")
    finally:
        sys.path.remove(str(DOCS))


@pytest.mark.parametrize("room", catalog.ROOMS)
def test_everything_in_the_catalog_is_in_the_reference_with_its_source(room: str, reference: ModuleType) -> None:
    page = reference.room_page(room)
    for name in catalog.names(room):
        assert f"\n## `{name}`\n" in page
        assert reference.source(room, name), f'{room}/{name}.py names no source: the paper with its year, or "Ours."'
        assert catalog.describe(room, name).split(" ")[0].strip("`") in page


def test_every_public_name_is_in_the_reference_with_its_contract(reference: ModuleType) -> None:
    page = reference.python_page()
    for name in robustsuite.__all__:
        assert f"## `{name}`" in page
        assert (robustsuite.__getattr__(name).__doc__ or "").split("\n")[0] in page


def test_every_key_of_a_suite_file_is_in_the_reference(reference: ModuleType) -> None:
    page = reference.suite_file_page()
    for key in ("schema", "calibration", "no_worse_than_baseline", "epsilon", "stop", "central_fraction"):
        assert f"| `{key}` |" in page


def test_the_site_builds_without_a_warning_and_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 70
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe)[^>]+src=\"(https?:[^\"]+)|<link[^>]+href=\"(https?:[^\"]+)", text)
        assert not fetched, page
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import [\"']?https?:", style.read_text(encoding="utf-8")), style
