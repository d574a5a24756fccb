"""`robustsuite`: what needs no pytest. `list`, `show`, `judge`, `report`, `schema`."""

import argparse
import inspect
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robustsuite import catalog, suite_files, suite_grammar
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.records import Report


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
    report = commands.add_parser("report", help="make a run's report again from its records, without model or images")
    report.add_argument("run", type=Path, help="the folder of a run")
    judge = commands.add_parser("judge", help="judge a run's records by another suite, without model or images")
    judge.add_argument("run", type=Path, help="the folder of a run; one made with --rs-keep logits can be asked most")
    judge.add_argument("--suite", required=True, metavar="NAME|PATH")
    judge.add_argument("--data", action="append", default=[], metavar="NAME=DATA", help="the run's name of a data set of the suite")
    judge.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where the new run is written")
    commands.add_parser("schema", help="the JSON Schema of a suite file")
    chosen = parser.parse_args(arguments)
    try:
        match chosen.command:
            case "list":
                _list(chosen.room)
            case "show":
                _show(chosen.name, chosen.kind, chosen.image, chosen.out)
            case "report":
                _report(chosen.run)
            case "judge":
                return _judge(chosen.run, chosen.suite, chosen.data, chosen.reports)
            case "schema":
                print(json.dumps(suite_grammar.json_schema(), indent=2))
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


def _judge(run: Path, suite: str, data: Sequence[str], reports: Path) -> int:
    from robustsuite.judging import exit_code
    from robustsuite.rejudging import aliases_in, rejudge
    from robustsuite.running import folder_for

    demanded, wrong = suite_files.load(suite), [argument for argument in data if "=" not in argument]
    if wrong:
        raise UsageError(f"expected --data NAME=DATA, got {wrong[0]!r}")
    folder = folder_for(reports, demanded.name, aliases_in(run))
    rejudge(run, demanded, folder, dict(argument.split("=", 1) for argument in data))
    report = _report(folder)
    return exit_code([(verdict.status, verdict.required) for verdict in report.verdicts], demanded.decision.inconclusive)


def _report(folder: Path) -> Report:
    from robustsuite.assembling import assemble
    from robustsuite.reporting.terminal import lines
    from robustsuite.writing import write

    report = assemble(folder)
    path = write(report, folder)
    print("\n".join(lines(report)))
    print(f"\nreport: {path}")
    return report
