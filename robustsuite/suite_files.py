"""TOML to Suite. A suite is pure data; every mistake in it is told at once, each with file, line, key and what to do."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from robustsuite import catalog
from robustsuite.catalog import did_you_mean
from robustsuite.errors import UsageError
from robustsuite.records import (
    Attacked,
    Check,
    Condition,
    Conformed,
    Corrupted,
    DataDemand,
    Decision,
    Detection,
    Diagnosed,
    Frame,
    Gate,
    Perturbation,
    Preprocessing,
    Suite,
    ThreatModel,
)
from robustsuite.suite_grammar import CheckTable, DataTable, SuiteFile, sentence

# -------------------------------------------------------------------------------------------------------- finding one


def folders() -> tuple[Path, ...]:
    """Where suites are looked for by name, the user's own first."""
    package = Path(__file__).parent
    shipped = package / "suites"  # in a wheel; in a checkout they lie beside the package
    return Path("suites"), shipped if shipped.is_dir() else package.parent / "suites"


def available() -> dict[str, Path]:
    """Every suite that can be named, by name."""
    return {path.stem: path for folder in reversed(folders()) for path in sorted(folder.glob("*.toml"))}


def locate(name_or_path: str) -> Path:
    """The file of a suite. Raises `UsageError` where there is none."""
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise UsageError(f"expected a suite file at {path}, got nothing there; check the path")
        return path
    known = available()
    if name_or_path not in known:
        raise UsageError(f"unknown suite {name_or_path!r}; {did_you_mean(name_or_path, sorted(known))}")
    return known[name_or_path]


def load(name_or_path: str) -> Suite:
    """The suite of that name or in that file. Raises `UsageError` naming every mistake in it."""
    path = locate(name_or_path)
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a suite file in UTF-8 at {path}, got one that cannot be read ({error}); save it again") from error


# -------------------------------------------------------------------------------------------------------- reading one


def parse(text: str, path: Path) -> Suite:
    """The suite that a file's text describes. Raises `UsageError` naming every mistake in it."""
    try:
        raw = tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # a mistake in syntax, a number of thousands of digits, or tables within tables without end
        line = re.search(r"at line (\d+)", str(error))
        raise UsageError(f"{path}:{line[1] if line else 1}: expected TOML, got a mistake in its syntax: {error}") from error
    lines = line_numbers(text)
    if mistakes := list(_beyond_measure((), raw)):
        raise _refusal(mistakes, path, lines)
    mistakes, table = list(_cross_mistakes(raw)), None
    try:
        table = SuiteFile.model_validate(raw)
    except ValidationError as error:
        # A union reports once for each of its members; the first sentence about a place is enough.
        mistakes += {_place(part["loc"]): sentence(part) for part in reversed(error.errors())}.items()
    if mistakes or table is None:
        raise _refusal(mistakes, path, lines)
    suite = replace(_suite(table, path, lines), text=text)
    if mistakes := list(_equal_names(suite.checks, table)):
        raise _refusal(mistakes, path, lines)
    return suite


Place = tuple[str | int, ...]
DEEPEST = 16  # no suite needs more than four


def _refusal(mistakes: Sequence[tuple[Place, str]], path: Path, lines: Mapping[Place, int]) -> UsageError:
    """All the mistakes in a file, by line."""
    told = sorted({(_line(place, lines), _key(place), mistake) for place, mistake in mistakes})
    listing = "\n".join(f"  {path}:{line}: {key}{': ' if key else ''}{mistake}" for line, key, mistake in told)
    return UsageError(f"{path} has {len(told)} mistake{'s' if len(told) > 1 else ''}:\n{listing}")


def _beyond_measure(place: Place, value: Any) -> Iterator[tuple[Place, str]]:
    """Whole numbers beyond TOML's 64 bits, which could not even be told, and tables within tables without end."""
    if len(place) > DEEPEST:
        yield place[:3], f"expected tables at most {DEEPEST} deep, got more; write them beside each other"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _beyond_measure((*place, key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _beyond_measure((*place, number), inner)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        yield place, f"expected a whole number of at most 64 bits, got one of {value.bit_length()}; write a smaller one"


def _equal_names(checks: Sequence[Check], table: SuiteFile) -> Iterator[tuple[Place, str]]:
    """Checks whose name another one has that was made by `per` or for a baseline: verdicts are told apart by it."""
    names = Counter(check.name for check in checks)
    for name in (name for name, times in names.items() if times > 1):
        number = max(number for number, row in enumerate(table.check) if name.startswith(row.name))
        yield ("check", number, "name"), f"expected a name of its own for each check, got {name!r} again; rename this check"


def line_numbers(text: str) -> dict[Place, int]:
    """The line of every table and key, by place, as in `("check", 2, "epsilon"): 31`. Good enough to point at; not a parser."""
    lines: dict[Place, int] = {}
    counts: dict[str, int] = {}
    table: Place = ()
    depth, quoted = 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = re.sub(r'"(\\.|[^"\\])*"|\'[^\']*\'|#.*', "", line) if '"""' not in line and "'''" not in line else ""
        if not quoted and depth == 0:
            if header := re.fullmatch(r"\s*(\[\[?)([^\]]+)\]\]?\s*(#.*)?", line):
                parts = tuple(part.strip(" \"'") for part in header[2].split("."))
                if header[1] == "[[":
                    counts[header[2]] = counts.get(header[2], -1) + 1
                    parts = (*parts, counts[header[2]])
                table = parts
                lines.setdefault(table, number)
                continue
            if key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
                place = table
                for part in key[1].split("."):
                    place = (*place, part.strip("\"'"))
                    lines.setdefault(place, number)
        if (line.count('"""') + line.count("'''")) % 2:
            quoted = not quoted
        depth = max(depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"), 0)
    return lines


def _line(place: Place, lines: Mapping[Place, int]) -> int:
    """The line of the place or of the nearest table around it."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _key(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _place(location: Sequence[str | int]) -> Place:
    """Pydantic's location without the names of union members and validators that it puts in."""
    members = ("PreprocessingTable", "literal[", "list[", "function-", "float", "constrained-", "str", "int", "bool")
    return tuple(part for part in location if isinstance(part, int) or not part.startswith(members))


def _cross_mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Mistakes that lie between keys, found in the raw data so that other mistakes do not hide them."""
    data = raw.get("data")
    data = data if isinstance(data, dict) else {}
    checks = raw.get("check")
    for name, table in data.items():
        dataset = table.get("dataset") if isinstance(table, dict) else None
        fitted = isinstance(table, dict) and table.get("calibration")
        if fitted and dataset in catalog.names("datasets") and not catalog.constant("datasets", dataset, "MAY_FIT", True):
            yield (
                ("data", name, "calibration"),
                f"expected no calibration: the licence of {dataset} forbids fitting anything to it; leave it out",
            )
        if fitted and dataset in catalog.names("datasets") and not catalog.constant("datasets", dataset, "LABELLED", True):
            yield ("data", name, "calibration"), f"expected no calibration: the images of {dataset} have no labels to fit to; leave it out"
        yield from _folder_mistakes(("data", name), table, data)
    names: dict[str, int] = {}
    for number, check in enumerate(checks if isinstance(checks, list) else []):
        if not isinstance(check, dict):
            continue
        place = ("check", number)
        name = check.get("name")
        if isinstance(name, str) and names.setdefault(name, number) != number:
            yield (*place, "name"), f"expected a name of its own, got {name!r} again; rename this check"
        chosen = check.get("data")
        if chosen is not None and chosen not in list(data):  # a list, because what was written may not be hashable
            yield (*place, "data"), f"unknown data {chosen!r}; {did_you_mean(str(chosen), list(data))}"
        if chosen is None and len(data) > 1 and len(_familiar(data, checks)) != 1:
            yield place, f"expected data = one of {', '.join(data)}, because the suite has several"
        control = check.get("control")
        if control is not None and control not in list(data):
            yield (*place, "control"), f"unknown data {control!r}; {did_you_mean(str(control), list(data))}"
        relative = check.get("relative_to")
        if relative is not None and relative != "clean" and relative not in list(data):
            yield (
                (*place, "relative_to"),
                f"expected 'clean' or a data set of the suite, got {relative!r}; {did_you_mean(str(relative), ['clean', *data])}",
            )
        if "at_least" in check and "at_most" in check:
            yield (*place, "at_most"), "expected at_least or at_most, got both; make it two checks"
        if relative is not None and "at_least" not in check and "at_most" not in check:
            yield (*place, "relative_to"), "expected a threshold beside relative_to; add at_least or at_most"
        if "attack" in check:
            yield from _attack_mistakes(place, check)
        elif extra := [key for key in ("epsilon", "norm") if key in check]:
            yield (*place, extra[0]), f"expected {extra[0]!r} only beside attack; name the attack"
        yield from _method_mistakes(place, check, data)
        if "severities" in check and "corruptions" not in check:
            yield (*place, "severities"), "expected severities only beside corruptions; name the corruptions"
        yield from _metric_mistakes(place, check)
        yield from _threshold_mistakes(place, check)
        yield from _summary_mistakes(place, check)
        options, metric = check.get("metric_options"), check.get("metric", "accuracy")
        if isinstance(options, dict) and (room := next((room for room in METRICS if metric in catalog.names(room)), None)):
            yield from _option_mistakes((*place, "metric_options"), options, catalog.options(room, metric))


METRICS = {
    "metrics": "",
    "cue_metrics": "",
    "agreement_metrics": "",
    "sequence_metrics": "sequences",
    "set_metrics": "conformal",
    "detection_metrics": "detector",
    "shift_metrics": "control",
}
"""The key beside which a check may name the metrics of each room; a plain metric stands alone."""
METHODS = {"attack": "attacks", "diagnostic": "diagnostics", "conformal": "conformal", "detector": "detectors"}
"""The keys of a check that name something with options of its own, and its room."""
APART = {
    "sequences": ("corruptions", "attack", "relative_to", "recalibration", "diagnostic", "conformal", "detector"),
    "diagnostic": ("corruptions", "attack", "relative_to", "recalibration", "conformal", "detector", "metric"),
    "detector": ("corruptions", "attack", "relative_to", "recalibration", "conformal"),
    "conformal": ("attack", "relative_to", "recalibration"),
    "control": ("corruptions", "attack", "sequences", "relative_to", "diagnostic", "conformal", "detector"),
    "by": ("corruptions", "attack", "sequences", "diagnostic", "conformal", "detector"),
}
"""What may not stand beside each of these keys."""


def _folder_mistakes(place: Place, table: Any, data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """A folder shared with other data must be there, and be its own."""
    folder = table.get("folder") if isinstance(table, dict) else None
    if folder is None:
        return
    other = data.get(folder) if isinstance(folder, str) else None
    if folder == place[1] or not isinstance(other, dict):
        others = [name for name in data if name != place[1]]
        yield (
            (*place, "folder"),
            f"expected the name of other data of the suite, whose folder it is, got {folder!r}; {did_you_mean(str(folder), others)}",
        )
    elif "folder" in other:
        yield (
            (*place, "folder"),
            f"expected data with a folder of its own, got {folder!r}, which has that of {other['folder']!r}; name that",
        )


def _metric_mistakes(place: Place, check: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Metrics belong to what they measure, and some keys exclude each other."""
    metric = check.get("metric", "accuracy")
    for key, others in APART.items():
        if key in check and (other := next((other for other in others if other in check), None)):
            yield (*place, key), f"expected {key} without {other}, got both; make it two checks"
    for room, key in METRICS.items():
        known = catalog.names(room)
        if key in check and metric not in known:
            kind = catalog.singular(room).removesuffix(" metric") + "s"
            yield (
                (*place, "metric" if "metric" in check else key),
                f"expected a metric of {kind} ({', '.join(known)}) beside {key}, got {metric!r}",
            )
            continue
        if key and key not in check and metric in known:
            example = {"sequences": '"imagenet-p"', "conformal": '"raps"', "detector": '"energy"', "control": '"val"'}[key]
            yield (
                (*place, "metric"),
                f"expected {key} beside metric {metric!r}; name {'them' if key == 'sequences' else 'it'}, as in {key} = {example}",
            )
    if "group_size" in check and "by" not in check:
        yield (*place, "group_size"), "expected group_size only beside by; name the attribute that makes the groups"
    if "profile" in check and "sequences" not in check:
        yield (*place, "profile"), "expected profile only beside sequences; corruptions follow the size of the images"


def _threshold_mistakes(place: Place, check: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """A threshold that no number can miss or meet, or on the wrong side of the numbers."""
    metric, summary = check.get("metric", "accuracy"), check.get("summary", "mean")
    room = next((room for room in METRICS if metric in catalog.names(room)), None)
    if room is None or "diagnostic" in check or summary not in catalog.names("summaries"):
        return
    own = catalog.constant("summaries", summary, "HIGHER_IS_BETTER", None)
    name, better = (metric, catalog.module(room, metric).HIGHER_IS_BETTER) if own is None else (summary, own)
    low, high = getattr(catalog.module(room, metric), "RANGE", (float("-inf"), float("inf"))) if own is None else (0.0, float("inf"))
    if "at_least" in check and not better:
        yield (*place, "at_least"), f"expected at_most, because {name} is better the lower it is; did you mean 'at_most'?"
    for key in ("at_least", "at_most"):
        threshold = check.get(key)
        if isinstance(threshold, int | float) and "relative_to" not in check and not low <= threshold <= high:
            hint = f"; write {threshold / 100:g} for {threshold:g} %" if high == 1 < threshold <= 100 else "; mend it"
            yield (*place, key), f"expected a threshold from {low:g} to {high:g}, as {name} has it, got {threshold:g}{hint}"
    margin = check.get("no_worse_than_baseline")
    if isinstance(margin, int | float) and margin > high - low:
        yield (*place, "no_worse_than_baseline"), f"expected a drop of at most {high - low:g}, the range of {name}, got {margin:g}"


def _method_mistakes(place: Place, check: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What belongs beside a diagnostic, a conformal predictor or a detector, and the options of any of them."""
    given = [key for key in METHODS if key in check]
    if "options" in check and not given:
        yield (*place, "options"), f"expected 'options' only beside {', '.join(list(METHODS)[:-1])} or {list(METHODS)[-1]}; name one"
    for key in given:
        name, options = check[key], check.get("options")
        if key != "attack" and isinstance(options, dict) and isinstance(name, str) and name in catalog.names(METHODS[key]):
            yield from _option_mistakes((*place, "options"), options, catalog.options(METHODS[key], name))
    for key, owner in {"column": "diagnostic", "error": "conformal", "unfamiliar": "detector"}.items():
        if key in check and owner not in check:
            yield (*place, key), f"expected {key!r} only beside {owner}; name the {owner}"
    if (diagnostic := check.get("diagnostic")) in catalog.names("diagnostics"):
        columns = catalog.constant("diagnostics", diagnostic, "COLUMNS")
        column = check.get("column", next(iter(columns)))
        if column not in columns:
            yield (*place, "column"), f"unknown column {column!r}; {did_you_mean(str(column), list(columns))}"
        elif columns[column] is None and (bound := next((key for key in ("at_least", "at_most") if key in check), None)):
            yield (*place, bound), f"expected no threshold for {column!r}, which is better neither high nor low; leave it out"
    if "detector" in check:
        names = check.get("unfamiliar", [])
        names = [names] if isinstance(names, str) else names if isinstance(names, list) else []
        if not names:
            yield (
                (*place, "detector"),
                'expected unfamiliar beside detector, the data of other classes; add it, as in unfamiliar = "textures"',
            )
        for name in names:
            if name not in list(data):
                yield (*place, "unfamiliar"), f"unknown data {name!r}; {did_you_mean(str(name), list(data))}"
            elif name == check.get("data"):
                yield (*place, "unfamiliar"), f"expected other data than {name!r}, which the check calls familiar"


def _summary_mistakes(place: Place, check: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    summary = check.get("summary", "mean")
    if summary not in catalog.names("summaries"):
        return
    wanted = catalog.constant("summaries", summary, "METRIC", None)
    if wanted and (metric := check.get("metric", "accuracy")) != wanted:
        yield (*place, "summary"), f"expected metric {wanted!r} with summary {summary!r}, got {metric!r}"
    if (benchmark := catalog.constant("summaries", summary, "BENCHMARK", None)) and check.get("by") != "corruption":
        defined = catalog.benchmarks()[benchmark]
        named = check.get("corruptions")
        for name in [named] if isinstance(named, str) else named if isinstance(named, list) else [None]:
            if not (isinstance(name, str) and set(catalog.benchmarks().get(name, (name,))) <= set(defined)):
                yield (*place, "summary"), f"{summary} is defined for {', '.join(defined)}; got {name!r}; leave it out"


def _attack_mistakes(place: Place, check: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    if "corruptions" in check:
        yield (*place, "attack"), "expected corruptions or an attack, got both; make it two checks"
    if "epsilon" not in check:
        yield (*place, "attack"), 'expected epsilon beside attack; add one, such as epsilon = "8/255"'
    attack, norm = check["attack"], check.get("norm", "linf")
    if not isinstance(attack, str) or not catalog.holds("attacks", attack):
        return
    norms = catalog.attack_norms(attack)
    if norm not in norms:
        yield (*place, "norm"), f"expected a norm that {attack} knows ({', '.join(norms)}), got {norm!r}"
    if norm == "linf":
        for epsilon in check["epsilon"] if isinstance(check.get("epsilon"), list) else [check.get("epsilon", 0)]:
            if isinstance(epsilon, int | float) and epsilon > 1:
                yield (
                    (*place, "epsilon"),
                    f'expected an L-infinity radius on the [0, 1] scale, got {epsilon}; write "{epsilon}/255" for levels',
                )
    if isinstance(check.get("options"), dict):
        yield from _option_mistakes((*place, "options"), check["options"], catalog.attack_options(attack))


def _option_mistakes(place: Place, options: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for name, value in options.items():
        if name not in known:
            yield (*place, name), f"unknown option {name!r}; {did_you_mean(name, list(known)) if known else 'there are none'}"
        elif type(value) is not type(known[name]) and not (isinstance(known[name], float) and type(value) is int):
            yield (*place, name), f"expected {type(known[name]).__name__} as in the default {known[name]!r}, got {value!r}"
        elif isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            yield (*place, name), f"expected a number above 0, got {value!r}"


# --------------------------------------------------------------------------------------------------- tables to records


def _familiar(data: Mapping[str, Any], checks: Any) -> list[str]:
    """The data sets that no check calls unfamiliar."""
    given = [check.get("unfamiliar", []) for check in checks if isinstance(check, dict)]
    strange = [name for names in given for name in ([names] if isinstance(names, str) else names if isinstance(names, list) else [])]
    return [name for name in data if name not in strange]


def _suite(table: SuiteFile, path: Path, lines: Mapping[Place, int]) -> Suite:
    strange = {name for row in table.check for name in row.unfamiliar or ()}
    only = next((name for name in table.data if name not in strange), "")
    checks = [
        check
        for number, row in enumerate(table.check)
        for check in _checks(row, row.data or only, table.rendering == "as-published", _line(("check", number), lines))
    ]
    match table.preprocessing:
        case "as-stored":
            preprocessing = Preprocessing()
        case "model":
            preprocessing = None
        case steps:
            preprocessing = Preprocessing(**steps.model_dump())
    return Suite(
        name=path.stem,
        title=table.title,
        data={name: _demand(row) for name, row in table.data.items()},
        checks=tuple(checks),
        preprocessing=preprocessing,
        model=table.model,
        decision=Decision(**table.decision.model_dump()),
        description=table.description,
        path=str(path),
    )


def _demand(row: DataTable) -> DataDemand:
    classes, joined = row.classes or "", row.joined or ""
    return DataDemand(row.dataset, row.calibration, row.description, row.folder, classes, joined, row.optional, row.label_errors)


def _checks(row: CheckTable, data: str, as_published: bool, line: int) -> Iterator[Check]:
    """The checks that a table stands for: one, or one for each corruption or condition."""
    gates: dict[str, Gate | None] = {}  # by what is added to the check's name
    if row.at_least is not None or row.at_most is not None:
        bound, threshold = ("at_least", row.at_least) if row.at_least is not None else ("at_most", row.at_most)
        reference = None if row.relative_to is None else Condition(data if row.relative_to == "clean" else row.relative_to)
        gates[""] = Gate(bound, threshold, reference)  # pyright: ignore[reportArgumentType]
    if row.no_worse_than_baseline is not None:
        gates["-against-baseline" if gates else ""] = Gate("no_worse", row.no_worse_than_baseline)
    first = [Condition(data)] if catalog.constant("summaries", row.summary, "NEEDS_CLEAN", False) else []
    if row.control:
        first = [Condition(row.control)]
    via, metric = None, row.metric
    options = tuple(sorted(row.options.items()))
    if row.detector:
        via = Detection(row.detector, options)
    elif row.conformal:
        via = Conformed(row.conformal, row.error, options)
    elif row.diagnostic:
        metric = row.column or next(iter(catalog.constant("diagnostics", row.diagnostic, "COLUMNS")))
    groups: Mapping[str, Sequence[Condition]]
    if row.unfamiliar:
        each = {name: [Condition(data), Condition(name)] for name in row.unfamiliar}
        groups = each if row.per == "condition" else {"": [Condition(data), *map(Condition, row.unfamiliar)]}
    else:
        groups = {suffix: [Condition(data, one) for one in found] for suffix, found in _groups(row, as_published).items()}
    for (suffix, conditions), (against, gate) in product(groups.items(), (gates or {"": None}).items()):
        yield Check(
            name=row.name + (f"-{suffix}" if suffix else "") + against,
            metric=metric,
            conditions=(*first, *conditions),
            gate=gate,
            summary=row.summary,
            recalibration=row.recalibration,
            metric_options=tuple(sorted(row.metric_options.items())),
            via=via,
            required=row.required,
            line=line,
            by=row.by or "",
            group_size=row.group_size,
        )


def _groups(row: CheckTable, as_published: bool) -> dict[str, list[Perturbation]]:
    perturbations: list[Perturbation]
    if row.attack:
        options = tuple(sorted(row.options.items()))
        perturbations = [Attacked(row.attack, ThreatModel(row.norm, epsilon), options) for epsilon in row.epsilon or ()]
    elif row.diagnostic:
        perturbations = [Diagnosed(row.diagnostic, tuple(sorted(row.options.items())))]
    elif row.sequences:
        numbers = {name: catalog.constant("sequences", name, "FRAMES")[row.profile] for name in row.sequences}
        perturbations = [Frame(sequence, row.profile, number) for sequence, frames in numbers.items() for number in range(frames)]
    elif row.corruptions:
        perturbations = [Corrupted(corruption, severity, as_published) for corruption in row.corruptions for severity in row.severities]
    else:
        perturbations = [None]
    groups: dict[str, list[Perturbation]] = {}
    for perturbation in perturbations:
        match row.per, perturbation:
            case "group", Corrupted(corruption):
                suffix = catalog.group(corruption) or "other"
            case "sequence", Frame(sequence):
                suffix = sequence
            case "corruption", Corrupted(corruption):
                suffix = corruption.replace(":", "_")
            case "condition", Corrupted(corruption, severity):
                suffix = f"{corruption}-{severity}".replace(":", "_")
            case "condition", Attacked(_, threat):
                suffix = str(threat).partition(" ")[2].replace("/", "_")
            case _:
                suffix = ""
        groups.setdefault(suffix, []).append(perturbation)
    return groups
