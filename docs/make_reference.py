"""Makes docs/reference/ from docstrings and the catalog, without importing what they describe. `docs/conf.py` calls it before every build.

python docs/make_reference.py
"""

import ast
import re
import shutil
from functools import cache
from inspect import cleandoc
from pathlib import Path

import robustsuite
from robustsuite import catalog, suite_files, suite_grammar

HERE = Path(__file__).parent
PACKAGE = Path(robustsuite.__file__).parent
SECTIONS = {"Args", "Returns", "Raises", "Yields"}

BEGINNINGS = {  # of the rooms that a name does not explain; what a file of the room must hold stands in the role
    "corruptions": "Named by `corruptions = [...]` in a check. [All of them in pictures](../corruptions.md).",
    "sequences": "Named by `sequences = [...]` in a check, beside a [sequence metric](sequence_metrics.md).",
    "attacks": "Named by `attack = ...` in a check, beside `norm` and `epsilon`; `options` are those below.",
    "diagnostics": "Named by `diagnostic = ...` in a check, with `column` where there are several numbers.",
    "datasets": "Named by `dataset = ...` in a `[data.NAME]` table. [Their layouts, licences and protocols](../datasets.md).",
    "models": "The forms of `--model`. A file's name is no part of the reference.",
    "metrics": "Named by `metric = ...` in a check.",
    "sequence_metrics": "Named by `metric = ...` in a check with `sequences`.",
    "set_metrics": "Named by `metric = ...` in a check with `conformal`.",
    "detection_metrics": "Named by `metric = ...` in a check with `detector`.",
    "shift_metrics": "Named by `metric = ...` in a check with `control`.",
    "agreement_metrics": "Named by `metric = ...`; they compare a model with another run of the same images.",
    "cue_metrics": "Named by `metric = ...` in a check on images with two cues.",
    "summaries": "Named by `summary = ...`: how the numbers of several conditions become one.",
    "recalibration": "Named by `recalibration = ...` in a check; fitted on images that are set aside and never judged.",
    "conformal": "Named by `conformal = ...` in a check, with `error`, the chance that a label is missed.",
    "detectors": "Named by `detector = ...` in a check, with `unfamiliar`, the data of other classes.",
}


def write(folder: Path) -> None:
    """Write every page of the reference into a folder of its own, and nothing else; a page that has not changed is left alone."""
    pages = {f"{name}.md": text for name, text in all_pages().items()}
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if old.name not in pages:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, text in pages.items():
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def all_pages() -> dict[str, str]:
    """The pages by name."""
    rooms = {room: room_page(room) for room in catalog.ROOMS}
    return {"index": index_page(), "python": python_page(), "suite-file": suite_file_page(), "suites": suites_page(), **rooms}


def index_page() -> str:
    """The first page: what there is, counted."""
    rows = "".join(f"| [{title(room)}]({room}.md) | {len(catalog.names(room))} | {BEGINNINGS.get(room, '')} |\n" for room in catalog.ROOMS)
    listed = "\n".join(["python", "suite-file", "suites", *catalog.ROOMS])
    return (
        "# Reference\n\nWritten from the files that it describes. `robustsuite list` and `robustsuite show NAME` say the same.\n\n"
        "- [In Python](python.md): every public name.\n- [The suite file](suite-file.md): every key.\n"
        f"- [Shipped suites](suites.md): all {len(shipped())}.\n\n"
        f"| | how many | |\n|---|--:|---|\n{rows}\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    )


def title(room: str) -> str:
    """A room's name as a heading: `Data sets`."""
    return {"datasets": "Data sets", "models": "Forms of model reference", "conformal": "Conformal predictors"}.get(
        room, room.replace("_", " ").capitalize()
    )


# ------------------------------------------------------------------------------------------------------------ the catalog


def room_page(room: str) -> str:
    """Everything that a room holds."""
    entries = "\n".join(entry(room, name) for name in catalog.names(room))
    adapters = "".join(
        f"\n`{package}:NAME` runs that package's own {title(room).lower()}: {', '.join(catalog.constant(room, f'_{package}', 'NAMES'))}.\n"
        for package in catalog.ADAPTERS.get(room, ())
    )
    pages = "\n```{toctree}\n:hidden:\n:glob:\n\n../datasets/*\n```\n" if room == "datasets" else ""
    return f"# {title(room)}\n\n{BEGINNINGS.get(room, '')}\n{adapters}\n{entries}{pages}"


def entry(room: str, name: str) -> str:
    """One thing: what its file says, where it comes from, and its options."""
    about, told = without_source(module_docstring(room, name)), options(room, name)
    form = f"\nReference: `{catalog.constant('models', name, 'FORM')}`\n" if room == "models" else ""
    links = f"\n[Layout, licence and protocol](../datasets/{name}.md)\n" if room == "datasets" and has_page(name) else ""
    listed = f"\nOptions: {', '.join(f'`{key} = {literal(value)}`' for key, value in told.items())}\n" if told else ""
    return f"## `{name}`\n\n{as_markdown(about)}\n{form}{links}{listed}\n**Source:** {with_links(source(room, name) or 'none stated')}\n"


def source(room: str, name: str) -> str:
    """Where the thing comes from: the sentences of its file that name a paper, or say that it is ours; nothing where none does.

    Of data sets that are the user's own, where to get them; of a model reference, the reference.
    """
    texts = (module_docstring(room, name), function_docstring(room, name))
    named = next((found for text in texts if (found := " ".join(map(citation, filter(tells_source, sentences(text)))))), "")
    if room == "datasets":
        return named or catalog.constant(room, name, "WHERE", "")
    return named or ("the reference itself" if room == "models" else "")


def tells_source(sentence: str) -> bool:
    """Whether a sentence names a year of publication, an arXiv number, a DOI, or nobody but us."""
    return bool(re.search(r"\b(19|20)\d\d\b|arXiv:|doi:|\bOurs\b|Source:", sentence))


def citation(sentence: str) -> str:
    """The citation in brackets, where it stands at the end of a sentence on something else; else the sentence."""
    inside = [one for one in re.findall(r"\(([^()]*\b(?:19|20)\d\d\b[^()]*)\)", sentence) if re.search(r"[A-Za-z]{3}", one)]
    return f"{'; '.join(inside)}." if inside else sentence.removeprefix("Source: ")


def without_source(text: str) -> str:
    """A docstring without the sentences that are nothing but its source; the first one stays in any case."""
    for one in sentences(text)[1:]:
        if tells_source(one) and citation(one) == one.removeprefix("Source: "):
            text = re.sub(r"\s+".join(map(re.escape, one.split())), "", text)
    return text.strip()


def sentences(text: str) -> list[str]:
    """A docstring's sentences, each on one line. A full stop after a capital letter is an initial's."""
    flat = " ".join(text.split())
    return [one for one in re.split(r"(?<=[a-z0-9)\"”`][.])\s+(?=[A-Z`]|doi:|arXiv:)", flat) if one]


def module_docstring(room: str, name: str) -> str:
    """The docstring of a file of the catalog, read without importing it."""
    return ast.get_docstring(tree(PACKAGE / room / f"{name}.py")) or ""


def function_docstring(room: str, name: str) -> str:
    """The docstring of the function that the file is named after; nothing where it holds others."""
    for node in tree(PACKAGE / room / f"{name}.py").body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return ""


def options(room: str, name: str) -> dict[str, object]:
    """The options that a suite may set, with their defaults."""
    if room in ("models", "datasets", "corruptions", "sequences", "summaries", "recalibration"):
        return {}
    return catalog.options(room, name)


def literal(value: object) -> str:
    """A default as TOML has it."""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def has_page(dataset: str) -> bool:
    """Whether `make_datasets.py` has written the data set's page."""
    return (HERE / "datasets" / f"{dataset}.md").is_file()


# ---------------------------------------------------------------------------------------------------------------- Python


def python_page() -> str:
    """Every public name with its signature and contract."""
    parts = [public_entry(name) for name in sorted(robustsuite.__all__, key=lambda name: (name[0].isupper(), name))]
    head = (
        "# In Python\n\nThe same line that `pytest --suite` runs, in whole (`evaluate`) or in parts. Nothing else is promised to stay.\n\n"
    )
    return head + "\n".join(parts)


def public_entry(name: str) -> str:
    """One public name."""
    node = definition(name)
    signature = ""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        signature = f"```text\n{name}({broken(arguments(node))}){returns}\n```\n\n"
    return f"## `{name}`\n\n{signature}{as_markdown(ast.get_docstring(node) or '')}\n"


def definition(name: str) -> ast.FunctionDef | ast.ClassDef:
    """Where a public name is defined, found by the module that the package loads it from."""
    home = robustsuite._HOMES[name]
    for node in tree(PACKAGE.parent / f"{home.replace('.', '/')}.py").body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{home} defines no {name}")


def arguments(node: ast.FunctionDef) -> list[str]:
    """A function's arguments, each as it is written."""
    plain, defaults = node.args.args, node.args.defaults
    given = [None] * (len(plain) - len(defaults)) + [*defaults]
    told = [written(argument, default) for argument, default in zip(plain, given, strict=True)]
    if node.args.kwonlyargs:
        told += ["*", *(written(*pair) for pair in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True))]
    return told + ([f"**{written(node.args.kwarg, None)}"] if node.args.kwarg else [])


def written(argument: ast.arg, default: ast.expr | None) -> str:
    """An argument with its type and default."""
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    return argument.arg + kind + (f" = {ast.unparse(default)}" if default else "")


def broken(arguments: list[str]) -> str:
    """Arguments on one line where they are short, else one on each."""
    together = ", ".join(arguments)
    return together if len(together) < 60 else "\n    " + ",\n    ".join(arguments) + ",\n"


# ------------------------------------------------------------------------------------------------------------------ suites


def suite_file_page() -> str:
    """Every key of a suite file, from the grammar that reads it."""
    tables = {
        "At the top": ("SuiteFile", suite_grammar.SuiteFile),
        "`[data.NAME]`": ("DataTable", suite_grammar.DataTable),
        "`[[check]]`": ("CheckTable", suite_grammar.CheckTable),
        "`[decision]`": ("DecisionTable", suite_grammar.DecisionTable),
        "`preprocessing = { ... }`": ("PreprocessingTable", suite_grammar.PreprocessingTable),
    }
    schema = suite_grammar.json_schema()
    parts = []
    for heading, (name, table) in tables.items():
        properties = schema["properties"] if name == "SuiteFile" else schema["$defs"][name]["properties"]
        rows = "".join(f"| `{key}` | {kind(value)} | {default(value)} |\n" for key, value in properties.items())
        about = "" if name == "SuiteFile" else f"{as_markdown(cleandoc(table.__doc__ or ''))}\n\n"
        parts.append(f"## {heading}\n\n{about}| key | what it may hold | default |\n|---|---|---|\n{rows}")
    head = (
        "# The suite file\n\nTOML. Every mistake is told at once, with file, line and key; `robustsuite schema` prints the JSON Schema "
        "for your editor. [Choosing a suite](../choosing-a-suite.md) and [adding one](../adding/suite.md) explain them.\n\n"
    )
    return head + "\n".join(parts)


def kind(schema: dict) -> str:
    """What a key may hold, in words."""
    if "enum" in schema:
        return "a name of the catalog" if len(schema["enum"]) > 6 else " or ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "$ref" in schema:
        return "a table"
    one = schema.get("type")
    limits = [f"{word} {schema[key]:g}" for key, word in LIMITS.items() if key in schema]
    if one == "array":
        return f"a list, each {kind(schema['items'])}" if "items" in schema else "a list"
    words = {"string": "text", "number": "a number", "integer": "a whole number", "boolean": "`true` or `false`", "object": "a table"}
    named = " or ".join(words[each] for each in one) if isinstance(one, list) else words.get(str(one), "anything")
    return ", ".join([named, *limits])


LIMITS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def default(schema: dict) -> str:
    """A key's default; a dash where there is none."""
    value = schema.get("default")
    return "–" if value in (None, {}, "") else f"`{literal(value)}`"


def shipped() -> dict[str, Path]:
    """The suites of this package, whatever suites lie where the site is built."""
    return {path.stem: path for path in sorted(suite_files.folders()[1].glob("*.toml"))}


def suites_page() -> str:
    """Every shipped suite with its data and checks."""
    parts = []
    for name, path in shipped().items():
        suite = suite_files.load(str(path))
        data = "".join(
            f"- data `{key}`: `{one.dataset}`{f'. {one.description}' if one.description else ''}\n" for key, one in suite.data.items()
        )
        rows = "".join(
            f"| `{check.name}` | `{check.metric}` | {len(check.conditions)} | {check.gate or 'measured only'} |\n" for check in suite.checks
        )
        parts.append(
            f"## `{name}`\n\n**{suite.title}**\n\n{suite.description.strip()}\n\n{data}\n"
            f"| check | metric | conditions | threshold |\n|---|---|--:|---|\n{rows}"
        )
    head = "# Shipped suites\n\n`pytest --suite NAME`. A file of the same name in your own `./suites` goes before.\n\n"
    return head + "\n".join(parts)


# -------------------------------------------------------------------------------------------------------------------- text


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: its sections become lists, arXiv numbers become links."""
    lines, section = [], ""
    for line in docstring.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            section = line.rstrip(":")
            lines += [f"**{section}**", ""]
        elif section and (item := re.match(r"    ([\w*]+): (.*)", line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif section and line.startswith("        "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line.strip() if section else line)
    return with_links("\n".join(lines).strip())


def with_links(text: str) -> str:
    """Text with a link for every arXiv number and DOI."""
    text = re.sub(r"\barXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"\bdoi:(10\.\d+/[^\s,;]+?)(?=[.]?(\s|$))", r"[doi:\1](<https://doi.org/\1>)", text)


if __name__ == "__main__":
    write(HERE / "reference")
