"""The whole pytest surface: options, one item for each check, progress, exit codes. Without `--suite` it does nothing.

Exit codes: 0 every selected check passed; 1 a check failed; 4 the suite, model, data or an option was wrong; 6 a check could
not be evaluated (or was skipped); 7 a check was inconclusive (`--rs-inconclusive hold`, the default). 2, 3 and 5 are pytest's.
"""

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robustsuite.leasing import Cluster
    from robustsuite.records import Check, Decision, Explanation, Model, Settings, Suite, Verdict
    from robustsuite.running import Run

OPTIONS = {  # name -> (default, help, choices); each is also an ini option, with underscores
    "device": ("auto", "auto, cpu, cuda or cuda:1", None),
    "batch-size": ("auto", "images shown at a time; halved for as long as memory runs out", None),
    "workers": ("auto", "processes that decode images; 0 decodes in the main process", None),
    "amp": ("off", "mixed precision of forward passes", ("off", "bf16", "fp16")),
    "seed": ("0", "of every random draw", None),
    "executor": ("here", "here: this process shows the images; ray: actors of Ray on this machine; ray=ADDRESS: on that cluster", None),
    "actors": ("auto", "how many actors of Ray: by default one for each GPU, or for each core where there is none", None),
    "order": ("stored", "order in which images are shown", ("stored", "shuffled")),
    "keep": ("predictions", "logits: keep them all, so that the run's records can be judged by other suites", ("predictions", "logits")),
    "unreadable": ("error", "exclude:N leaves out up to N images of a data set that cannot be read, and names them (default: error)", None),
    "timeout": (None, "seconds that a model may take for a batch; one that hangs is an error of its checks (default: any time)", None),
    "explain": (
        "none",
        "how a report's pictures tell what the model looked at (needs robustsuite[explain])",
        ("none", "eigen-cam", "grad-cam", "hires-cam"),
    ),
    "inconclusive": (
        None,
        "what an undecided check means for the exit code (default: as the suite says, or hold)",
        ("hold", "fail", "warn"),
    ),
    "target": (
        None,
        "test-set: numbers on exactly these images; population: with confidence limits (default: as the suite says, or test-set)",
        ("test-set", "population"),
    ),
    "alpha": (None, "the chance allowed for a wrong limit or early verdict (default: as the suite says, or 0.05)", None),
    "stop": (
        None,
        "decided: no more images under conditions whose gates are decided (default: as the suite says, or never)",
        ("never", "decided"),
    ),
}


class CheckFailed(Exception):
    """The check was evaluated, and its threshold missed."""


class CheckInconclusive(Exception):
    """The check was evaluated, and its interval holds the threshold."""


class CheckError(Exception):
    """The check could not be evaluated."""


# ----------------------------------------------------------------------------------------------------------- options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the command line."""
    group = parser.getgroup("robustsuite", "robustness and calibration suites (robustsuite)")
    group.addoption("--suite", action="append", default=[], metavar="NAME|PATH", help="judge models by this suite (repeatable)")
    group.addoption(
        "--model",
        action="append",
        default=[],
        metavar="[ALIAS=]REF",
        help="a model: timm:NAME, torchvision:NAME, file.py:function, model.pt2, …",
    )
    group.addoption(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="where the images of a suite's data set are, or the name of one that needs no folder (repeatable)",
    )
    group.addoption("--baseline", default=None, metavar="RUN", help="the folder of an earlier run, for no_worse_than_baseline")
    group.addoption("--rs-resume", default=None, metavar="RUN", help="the folder of a run that was killed, to be taken up where it stopped")
    group.addoption(
        "--rs-reuse",
        action="append",
        metavar="DIR",
        help="a run, or a folder of runs: conditions that are known from there are not shown again (repeatable)",
    )
    group.addoption("--rs-shard", default=None, metavar="I/N", help="show part I of N of the images; robustsuite merge judges all parts")
    group.addoption("--reports", default=None, metavar="DIR", help="where runs are written (default: reports)")
    parser.addini("rs_reports", "where robustsuite writes its runs", default="reports")
    group.addoption("--rs-verbose", action="store_true", default=None, help="tell of every check in full, and of every condition")
    parser.addini("rs_verbose", "tell of every check in full, and of every condition", type="bool", default=False)
    for name, (default, text, choices) in OPTIONS.items():
        group.addoption(f"--rs-{name}", default=None, choices=choices, metavar=None if choices else name.upper(), help=text)
        parser.addini(f"rs_{name.replace('-', '_')}", text, default=default)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Leave the user's own tests alone where only a suite is asked for: their conftest files may need what a suite does not.

    A `conftest.py` beside the command's working directory is still loaded, for hooks and marks.
    """
    given = early_config.known_args_namespace
    asked = bool(given.suite) or any(argument.startswith("suite:") for argument in given.file_or_dir)
    if asked and all(argument.startswith("suite:") for argument in given.file_or_dir):
        beside = early_config.invocation_params.dir / "conftest.py"
        given.file_or_dir = [__file__, *([str(beside)] if beside.is_file() else [])]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take part only where a suite is asked for."""
    asked = [argument for argument in config.args if argument.startswith("suite:")]
    if not config.getoption("suite") and not asked:
        return
    try:
        plugin = SuitePlugin(config, asked)
    except _usage_error() as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(plugin, "robustsuite-suites")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(XdistHooks(plugin), "robustsuite-xdist")


def _usage_error() -> type[Exception]:
    from robustsuite.errors import UsageError

    return UsageError


def _option(config: pytest.Config, name: str) -> Any:
    given = config.getoption(f"--rs-{name}")
    value = config.getini(f"rs_{name.replace('-', '_')}") if given is None else given
    choices = OPTIONS[name][2]
    if choices and value and value not in choices:
        raise pytest.UsageError(f"expected rs_{name.replace('-', '_')} to be one of {', '.join(choices)}, got {value!r}")
    return value or None


def _number(config: pytest.Config, name: str, lowest: int) -> int | None:
    value = _option(config, name)
    if value in (None, "auto"):
        return None
    if not str(value).isdecimal() or int(value) < lowest:
        raise pytest.UsageError(f"expected --rs-{name} auto or a whole number of at least {lowest}, got {value!r}")
    return int(value)


# ------------------------------------------------------------------------------------------------------------- nodes


class SuiteFile(pytest.File):
    """A suite file; its node id is `suite:<name>`, wherever the file lies."""

    plugin: "SuitePlugin"
    suite: "Suite"

    def collect(self) -> Iterable["ModelNode"]:
        """One collector for each model."""
        for alias in self.plugin.references_for(self.suite):
            yield ModelNode.from_parent(self, name=alias)


class ModelNode(pytest.Collector):
    """A model under the suite."""

    parent: SuiteFile

    def collect(self) -> Iterable["CheckItem"]:
        """One item for each check."""
        for check in self.parent.suite.checks:
            yield CheckItem.from_parent(self, name=check.name, check=check)


class CheckItem(pytest.Item):
    """One check on one model."""

    def __init__(self, *, check: "Check", **options: Any):
        super().__init__(**options)
        node = self.parent
        assert isinstance(node, ModelNode)
        self.check, self.alias, self.suite, self.plugin = check, node.name, node.parent.suite, node.parent.plugin
        self.verdict: Verdict | None = None
        self.add_marker(pytest.mark.robustsuite(suite=self.suite.name, model=self.alias, metric=check.metric))

    def setup(self) -> None:
        """Wait for the verdict; a check that could not be evaluated is an ERROR and not a FAILURE."""
        self.verdict = self.verdict or self.plugin.pull(self)
        self.user_properties += _properties(self.verdict)
        if self.verdict.status == "error" and self.verdict.required:
            raise CheckError(_told(self.verdict))
        if self.verdict.status == "skipped":
            pytest.skip(_told(self.verdict))

    def runtest(self) -> None:
        """Turn the verdict into pytest's outcome."""
        verdict = self.verdict
        assert verdict is not None
        if not verdict.required:
            return
        if verdict.status == "failed":
            raise CheckFailed(_told(verdict))
        if verdict.status == "inconclusive":
            if self.plugin.decision(self.suite).inconclusive == "warn":
                pytest.skip(f"inconclusive: {_told(verdict)}")
            raise CheckInconclusive(_told(verdict))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict in words; a traceback only for what is none of ours."""
        if isinstance(excinfo.value, CheckFailed | CheckInconclusive | CheckError) and self.verdict is not None:
            gate = f" (asked for: {self.verdict.gate})" if self.verdict.gate else ""
            return f"{self.verdict.status}: {_told(self.verdict)}{gate}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The line of the suite file that states the check."""
        return self.path, max(self.check.line - 1, 0), f"{self.alias}: {self.name}"


# ------------------------------------------------------------------------------------------------------------ plugin


class SuitePlugin:
    """The suites of this session: what to run, how far it has come, and what became of it."""

    def __init__(self, config: pytest.Config, asked: Sequence[str]):
        from robustsuite import loading, suite_files

        self.config, self.asked = config, asked
        self.worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        given: dict[str, list[str]] = {name: config.getoption(name) or [] for name in ("suite", "model", "data")}
        names = [*given["suite"], *(argument.removeprefix("suite:").partition("::")[0] for argument in asked)]
        self.suites = {suite_files.locate(name).resolve(): suite_files.load(name) for name in dict.fromkeys(names)}
        if len({suite.name for suite in self.suites.values()}) < len(self.suites):
            raise _usage_error()("expected suites of different names; rename one of the files")
        self.references = loading.aliases(given["model"])
        for suite in self.suites.values():
            self.references_for(suite)
        self.data = loading.data_folders(given["data"], list(self.suites.values()))
        self.settings = self._settings()
        self.cluster = self._cluster()
        self.reused = tuple(map(Path, config.getoption("rs_reuse") or ()))
        self.baseline = Path(given_baseline) if (given_baseline := config.getoption("baseline")) else None
        self.resumed = self._resumed()
        for suite in self.suites.values():
            self.decision(suite)
        self.reports = Path(config.getoption("reports") or config.getini("rs_reports"))
        self.runs: dict[str, Run] = {}
        self.items: list[CheckItem] = []
        self.folders: dict[str, Path] = {}
        self.statuses: dict[str, str] = {}
        self.written: list[tuple[Any, Path]] = []
        self.announced: list[str] = []
        self.unwritten: list[str] = []  # why a report could not be written
        self.terminal: Any = None
        self._choose_arguments()
        config.addinivalue_line("markers", "robustsuite(suite, model, metric): a check of a robustness suite")

    def _settings(self) -> "Settings":
        from robustsuite.records import Settings

        return Settings(
            device=_option(self.config, "device"),
            batch_size=_number(self.config, "batch-size", 1),
            workers=_number(self.config, "workers", 0),
            amp=_option(self.config, "amp"),
            seed=_number(self.config, "seed", 0) or 0,
            shuffle=_option(self.config, "order") == "shuffled",
            keep=_option(self.config, "keep"),
            shard=self._shard(),
            unreadable=self._unreadable(),
            timeout=self._timeout(),
            explain=self._explain(),
        )

    def _unreadable(self) -> int:
        given = _option(self.config, "unreadable") or "error"
        policy, _, most = str(given).partition(":")
        if given != "error" and not (policy == "exclude" and most.isdecimal()):
            raise _usage_error()(f"expected --rs-unreadable error or exclude:N with a whole number N, got {given!r}")
        return int(most or 0)

    def _explain(self) -> "Explanation":
        method = _option(self.config, "explain")
        if method != "none":
            from robustsuite.explaining import require

            require(method)
        return method

    def _timeout(self) -> float | None:
        given = _option(self.config, "timeout")
        if given is None:
            return None
        try:
            seconds = float(given)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e6:  # false for NaN too
            raise _usage_error()(f"expected --rs-timeout as seconds above 0, got {given!r}")
        return seconds

    def _shard(self) -> tuple[int, int]:
        given = self.config.getoption("rs_shard") or "1/1"
        number, _, count = given.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise _usage_error()(f"expected --rs-shard I/N with I from 1 to N, such as 1/4, got {given!r}")
        if int(count) > 1 and _distributed(self.config):
            raise _usage_error()(
                "expected --rs-shard without -n: workers of a shard would each write a part of it; start more shards instead"
            )
        return int(number), int(count)

    def _cluster(self) -> "Cluster | None":
        """Where actors show the images; none where this process does."""
        where = _option(self.config, "executor")
        if where == "here":
            return None
        kind, _, address = where.partition("=")
        if kind != "ray":
            raise _usage_error()(f"expected --rs-executor here, ray or ray=ADDRESS, got {where!r}")
        if find_spec("ray") is None:
            raise _usage_error()("expected Ray for --rs-executor ray, which is not installed; pip install 'robustsuite[ray]'")
        if _distributed(self.config):
            raise _usage_error()("expected --rs-executor ray without -n: the actors are the workers; say how many with --rs-actors")
        from robustsuite.leasing import Cluster

        return Cluster(address, _number(self.config, "actors", 1))

    def _resumed(self) -> Path | None:
        given = self.config.getoption("rs_resume")
        if given is None:
            return None
        folder = Path(given)
        if len(self.suites) > 1:
            raise _usage_error()(f"expected one suite beside --rs-resume, got {len(self.suites)}; name the suite of {folder}")
        if not any(folder.glob("run-*.json")):
            raise _usage_error()(f"--rs-resume {folder}: expected the folder of a run, got none there; give the one that holds run-*.json")
        return folder

    def _choose_arguments(self) -> None:
        """Collect the suites, and the user's own tests only where they are named. Workers of xdist come through here too."""
        config = self.config
        own = [argument for argument in config.args if argument not in self.asked]
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            own = []
        config.args[:] = [*own, *(str(path) for path in self.suites)]
        if not own and config.getoption("tbstyle", "auto") == "auto":
            config.option.tbstyle = "no"  # the verdicts are told in a section of their own

    def references_for(self, suite: "Suite") -> dict[str, str]:
        """The models that a suite judges, by alias."""
        from robustsuite import loading

        if self.references:
            return self.references
        if suite.model is None:
            raise _usage_error()(f"suite {suite.name!r} names no model of its own: add --model, such as --model timm:resnet50")
        return {loading.alias_of(suite.model): suite.model}

    def decision(self, suite: "Suite") -> "Decision":
        """The suite's decision settings with what the command line changes in them."""
        from dataclasses import replace

        chosen: dict[str, Any] = {name: value for name in ("inconclusive", "stop", "target") if (value := _option(self.config, name))}
        if alpha := _option(self.config, "alpha"):
            try:
                chosen["alpha"] = float(alpha)
            except ValueError:
                chosen["alpha"] = -1.0
            if not 0 < chosen["alpha"] < 0.5:
                raise pytest.UsageError(f"expected --rs-alpha above 0 and below 0.5, got {alpha!r}")
        return replace(suite.decision, **chosen)

    # ------------------------------------------------------------------------------------------------- collecting

    def pytest_report_header(self) -> list[str]:
        """What is about to be judged, in a line for each suite."""
        return [f"robustsuite: {suite.title} · {', '.join(self.references_for(suite))}" for suite in self.suites.values()]

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
        """A suite file that was asked for."""
        suite = self.suites.get(file_path.resolve())
        if suite is None:
            return None
        node = SuiteFile.from_parent(parent, path=file_path, nodeid=f"suite:{suite.name}")
        node.plugin, node.suite = self, suite
        return node

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep what the node ids on the command line name."""
        if not self.asked:
            return
        kept, dropped = [], []
        for item in items:
            named = not isinstance(item, CheckItem) or any(_names(asked, item.nodeid) for asked in self.asked)
            (kept if named else dropped).append(item)
        for asked in self.asked:
            if not any(_names(asked, item.nodeid) for item in items):
                raise pytest.UsageError(f"no check is named {asked!r}; list them with --collect-only -q")
        if dropped:
            config.hook.pytest_deselected(items=dropped)
            items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is left after every deselection: only that is computed."""
        self.items = [item for item in session.items if isinstance(item, CheckItem)]
        for item in self.items:
            _narrow_xfail(item)

    # --------------------------------------------------------------------------------------------------- running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Items in the order in which they are decided; those of other plugins first, as they come.

        One item is held back so that its true successor is known when it is torn down.
        """
        if self.worker or session.config.option.collectonly or not self.items or _distributed(session.config):
            return None
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return None
        self.terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        others = [item for item in session.items if not isinstance(item, CheckItem)]
        held: pytest.Item | None = None
        for item in (*others, None):
            if item is None and not others:
                break
            if held is not None and item is not None:
                _run_item(session, held, item)
            held = item or held
        try:
            self._prepare()
            for item in self._decided(session):
                if held is not None:
                    _run_item(session, held, item)
                held = item
                if session.config.getoption("maxfail") and item.verdict and item.verdict.status in ("failed", "error"):
                    # Waiting for a successor would compute what -x is there to save.
                    held = None
                    _run_item(session, item, None)
            if held is not None:
                _run_item(session, held, None)
        finally:
            for run in self.runs.values():
                run.close()
        return True

    def _decided(self, session: pytest.Session) -> Iterator[CheckItem]:
        """The items, each as soon as it is decided."""
        from robustsuite.reporting.progress import Progress

        pending = list(self.items)
        early = bool(session.config.getoption("maxfail"))
        tw = self.terminal._tw if self.terminal else None
        live = bool(self.terminal and self.terminal.isatty and os.environ.get("TERM") != "dumb")  # --color=yes makes no terminal of a log
        progress = Progress(tw.write if tw else lambda text: None, live=live, flush=tw.flush if tw else lambda: None)
        while pending:
            for item in list(pending):
                item.verdict = self._verdict(item, early)
                if item.verdict is not None:
                    progress.clear()
                    pending.remove(item)
                    yield item
            run = next((run for run in self.runs.values() if not run.finished), None)
            if run is not None:
                self._advance(run)
                progress.show(run.suite.name, run.images_done, run.images_expected, len(run.plan.conditions), len(run.models), run.finished)
        progress.clear()

    def _advance(self, run: "Run") -> None:
        # The user's own warning filters (often "error") are meant for the user's tests, not for a model's libraries.
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                run.advance()
            except Exception as error:  # the engine itself broke: every check that is still waiting is an ERROR
                run.give_up(error)

    def _verdict(self, item: CheckItem, early: bool) -> "Verdict | None":
        run = self.runs[self._key(item)]
        return run.verdict(item.check, item.alias) or (run.certain_failure(item.check, item.alias) if early else None)

    def pull(self, item: CheckItem) -> "Verdict":
        """The verdict of an item whose turn it is, computed on the spot: for workers of xdist, and without our loop."""
        if self._key(item) not in self.runs:
            self._prepare(item)
        run = self.runs[self._key(item)]
        while not run.finished:  # to the end, for a worker's records must be whole when it stops
            self._advance(run)
        verdict = self._verdict(item, early=False)
        assert verdict is not None
        return verdict

    def _key(self, item: CheckItem) -> str:
        """What shares one pass over the images: a suite, or in a worker of xdist a suite and model."""
        return f"{item.suite.name}::{item.alias}" if self.worker else item.suite.name

    def _prepare(self, only: CheckItem | None = None) -> None:
        """Load models and data, and set up the runs; nothing is computed yet."""
        for suite in self.suites.values():
            items = [item for item in self.items if item.suite is suite and (only is None or self._key(item) == self._key(only))]
            if items:
                with warnings.catch_warnings():
                    warnings.simplefilter("default")
                    self.runs[self._key(items[0])] = self._run(suite, items)

    def _run(self, suite: "Suite", items: Sequence[CheckItem]) -> "Run":
        from dataclasses import replace

        from robustsuite import loading
        from robustsuite.running import Run
        from robustsuite.store import folder_for

        selected: dict[str, list[Check]] = {}
        for item in items:
            selected.setdefault(item.alias, []).append(item.check)
        try:
            references = self.references_for(suite)
            datasets = loading.load_datasets(suite, self.data)
            models: list[Model] = [loading.load_model(references[alias], alias) for alias in selected]
            if self.resumed is not None:
                self.folders[suite.name] = self.resumed
            if suite.name not in self.folders:
                self.folders[suite.name] = folder_for(self.reports, suite.name, list(selected))
            part = "-".join([str(list(references).index(next(iter(selected)))), *selected, self.worker or ""]).rstrip("-")
            decided, folder = replace(suite, decision=self.decision(suite)), self.folders[suite.name]
            resume, folders = self.resumed is not None, {name: Path(found) for name, found in self.data.items()}
            more: dict[str, Any] = {"reuse": self.reused, "cluster": self.cluster, "folders": folders}
            return Run(decided, selected, models, datasets, self.settings, folder, part, self.baseline, resume, **more)
        except _usage_error() as error:
            raise pytest.UsageError(str(error)) from None

    # ------------------------------------------------------------------------------------------------- reporting

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Put the status on the report, which travels from xdist's workers to its controller."""
        report = yield
        if isinstance(item, CheckItem) and (report.when == "call" or not report.passed):
            if report.skipped and report.when == "setup" and not hasattr(report, "wasxfail"):
                report.robustsuite_status = "skipped"
                report.robustsuite_required = item.verdict is None or item.verdict.required
            elif hasattr(report, "wasxfail") or item.verdict is None:
                report.robustsuite_status = "error" if report.failed else "passed"
            else:
                report.robustsuite_status = item.verdict.status
                report.robustsuite_required = item.verdict.required
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> Any:
        """A category of its own for what is inconclusive, and for what does not pass but only informs."""
        status = getattr(report, "robustsuite_status", "passed")
        if report.when == "call" and not getattr(report, "robustsuite_required", True) and status != "passed":
            return "informing", "i", (f"{status.upper()} (informs)", {"yellow": True})
        if getattr(report, "robustsuite_status", "") == "inconclusive":
            return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what became of each check; in a controller of xdist this is all there is to know."""
        if status := getattr(report, "robustsuite_status", ""):
            self.statuses[report.nodeid] = status if getattr(report, "robustsuite_required", True) else "passed"
        elif report.failed and report.nodeid.startswith("suite:"):
            self.statuses[report.nodeid] = "error"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, and choose the exit code."""
        if self.worker or session.config.option.collectonly:
            return
        interrupted = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
        if exitstatus != pytest.ExitCode.USAGE_ERROR:
            self._write_reports()
        if interrupted or exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            return
        from robustsuite.judging import exit_code

        stopped = bool(session.shouldfail or session.shouldstop)
        missing = [item for item in self.items if item.nodeid not in self.statuses and not stopped]
        found = [*self.statuses.values(), *["error" for _ in missing]]
        policies = {self.decision(suite).inconclusive for suite in self.suites.values()}
        strictest = next(policy for policy in ("hold", "fail", "warn") if policy in policies)
        code = exit_code([(status, True) for status in found], strictest)
        if self.unwritten and not code:  # a pass that nobody can read up on is none
            code = exit_code([("error", True)], strictest)
        if code:
            session.exitstatus = code

    def _write_reports(self) -> None:
        from robustsuite.assembling import assemble
        from robustsuite.github_actions import announce
        from robustsuite.writing import write

        self.runs.clear()  # and their records: reports are made from those on disk
        suites = {suite.name: suite for suite in self.suites.values()}
        told = []
        for name, folder in self.folders.items():
            if any(folder.glob("run-*.json")):
                try:
                    report = assemble(folder)
                    self.written.append((report, write(report, folder)))
                except _usage_error() as error:  # a full disk, or records that something else changed
                    self.unwritten.append(str(error))
                else:
                    told.append((report, suites[name]))
        self.announced = announce(told, os.environ)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What a person wants to know; the path of the report last."""
        from robustsuite.reporting.terminal import COLOURS, lines

        if self.worker:
            return
        if self.config.getoption("reportchars") == "fE" and self._alone():
            terminalreporter.reportchars = ""  # pytest's own list would say it all again
        given = self.config.getoption("rs_verbose")
        verbose = self.config.getini("rs_verbose") if given is None else given
        for line in self.announced:
            terminalreporter.ensure_newline()
            terminalreporter.write_line(line)
        for sentence in self.unwritten:
            terminalreporter.section("robustsuite: no report")
            terminalreporter.write_line(sentence, red=True)
        for report, path in self.written:
            terminalreporter.section(f"robustsuite: {report.suite}")
            for line in lines(report, verbose):
                colour = COLOURS.get(line[:1])
                terminalreporter.write_line(line, **({colour: True} if colour else {}))
            terminalreporter.write_line("")
            terminalreporter.write_line(f"report: {path}")

    def _alone(self) -> bool:
        return len(self.config.args) == len(self.suites)


def _told(verdict: "Verdict") -> str:
    """The reason for a log and for JUnit: with what a model or a file is named in it as text."""
    from robustsuite.reporting.plain import plain

    return plain(verdict.reason)


def _properties(verdict: "Verdict") -> list[tuple[str, str | float | int]]:
    """Status and numbers for JUnit: plain values only."""
    properties: list[tuple[str, str | float | int]] = [("status", verdict.status), ("metric", verdict.metric)]
    if verdict.measurement is not None:
        measured = verdict.measurement
        properties += [("value", measured.value), ("low", measured.low), ("high", measured.high), ("images", measured.samples)]
    if verdict.threshold is not None:
        properties.append(("threshold", verdict.threshold))
    return properties


def _names(asked: str, nodeid: str) -> bool:
    return nodeid == asked or nodeid.startswith(asked + "::")


def _narrow_xfail(item: CheckItem) -> None:
    """Let an xfail mark excuse a missed threshold, and nothing else: a model that crashes is not what was expected."""
    for place, mark in enumerate(item.own_markers):
        if mark.name == "xfail" and "raises" not in mark.kwargs:
            item.own_markers[place] = pytest.Mark("xfail", mark.args, {**mark.kwargs, "raises": CheckFailed}, _ispytest=True)


def _run_item(session: pytest.Session, item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def _distributed(config: pytest.Config) -> bool:
    return bool(config.getoption("numprocesses", None) or config.getoption("tx", None))


# ------------------------------------------------------------------------------------------------------------- xdist


class XdistHooks:
    """Registered only where xdist is there: each worker takes whole models, so that it decodes no image twice."""

    def __init__(self, plugin: SuitePlugin):
        self.plugin = plugin
        given = getattr(plugin.config, "workerinput", {})
        plugin.folders |= {name: Path(folder) for name, folder in json.loads(given.get("robustsuite_folders", "{}")).items()}
        if workers := int(given.get("workercount", 0)):
            # Each worker would otherwise start a thread for every core, and all of them would wait for each other.
            os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where to write. What can be wrong with data or models is found here, once, before any work."""
        from robustsuite import loading
        from robustsuite.store import folder_for

        plugin = self.plugin
        try:
            for suite in plugin.suites.values():
                if suite.name not in plugin.folders:
                    loading.load_datasets(suite, plugin.data)
                    references = plugin.references_for(suite)
                    for alias, reference in references.items():
                        loading.load_model(reference, alias)
                    fresh = plugin.resumed or folder_for(plugin.reports, suite.name, list(references))
                    plugin.folders[suite.name] = fresh
        except _usage_error() as error:
            raise pytest.UsageError(str(error)) from None
        node.workerinput["robustsuite_folders"] = json.dumps({name: str(folder.resolve()) for name, folder in plugin.folders.items()})

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Whole models to one worker; every other test on its own."""
        if config.getoption("dist") != "load":
            return None
        from xdist.scheduler import LoadScopeScheduling

        class LoadModels(LoadScopeScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return nodeid.rpartition("::")[0] if nodeid.startswith("suite:") else nodeid

        return LoadModels(config, log)
