"""The import graph is the one that the design names: arrows point down, rooms of one floor do not know each other, no cycles."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "robustsuite"

FLOORS = (  # the lowest first; what stands in one line may not import each other
    ("errors", "records"),
    ("predictions",),
    ("roles", "patience", "process_wide", "subsets"),
    ("numerics",),
    (
        "corruptions",
        "sequences",
        "attacks",
        "diagnostics",
        "datasets",
        "models",
        "metrics",
        "sequence_metrics",
        "set_metrics",
        "detection_metrics",
        "shift_metrics",
        "agreement_metrics",
        "cue_metrics",
        "summaries",
        "recalibration",
        "conformal",
        "detectors",
    ),
    ("catalog", "label_spaces"),
    ("features", "explaining"),
    ("corrupting", "attacking", "detecting", "fitting", "decoding", "classifying", "loading", "streaming", "measuring"),
    ("suite_grammar", "stopping", "showing", "unreadable", "intact"),
    ("suite_files",),
    ("planning", "judging", "tabulating", "label_quality", "doubting", "store", "evaluation", "reporting", "trackers", "contact_sheet"),
    ("differing",),
    ("assembling", "housekeeping", "writing", "exporting", "notebook", "github_actions"),
    ("comparing", "resuming", "reusing"),
    ("merging", "leasing"),
    ("running", "rejudging"),
    ("api",),
    ("pytest_plugin", "cli", "__init__"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of `robustsuite.<room>...`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: expected absolute imports"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in deeper if is_module(name)} or {node.module}
    return {name for name in found if name.split(".")[0] == "robustsuite"}


def is_module(name: str) -> bool:
    path = PACKAGE.parent / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@pytest.mark.parametrize("module", FILES)
def test_imports_only_what_stands_below(module: str) -> None:
    own = room_of(module)
    assert own in FLOOR_OF, f"{own} has no floor; give it one in this test"
    for imported in imports_of(FILES[module]):
        other = room_of(imported)
        if other == own or module == "robustsuite":  # the package's own names are looked up lazily, from above
            continue
        assert FLOOR_OF[other] < FLOOR_OF[own], f"{module} imports {imported}, which does not stand below it"


def test_there_is_no_import_cycle() -> None:
    graph = {module: imports_of(path) - {module, "robustsuite"} for module, path in FILES.items() if module != "robustsuite"}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_only_the_plugin_imports_pytest() -> None:
    for module, path in FILES.items():
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        }
        assert not names & {"pytest", "_pytest"} or module == "robustsuite.pytest_plugin"


@pytest.mark.parametrize("room", ["utils", "util", "common", "helpers", "base", "misc", "manager", "handler"])
def test_no_room_lacks_a_name(room: str) -> None:
    assert not [module for module in FILES if room in module.split(".")]


@pytest.mark.parametrize(
    "statement",
    [
        "import robustsuite.pytest_plugin",
        "import robustsuite.suite_files; robustsuite.suite_files.load('quickstart')",
        "import robustsuite.assembling, robustsuite.writing",
        "import robustsuite.cli; robustsuite.cli.main(['list'])",
        "import robustsuite",
    ],
)
def test_works_without_torch(statement: str) -> None:
    program = f"{statement}\nimport sys\nassert not {{'torch', 'timm', 'torchvision'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_public_names_are_few_and_exist() -> None:
    import robustsuite

    assert len(robustsuite.__all__) <= 15
    for name in robustsuite.__all__:
        assert getattr(robustsuite, name).__doc__
