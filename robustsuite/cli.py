"""`robustsuite`: what needs no pytest. `list`, `show`, `data`, `judge`, `report`, `compare`, `export`, `schema`."""

import argparse
import inspect
import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter
from typing import Any

from robustsuite import catalog, exporting, suite_files, suite_grammar
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.records import Report
from robustsuite.reporting.schema import results_schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, or 4 for what the user can mend, or of `judge` that of a run."""
    parser = argparse.ArgumentParser(
        prog="robustsuite", description="Robustness suites for vision models. Suites are run by pytest --suite NAME."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="suites, corruptions, attacks, metrics, … by name")
    listing.add_argument("room", nargs="?", choices=("suites", *catalog.ROOMS), help="only these")
    show = commands.add_parser("show", help="a suite's checks, or what a corruption, attack or metric is and where it comes from")
    show.add_argument("kind", nargs="?", choices=("suite", *map(catalog.singular, catalog.ROOMS)), help="where a name stands for several")
    show.add_argument("name")
    show.add_argument("--image", type=Path, help="of a corruption: show it on this image")
    show.add_argument("--out", type=Path, help="of a corruption: where to write its five severities (by default NAME.png)")
    data = commands.add_parser(
        "data",
        help="data sets: layout, licence, where to get them, and whether a folder is as it should be",
        usage="robustsuite data [NAME ...] [--data NAME=FOLDER ...]",  # in this order: argparse takes no names after options
    )
    data.add_argument("names", nargs="*", metavar="NAME", help="only these; by default all, and those given with --data in any case")
    data.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help="a folder to open, by the data set's own name")
    report = commands.add_parser("report", help="make a run's report again from its records, without model or images")
    report.add_argument("run", type=Path, help="the folder of a run")
    report.add_argument("--verbose", action="store_true", help="tell of every check in full, and of every condition")
    judge = commands.add_parser("judge", help="judge a run's records by another suite, without model or images")
    judge.add_argument("run", type=Path, help="the folder of a run; one made with --rs-keep logits can be asked most")
    judge.add_argument("--suite", required=True, metavar="NAME|PATH")
    judge.add_argument("--data", action="append", default=[], metavar="NAME=DATA", help="the run's name of a data set of the suite")
    judge.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where the new run is written")
    keeping = commands.add_parser("store", help="the runs in a folder: list them, verify their records, clear away what may go")
    keeping.add_argument("action", choices=("list", "verify", "gc"))
    keeping.add_argument("reports", type=Path, nargs="?", default=Path("reports"), metavar="DIR", help="a folder of runs (reports)")
    keeping.add_argument("--older-than", type=float, metavar="DAYS", help="gc: runs that nobody has touched for so long, too")
    keeping.add_argument("--dry-run", action="store_true", help="gc: say what would go")
    merge = commands.add_parser("merge", help="put the shards of a run together (--rs-shard), and judge them")
    merge.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of every shard")
    merge.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where the whole run is written")
    export = commands.add_parser("export", help="a run's numbers as parquet, CSV, the Hugging Face Hub's files, or into a tracker")
    export.add_argument("run", type=Path, help="the folder of a run, or its results.json")
    export.add_argument("--to", required=True, choices=exporting.FORMS, help="mlflow and wandb are told where to by their own variables")
    export.add_argument("--out", type=Path, metavar="DIR", help="where files are written (by default into the run)")
    export.add_argument("--dataset", default="", metavar="ORG/NAME", help="of hugging-face: the benchmark that the results belong to")
    export.add_argument("--source", default="", metavar="URL", help="of hugging-face: where the report can be read")
    compare = commands.add_parser("compare", help="what models do otherwise than the first, from the records of runs")
    compare.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, the reference first; or one of several models")
    compare.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where the page is written")
    schema = commands.add_parser("schema", help="the JSON Schema of a suite file, or of results.json")
    schema.add_argument("of", nargs="?", choices=("suite", "results"), default="suite")
    chosen = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal or log that is not in UTF-8 gets what it cannot show in another form
            stream.reconfigure(errors="backslashreplace")
    try:
        match chosen.command:
            case "list":
                _list(chosen.room)
            case "show":
                _show(chosen.name, chosen.kind, chosen.image, chosen.out)
            case "data":
                _data(chosen.names, chosen.data)
            case "report":
                _report(chosen.run, chosen.verbose)
            case "judge":
                return _judge(chosen.run, chosen.suite, chosen.data, chosen.reports)
            case "store":
                return _store(chosen.action, chosen.reports, chosen.older_than, chosen.dry_run)
            case "merge":
                return _merge(chosen.runs, chosen.reports)
            case "export":
                _export(chosen.run, chosen.to, chosen.out, chosen.dataset, chosen.source)
            case "compare":
                _compare(chosen.runs, chosen.reports)
            case "schema":
                print(json.dumps(results_schema() if chosen.of == "results" else suite_grammar.json_schema(), indent=2))
    except (UsageError, EvaluationError) as error:
        print(f"robustsuite: {error}", file=sys.stderr)
        return 4
    except BrokenPipeError:  # as in `robustsuite list | head`
        sys.stderr.close()
    return 0


def _list(only: str | None) -> None:
    for room in [only] if only else ["suites", *catalog.ROOMS]:
        print(f"{room}:")
        if room == "suites":
            for name, path in sorted(suite_files.available().items()):
                print(f"  {name:<28} {suite_files.load(str(path)).title}")
        elif room == "models":
            for name in catalog.names("models"):
                print(f"  {catalog.constant('models', name, 'FORM'):<28} {_short(catalog.describe(room, name).partition(': ')[2])}")
        else:
            for name in catalog.names(room):
                print(f"  {name:<28} {_short(catalog.describe(room, name))}")


def _short(text: str) -> str:
    """What fits beside a name on a line of 80 columns."""
    return textwrap.shorten(text, 79 - 31, placeholder=" …")


def _show(name: str, kind: str | None, image: Path | None, out: Path | None) -> None:
    rooms = [room for room in catalog.ROOMS if catalog.holds(room, name) and kind in (None, catalog.singular(room))]
    if (image or out) and "corruptions" not in rooms:
        raise UsageError(
            f"expected --image and --out beside a corruption, got {name!r}; {catalog.did_you_mean(name, catalog.names('corruptions'))}"
        )
    if "corruptions" in rooms:
        path = out or Path(f"{name.replace(':', '_')}.png")
        _write_contact_sheet(name, image, path)
        print(f"five severities at 224 pixels: {path}\n")
    for room in rooms:
        described = _described(room, name)
        print(f"{name} ({room})\n\n{sys.modules[described.__module__].__doc__}\n{inspect.cleandoc(described.__doc__ or '')}")
    if rooms:
        return
    if kind not in (None, "suite"):
        room = next(room for room in catalog.ROOMS if catalog.singular(room) == kind)
        raise UsageError(f"unknown {kind} {name!r}; {catalog.did_you_mean(name, catalog.names(room))}")
    known = [*suite_files.available(), *(thing for room in catalog.ROOMS for thing in catalog.names(room))]
    if name not in suite_files.available() and not name.endswith(".toml"):
        raise UsageError(f"unknown name {name!r}; {catalog.did_you_mean(name, known)}")
    suite = suite_files.load(name)
    print(f"{suite.name}: {suite.title}\n{suite.path}\n\n{suite.description.strip()}\n")
    for data, demand in suite.data.items():
        print(f"data {data}: {demand.dataset}, calibration {demand.calibration}. {demand.description}")
    for check in suite.checks:
        first, *others = check.conditions
        conditions = f"{len(others) + 1} conditions" if others else str(first)
        fold = f"{check.summary} of " if others else ""
        after = f" after {check.recalibration}" if check.recalibration else ""
        print(f"  {check.name}: {fold}{check.metric}{after} on {conditions} {check.gate or '(measured only)'}")


def _described(room: str, name: str) -> Any:
    """What a file of the room is read for."""
    if room not in ("attacks", "models"):
        return catalog.find(room, name)
    module = catalog.module(room, name)
    return module.load if room == "models" else getattr(module, "stages", None) or module.start


def _write_contact_sheet(corruption: str, image: Path | None, path: Path) -> None:
    from robustsuite.contact_sheet import contact_sheet, photo

    contact_sheet([corruption], photo(image, 224)).save(path)


def _data(names: Sequence[str], given: Sequence[str]) -> None:
    """Tells of each data set. Raises `UsageError` for an unknown name, and after all were told where a folder was refused."""
    folders, known = _folders(given), catalog.names("datasets")
    chosen = {*names, *folders} if names else set(known)
    if unknown := [name for name in (*names, *folders) if name not in known]:
        raise UsageError(f"unknown data set {unknown[0]!r}; {catalog.did_you_mean(unknown[0], known)}")
    refused = []
    for name in (name for name in known if name in chosen):
        print(name)
        for label, text in _facts(name).items():
            _print_wrapped(f"{label}:".ljust(9) + text if label else text, indent=11 if label else 2)
        sentence, is_refused = _state(name, folders)
        _print_wrapped(sentence, indent=2)
        refused += [name] * is_refused
    if refused:
        raise UsageError(f"{len(refused)} of {len(folders)} folders refused: {', '.join(refused)}; the sentences above say why")


def _folders(given: Sequence[str]) -> dict[str, Path]:
    """Folders by the names of data sets."""
    folders: dict[str, Path] = {}
    for argument in given:
        name, sign, folder = argument.partition("=")
        if not (name and sign and folder) or name in folders:
            raise UsageError(f"expected --data NAME=FOLDER, once for each data set, got {argument!r}")
        folders[name] = Path(folder).expanduser()
    return folders


def _facts(name: str) -> dict[str, str]:
    """What a data set's file says of it, read without importing it; the first line of its docstring has no label."""
    stated = {label: catalog.constant("datasets", name, label.upper(), "") for label in ("layout", "licence", "where")}
    may_fit = catalog.constant("datasets", name, "MAY_FIT", True)
    facts = {
        "": catalog.describe("datasets", name),
        **stated,
        "fitting": "a suite may" if may_fit else "no suite may: the licence forbids it",
    }
    return {label: text for label, text in facts.items() if text}


def _state(name: str, folders: Mapping[str, Path]) -> tuple[str, bool]:
    """Whether the data set is there, in a sentence, and whether its folder is refused."""
    if name not in folders:
        return ("not given" if "root" in catalog.required("datasets", name, name) else "needs no folder"), False
    read = catalog.find("datasets", name)
    began = perf_counter()
    try:
        found = read(folders[name])
    except (UsageError, EvaluationError, OSError) as error:
        return f"refused: {error}", True
    seconds, classes = perf_counter() - began, len(found.classes)
    within = f"in {classes:,} {'class' if classes == 1 else 'classes'}" if classes else "without classes"
    return f"there: {len(found.ids):,} {'image' if len(found.ids) == 1 else 'images'} {within} (opened in {seconds:.1f} s)", False


def _print_wrapped(text: str, indent: int) -> None:
    """Lines of 79 columns; a path is never broken. The first is indented by 2, further ones by `indent`."""
    lines = textwrap.wrap(text, 79, initial_indent="  ", subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    print("\n".join(lines))


def _judge(run: Path, suite: str, data: Sequence[str], reports: Path) -> int:
    from robustsuite.github_actions import announce
    from robustsuite.judging import exit_code
    from robustsuite.rejudging import aliases_in, rejudge
    from robustsuite.store import folder_for

    demanded, wrong = suite_files.load(suite), [argument for argument in data if "=" not in argument]
    if wrong:
        raise UsageError(f"expected --data NAME=DATA, got {wrong[0]!r}")
    folder = folder_for(reports, demanded.name, aliases_in(run))
    rejudge(run, demanded, folder, dict(argument.split("=", 1) for argument in data))
    report = _report(folder)
    for line in announce([(report, demanded)], os.environ):
        print(line)
    return exit_code([(verdict.status, verdict.required) for verdict in report.verdicts], demanded.decision.inconclusive)


def _store(action: str, reports: Path, days: float | None, dry: bool) -> int:
    from robustsuite import housekeeping

    kept = housekeeping.runs(reports)
    if action == "gc":
        going = housekeeping.waste(reports, days)
        freed = sum(0 if dry else housekeeping.remove(path) for path in going)
        for path in going:
            print(f"{'would remove' if dry else 'removed'} {path}")
        print(f"{len(going)} removed, {freed / 1e6:.1f} MB" if not dry else f"{len(going)} would be removed")
        return 0
    wrong = 0
    for one in kept:
        if action == "list":
            conditions = f"{one.conditions} {'condition' if one.conditions == 1 else 'conditions'}"
            print(f"{one.folder}\n  {one.state}; {', '.join(one.models) or 'no model'}; {conditions}; {one.size / 1e6:.1f} MB")
            continue
        sentences = [*housekeeping.damage(one.folder)]
        wrong += bool(sentences)
        print(f"{one.folder}: {'damaged' if sentences else 'intact'}")
        for sentence in sentences:
            _print_wrapped(sentence, indent=4)
    if action == "verify":
        print(f"{len(kept) - wrong} of {len(kept)} runs are intact")
    return 1 if wrong else 0


def _merge(runs: Sequence[Path], reports: Path) -> int:
    from robustsuite.assembling import parts
    from robustsuite.judging import exit_code
    from robustsuite.merging import merge
    from robustsuite.store import folder_for

    (told, *_) = parts(runs[0]).values()
    folder = folder_for(reports, Path(told["suite"]["path"]).stem, list(told["selected"]))
    try:
        merge(runs, folder)
    except UsageError:
        folder.rmdir()
        raise
    report = _report(folder)
    return exit_code([(verdict.status, verdict.required) for verdict in report.verdicts], report.decision.inconclusive)


def _export(run: Path, form: str, out: Path | None, dataset: str, source: str) -> None:
    from robustsuite.writing import read

    report = read(run)
    for line in exporting.export(report, run if run.is_dir() else run.parent, form, out, dataset, source):
        print(line)


def _compare(runs: Sequence[Path], reports: Path) -> None:
    from robustsuite.comparing import compare, write
    from robustsuite.reporting.comparison import lines

    comparison = compare(runs)
    path = write(comparison, reports)
    print("\n".join(lines(comparison)))
    print(f"\ncomparison: {path}")


def _report(folder: Path, verbose: bool = False) -> Report:
    from robustsuite.assembling import assemble
    from robustsuite.reporting.terminal import lines
    from robustsuite.writing import write

    report = assemble(folder)
    path = write(report, folder)
    print("\n".join(lines(report, verbose)))
    print(f"\nreport: {path}")
    return report
