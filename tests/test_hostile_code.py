"""Nothing that the package reads is ever run: no module unpickles, evaluates or executes what it was given."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "robustsuite"
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "codeop", "pty", "ctypes", "xmlrpc"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnv", "yaml.load", "yaml.unsafe_load"),
    *(
        "yaml.full_load",
        "torch.load",
        "torch.hub.load",
        "np.load",
        "numpy.load",
        "runpy.run_path",
        "runpy.run_module",
        "tarfile.extractall",
    ),
}
METHODS = {"extractall", "extract", "unpack_archive", "exec_module"}
ALLOWED = {
    ("models/python_file.py", "exec_module"),  # the file that a user named as a model
    ("corruptions/_imagecorruptions.py", "exec_module"),  # an installed package, whose own import fails
}


def called(node: ast.Call) -> str:
    """The name of what is called, as in `torch.load`; of a method of no name as in `.extractall`."""
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    return ".".join(reversed([*parts, target.id if isinstance(target, ast.Name) else ""]))


@pytest.mark.parametrize("file", FILES)
def test_no_module_runs_what_it_reads(file: str) -> None:
    for node in ast.walk(ast.parse(FILES[file].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN_MODULES, f"{file}:{node.lineno}"
        if isinstance(node, ast.Call):
            name = called(node)
            method = name.rpartition(".")[2]
            assert name not in FORBIDDEN_CALLS, f"{file}:{node.lineno}: {name}"
            assert method not in METHODS or (file, method) in ALLOWED, f"{file}:{node.lineno}: {name}"
            if shell := [keyword for keyword in node.keywords if keyword.arg in ("shell", "allow_pickle")]:
                assert ast.literal_eval(shell[0].value) is False, f"{file}:{node.lineno}"


@pytest.mark.parametrize(
    ("text", "name"), [("torch.load(path)", "torch.load"), ("eval(text)", "eval"), ("a.b[0].extractall()", ".extractall")]
)
def test_the_scan_sees_a_call(text: str, name: str) -> None:
    (node,) = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert called(node) == name


def test_the_trust_is_stated() -> None:
    readme, security = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "SECURITY.md"))
    assert "**The file is run**" in readme
    assert "Name only files that you would\n  run yourself" in security
    assert "tests/test_hostile_code.py" in security
