"""A report in the forms that other tools read: parquet, CSV, the Hugging Face Hub's files, MLflow, Weights & Biases. No torch."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from robustsuite.errors import UsageError
from robustsuite.records import Report
from robustsuite.reporting.csv import results_csv, verdicts_csv
from robustsuite.reporting.flat import flat_metrics, tracked_name
from robustsuite.reporting.hugging_face import eval_results, model_index
from robustsuite.reporting.parquet import to_parquet
from robustsuite.reporting.table import RESULT_COLUMNS, VERDICT_COLUMNS, rows, verdict_rows
from robustsuite.reporting.wording import models
from robustsuite.store import write_whole

FORMS = ("parquet", "csv", "hugging-face", "mlflow", "wandb")

ATTACHED = ("report.html", "results.json")
"""The files of a run that trackers keep."""


def export(report: Report, run: Path, form: str, out: Path | None = None, dataset: str = "", source: str = "") -> list[str]:
    """Write the report in one of `FORMS`; returns where to, in words.

    Args:
        report: what is written.
        run: the folder it came from, of which trackers keep `ATTACHED`.
        form: one of `FORMS`.
        out: the folder to write files into; the run's own by default.
        dataset: of `hugging-face`: the Benchmark on the Hub, as `org/name`; without it there is no `.eval_results`.
        source: of `hugging-face`: an address where the report can be read.

    Raises:
        UsageError: a package that the form needs is not installed, a tracker refuses, or a file cannot be written.
    """
    out = out or run
    match form:
        case "parquet":
            return _written(
                out,
                {
                    "results.parquet": to_parquet(rows(report), RESULT_COLUMNS),
                    "verdicts.parquet": to_parquet(verdict_rows(report), VERDICT_COLUMNS),
                },
            )
        case "csv":
            return _written(out, {"results.csv": results_csv(report).encode(), "verdicts.csv": verdicts_csv(report).encode()})
        case "hugging-face":
            return _hugging_face(report, out, dataset, source)
    return _tracked(report, form, [run / name for name in ATTACHED if (run / name).is_file()])


def _hugging_face(report: Report, out: Path, dataset: str, source: str) -> list[str]:
    """A folder for each model, laid out as its repository on the Hub is."""
    files = {}
    for model in models(report):
        folder = f"hugging-face/{re.sub(r'[^A-Za-z0-9_.-]', '_', model)[:100].lstrip('.') or '_'}"
        files[f"{folder}/model-index.yaml"] = model_index(report, model, dataset).encode()
        if dataset:
            files[f"{folder}/.eval_results/robustsuite.yaml"] = eval_results(report, model, dataset, source).encode()
    missing = [] if dataset else ["no .eval_results: add --dataset ORG/NAME, the benchmark on the Hub that the results belong to"]
    return _written(out, files) + missing


def _tracked(report: Report, form: str, files: Sequence[Path]) -> list[str]:
    from robustsuite.trackers.mlflow import mlflow
    from robustsuite.trackers.wandb import wandb

    log = {"mlflow": mlflow, "wandb": wandb}[form]
    facts = {tracked_name(name): str(value) for name, value in report.provenance.items()}
    suite = tracked_name(report.suite).replace("/", "_")
    return [f"{model}: {log(suite, model, flat_metrics(report, model), facts, files)}" for model in models(report)]


def _written(out: Path, files: Mapping[str, bytes]) -> list[str]:
    for name, content in files.items():
        try:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, content)
        except OSError as error:
            raise UsageError(f"expected to write {out / name}, got {error.strerror or type(error).__name__}; check --out") from error
    return [str(out / name) for name in files]
