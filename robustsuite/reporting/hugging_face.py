"""A model's verdicts as the Hugging Face Hub reads them: `.eval_results/*.yaml`, and `model-index` for the front of a README.

Source: `docs/hub/eval-results.md` and `eval_results.yaml` of huggingface/hub-docs, as changed by its pull requests 2107, 2179 and 2183: a
list of entries. Each has `dataset` {`id`: a Benchmark on the Hub, `task_id`: a task in its `eval.yaml`, both required; `revision`} and
`value`, and where they are known `date` (ISO 8601), `source` {`url` required; `name`, `user`, `org`}, `notes`, `verifyToken` (of the Hub's
own jobs alone). `model-index` is the older form, which the Hub still shows for what is not a Benchmark: `modelcard.md` there,
`repocard_data.py` of huggingface_hub.
"""

import re
from typing import Any

import yaml

from robustsuite.errors import UsageError
from robustsuite.records import Report, Verdict
from robustsuite.reporting import wording
from robustsuite.reporting.plain import plain
from robustsuite.reporting.table import finite

TASK = "image-classification"


def eval_results(report: Report, model: str, dataset: str, source: str = "") -> str:
    """The file `.eval_results/robustsuite.yaml` of a model: an entry for each check of which a number is known.

    Args:
        report: of which the model's verdicts are taken.
        model: its alias.
        dataset: the Benchmark on the Hub, as in `org/name`; each check is a task of it.
        source: an address where the report can be read.

    Raises:
        UsageError: `dataset` is not of the form `org/name`.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset):
        raise UsageError(f"expected a data set of the Hub as ORG/NAME, got {dataset!r}; give the benchmark that the results belong to")
    date = _date(report)
    entries = []
    for verdict in _measured(report, model):
        entry: dict[str, Any] = {"dataset": {"id": dataset, "task_id": plain(verdict.check)}, "value": _value(verdict)}
        entry |= {"date": date} if date else {}
        entry |= {"source": {"url": source, "name": "robustsuite report"}} if source else {}
        entries.append({**entry, "notes": _notes(report, verdict)})
    return _yaml(entries)


def model_index(report: Report, model: str, dataset: str = "") -> str:
    """The key `model-index` for the front matter of a model's README: every known number of a check, and of clean images.

    The checks are of the data set `dataset` (`org/name`), or of one named after the suite; clean images of the suite's data sets.
    """
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    suite, title = plain(report.suite), plain(report.title or report.suite)
    found = [
        EvalResult(TASK, dataset or suite, title, wording.metric_of(verdict), _value(verdict), metric_name=plain(verdict.check))
        for verdict in _measured(report, model)
    ]
    for result in report.results:
        if result.model == model and result.condition.perturbation is None:
            name = plain(result.condition.dataset)
            numbers = {metric: finite(result.metrics[metric]) for metric in wording.metric_order(result.metrics)}
            found += [EvalResult(TASK, name, f"{name}, clean", metric, value) for metric, value in numbers.items() if value is not None]
    return _yaml({"model-index": eval_results_to_model_index(plain(model), found)})


def _measured(report: Report, model: str) -> list[Verdict]:
    return [one for one in report.verdicts if one.model == model and one.measurement and finite(one.measurement.value) is not None]


def _value(verdict: Verdict) -> float:
    assert verdict.measurement is not None
    return float(verdict.measurement.value)


def _notes(report: Report, verdict: Verdict) -> str:
    """What the number is, and what was asked of it."""
    assert verdict.measurement is not None
    asked = f"{verdict.status}, gate {wording.gate(verdict)}" if verdict.gate else "no gate"
    of = f"{wording.metric_of(verdict)} of {wording.images(verdict.measurement.samples)}"
    return plain(f"{of}; target {report.decision.target}; {asked}; suite {report.suite}")


def _date(report: Report) -> str:
    """When the run began, as ISO 8601; empty where that is not known."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC", str(report.provenance.get("started", "")))
    return f"{found[1]}T{found[2]}Z" if found else ""


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
