"""What machines read of a report: JSON with its schema, CSV, parquet, the Hugging Face Hub's files, MLflow and Weights & Biases."""

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
from example_report import IMAGES, MODELS, example_report, many_conditions
from hostile import HOSTILE, hostile_report

from robustsuite import UsageError, suite_grammar
from robustsuite.cli import main
from robustsuite.exporting import FORMS, export
from robustsuite.records import (
    Attacked,
    ClassResult,
    Condition,
    ConditionResult,
    Confusion,
    Corrupted,
    Diagnosed,
    Difference,
    Flip,
    Measurement,
    Report,
    ThreatModel,
    Verdict,
)
from robustsuite.reporting.csv import results_csv, to_csv, verdicts_csv
from robustsuite.reporting.flat import flat_metrics
from robustsuite.reporting.hugging_face import eval_results, model_index
from robustsuite.reporting.json import from_json, to_json
from robustsuite.reporting.schema import results_schema
from robustsuite.reporting.table import RESULT_COLUMNS, VERDICT_COLUMNS, rows, verdict_rows
from robustsuite.writing import read, write

ROOT = Path(__file__).parent.parent
HTTP = "https://example.org/report"

hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())


def with_everything() -> Report:
    """The example, with what only some runs find out."""
    attacked = Condition("digits", Attacked("pgd", ThreatModel("linf", Fraction(8, 255)), (("steps", 20),)))
    return replace(
        example_report(),
        classes=(ClassResult("digits-robust", "digits", "7", 60, 51, 55),),
        confusions=(Confusion("digits-robust", "digits", "7", "1", 6),),
        differences=(
            Difference("clean", "accuracy", "digits-standard", "digits-robust", 0.97, 0.96, 0.01, -0.01, 0.03, 600, 9, 3),
            Difference("blur", "accuracy", "digits-standard", "digits-robust", reason="the number is missing"),
        ),
        flips=(Flip("digits-standard", "digits-robust", attacked, "digit-1", "7", "1", "7"),),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with its outputs."""
    write(example_report(), tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------------------------- JSON


@pytest.fixture(scope="module")
def schema() -> jsonschema.protocols.Validator:
    jsonschema.Draft202012Validator.check_schema(results_schema())
    return jsonschema.Draft202012Validator(results_schema())


@pytest.mark.parametrize("report", [example_report(), with_everything(), many_conditions(2, 3), Report("s", "", (), (), ())])
def test_what_is_written_is_as_the_schema_says(report: Report, schema: jsonschema.protocols.Validator) -> None:
    schema.validate(json.loads(to_json(report)))
    assert from_json(to_json(report)) == report


def test_numbers_that_are_not_finite_are_as_the_schema_says(schema: jsonschema.protocols.Validator) -> None:
    odd = Verdict("c", "m", "failed", "", Measurement("accuracy", math.nan, -math.inf, math.inf, 1), "≥ 1", math.nan)
    schema.validate(json.loads(to_json(Report("s", "t", ("m",), (odd,), (ConditionResult("m", Condition("d"), 1, {"a": math.nan}),)))))


@hostile
def test_json_loses_no_name(name: str, schema: jsonschema.protocols.Validator) -> None:
    written = to_json(hostile_report(name))
    schema.validate(json.loads(written))
    assert from_json(written) == hostile_report(name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("classes"),
        lambda report: report.update(colour=1),
        lambda report: report.update(schema_version=1),
        lambda report: report["verdicts"][0].update(status="fine"),
        lambda report: report["results"][0].update(images="600"),
        lambda report: report["results"][21]["condition"]["perturbation"].update(epsilon=0.03),
        lambda report: report["results"][0]["condition"].update(perturbation="clean"),
    ],
)
def test_what_is_not_a_report_is_not_as_the_schema_says(spoil: object, schema: jsonschema.protocols.Validator) -> None:
    written = json.loads(to_json(example_report()))
    spoil(written)
    assert not schema.is_valid(written)


@pytest.mark.parametrize(("of", "file"), [("results", "results-2.json"), ("suite", "suite-1.json")])
def test_the_published_schema_is_what_the_command_prints(of: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", of]) == 0
    assert (ROOT / "docs" / "schemas" / file).read_text("utf-8") == capsys.readouterr().out


def test_the_schema_of_a_suite_is_printed_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == suite_grammar.json_schema()


def test_a_report_of_version_1_is_read_with_nothing_where_it_told_nothing() -> None:
    old = json.loads((ROOT / "tests" / "golden" / "results-1.json").read_text("utf-8"))
    assert old["schema_version"] == 1
    report = read(ROOT / "tests" / "golden" / "results-1.json")
    assert report.models == ("digits-robust", "digits-standard")
    assert [verdict.measurement.value for verdict in report.verdicts] == [one["measurement"]["value"] for one in old["verdicts"]]
    assert (report.classes, report.confusions, report.differences, report.flips) == ((), (), (), ())


def test_a_report_of_version_1_is_written_anew_as_version_2(schema: jsonschema.protocols.Validator) -> None:
    written = to_json(read(ROOT / "tests" / "golden" / "results-1.json"))
    schema.validate(json.loads(written))
    assert json.loads(written)["schema_version"] == 2


# -------------------------------------------------------------------------------------------------------------- CSV


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_there_is_a_row_for_each_model_condition_and_metric() -> None:
    report = example_report()
    found = cells(results_csv(report))
    assert list(found[0]) == list(RESULT_COLUMNS)
    told = {(row["model"], f"{row['dataset']}/{row['perturbation']}", row["metric"]): float(row["value"]) for row in found if row["metric"]}
    assert told == {
        (result.model, str(result.condition), metric): value for result in report.results for metric, value in result.metrics.items()
    }
    assert {row["images"] for row in found} == {str(IMAGES)}


def test_a_condition_that_could_not_be_measured_has_a_row_with_its_error() -> None:
    (row,) = [row for row in rows(example_report()) if row["error"]]
    assert (row["model"], row["perturbation"], row["metric"], row["value"]) == ("digits-standard", "defocus_blur-5", "", None)


@pytest.mark.parametrize(
    ("perturbation", "told"),
    [
        (None, ("clean", "clean", "", None, "", None)),
        (Corrupted("fog", 3), ("fog-3", "corruption", "fog", 3, "", None)),
        (Attacked("pgd", ThreatModel("linf", Fraction(8, 255))), ("pgd linf 8/255", "attack", "pgd", None, "linf", 8 / 255)),
        (Diagnosed("smoothing"), ("smoothing", "diagnostic", "smoothing", None, "", None)),
    ],
)
def test_a_row_says_what_was_done_to_the_images(perturbation: object, told: tuple) -> None:
    (row,) = rows(Report("s", "t", ("m",), (), (ConditionResult("m", Condition("d", perturbation), 1, {"accuracy": 0.5}),)))
    assert tuple(row[name] for name in ("perturbation", "kind", "name", "severity", "norm", "epsilon")) == told


def test_there_is_a_row_for_each_verdict() -> None:
    found = cells(verdicts_csv(example_report()))
    assert list(found[0]) == list(VERDICT_COLUMNS)
    for row, verdict in zip(found, example_report().verdicts, strict=True):
        assert (row["model"], row["check"], row["status"], row["gate"]) == (verdict.model, verdict.check, verdict.status, verdict.gate)
        assert row["value"] == ("" if verdict.measurement is None else repr(verdict.measurement.value))
        assert row["required"] == "true"


def test_a_formula_in_a_name_is_text_in_csv() -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1+1"]
    for cell in (row["a"] for row in cells(to_csv([{"a": formula} for formula in formulas], ["a"]))):
        assert cell.startswith("'")


def test_a_negative_number_in_csv_stays_a_number() -> None:
    (row,) = cells(to_csv([{"a": -0.25, "b": -3, "c": None, "d": True}], "abcd"))
    assert list(row.values()) == ["-0.25", "-3", "", "true"]


@hostile
def test_no_name_leaves_its_cell(name: str) -> None:
    for text, columns in ((results_csv(hostile_report(name)), RESULT_COLUMNS), (verdicts_csv(hostile_report(name)), VERDICT_COLUMNS)):
        text.encode()  # no half of a character is left
        found = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in found} == {len(columns)}
        assert len(found) == len(text.splitlines())
        assert all(character.isprintable() for row in found for cell in row for character in cell)
        assert not [cell for row in found for cell in row if cell.lstrip()[:1] in tuple("=+@")]


# ---------------------------------------------------------------------------------------------------------- parquet


def test_parquet_has_the_rows_and_the_types(run: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export(example_report(), run, "parquet") == [str(run / "results.parquet"), str(run / "verdicts.parquet")]
    assert parquet.read_table(run / "results.parquet").to_pylist() == rows(example_report())
    assert parquet.read_table(run / "verdicts.parquet").to_pylist() == verdict_rows(example_report())
    kinds = {field.name: str(field.type) for field in parquet.read_schema(run / "results.parquet")}
    assert (kinds["severity"], kinds["epsilon"], kinds["error"]) == ("int64", "double", "string")


def test_parquet_without_pyarrow_is_one_sentence(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", str(run), "--to", "parquet"]) == 4
    assert capsys.readouterr().err == "robustsuite: expected pyarrow to write parquet, got none; pip install 'robustsuite[parquet]'\n"


@hostile
def test_parquet_holds_any_name(name: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export(hostile_report(name), tmp_path, "parquet")
    found = parquet.read_table(tmp_path / "verdicts.parquet").to_pylist()
    assert found[0]["check"] == name.encode("utf-8", "replace").decode()


# ----------------------------------------------------------------------------------------------------- Hugging Face


def test_the_hubs_own_reader_finds_every_number_in_eval_results() -> None:
    yaml = pytest.importorskip("yaml")
    hub = pytest.importorskip("huggingface_hub")
    if not hasattr(hub, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub is older than .eval_results")
    report = replace(example_report(), provenance={"started": "2026-11-21 19:11:17 UTC"})
    found = hub.parse_eval_result_entries(yaml.safe_load(eval_results(report, "digits-robust", "org/robust-digits", HTTP)))
    mine = [verdict for verdict in report.verdicts if verdict.model == "digits-robust"]
    assert [(entry.task_id, entry.value) for entry in found] == [(verdict.check, verdict.measurement.value) for verdict in mine]
    assert {(entry.dataset_id, entry.date, entry.source_url) for entry in found} == {("org/robust-digits", "2026-11-21T19:11:17Z", HTTP)}
    assert found[0].notes == "accuracy of 600 images; target population; passed, gate ≥ 95 %; suite digits"


def test_a_check_without_a_number_is_not_in_eval_results() -> None:
    yaml = pytest.importorskip("yaml")
    tasks = [entry["dataset"]["task_id"] for entry in yaml.safe_load(eval_results(example_report(), "digits-standard", "org/name"))]
    assert "clean" in tasks
    assert "blur-worst" not in tasks


@pytest.mark.parametrize("dataset", ["digits", "org/name/more", "org/", "https://huggingface.co/org/name"])
def test_a_benchmark_that_cannot_be_on_the_hub_is_refused(dataset: str) -> None:
    with pytest.raises(UsageError, match="expected a data set of the Hub as ORG/NAME"):
        eval_results(example_report(), "digits-robust", dataset)


def test_the_hubs_own_reader_finds_every_number_in_a_model_index() -> None:
    yaml = pytest.importorskip("yaml")
    cards = pytest.importorskip("huggingface_hub.repocard_data")
    name, found = cards.model_index_to_eval_results(
        yaml.safe_load(model_index(example_report(), "digits-robust", "org/name"))["model-index"]
    )
    assert name == "digits-robust"
    mine = [verdict for verdict in example_report().verdicts if verdict.model == "digits-robust"]
    checks = {one.metric_name: one.metric_value for one in found if one.dataset_type == "org/name"}
    assert checks == {verdict.check: verdict.measurement.value for verdict in mine}
    clean = {one.metric_type: one.metric_value for one in found if one.dataset_type == "digits"}
    assert clean == example_report().results[0].metrics
    assert {one.task_type for one in found} == {"image-classification"}


@hostile
def test_yaml_holds_a_name_as_text(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    entry = yaml.safe_load(eval_results(hostile_report(name), name, "org/name"))[0]
    assert isinstance(entry["dataset"]["task_id"], str)
    assert entry["value"] == 0.25
    (index,) = yaml.safe_load(model_index(hostile_report(name), name))["model-index"]
    assert isinstance(index["name"], str)


# --------------------------------------------------------------------------------------------------------- trackers


def test_a_models_numbers_are_flat_and_complete() -> None:
    found = flat_metrics(example_report(), "digits-standard")
    assert found["checks/clean"] == 0.9733
    assert (found["passed/clean"], found["passed/blur-worst"]) == (1.0, 0.0)
    assert found["digits/contrast-5/accuracy"] == example_report().verdicts[16].measurement.value
    assert "checks/blur-worst" not in found
    assert all(math.isfinite(value) for value in found.values())


@hostile
def test_a_metrics_name_is_one_that_trackers_take(name: str) -> None:
    validation = pytest.importorskip("mlflow.utils.validation")
    found = flat_metrics(hostile_report(name), name)
    assert len(found) >= 7
    for metric, value in found.items():
        validation._validate_metric(metric, value, 0, 0)


def test_names_that_become_the_same_are_numbered() -> None:
    verdicts = [Verdict(check, "m", "passed", "", Measurement("accuracy", 0.5, 0.5, 0.5, 1)) for check in ("a:b", "a;b", "a#b")]
    found = flat_metrics(Report("s", "t", ("m",), tuple(verdicts), ()), "m")
    assert [name for name in found if name.startswith("checks")] == ["checks/a_b", "checks/a_b_2", "checks/a_b_3"]


def test_mlflow_keeps_numbers_facts_and_files(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    mlflow.set_tracking_uri(None)
    assert len(export(example_report(), run, "mlflow")) == len(MODELS)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("robustsuite digits")
    kept = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    assert set(kept) == set(MODELS)
    for model in MODELS:
        assert kept[model].data.metrics == pytest.approx(flat_metrics(example_report(), model))
        assert {file.path for file in client.list_artifacts(kept[model].info.run_id)} == {"report.html", "results.json"}
        assert kept[model].data.tags["device"] == "cpu, 2 cores"


def test_wandb_keeps_numbers_facts_and_files(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    program = (
        "import sys; from pathlib import Path; from robustsuite.exporting import export; from robustsuite.writing import read\n"
        "print('\\n'.join(export(read(Path(sys.argv[1])), Path(sys.argv[1]), 'wandb')))"
    )
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    # A process of its own: wandb starts a service that outlives a run.
    said = subprocess.run([sys.executable, "-c", program, str(run)], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == len(MODELS)
    assert all(model in said for model in MODELS)
    for folder in folders:
        summary, names = kept_by_wandb(folder)
        assert summary in [pytest.approx(flat_metrics(example_report(), model)) for model in MODELS]
        assert {"report.html", "results.json"} <= names


def kept_by_wandb(folder: Path) -> tuple[dict[str, float], set[str]]:
    """The summary and the names of files in the records of an offline run."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    summary, names = {}, set()
    for data in log_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        for item in record.summary.update:
            if item.key and not item.key.startswith("_"):  # its own facts have an underscore, or nested keys
                summary[item.key] = json.loads(item.value_json)
        names |= {one.path for one in record.files.files}
    return summary, names


def log_records(content: bytes, header: int = 7, block: int = 32 * 1024) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, which wandb writes after a header of seven bytes."""
    place, part = header, b""
    while place + header <= len(content):
        if block - place % block < header:
            place += block - place % block
            continue
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        part += content[place + header : place + header + size]
        place += header + size
        if kind in (1, 4):  # whole, or the last part
            yield part
            part = b""


@pytest.mark.parametrize(("form", "package"), [("mlflow", "mlflow"), ("wandb", "wandb")])
def test_a_tracker_that_is_not_installed_is_one_sentence(
    form: str, package: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", str(run), "--to", form]) == 4
    assert f"pip install {package}" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------- command


def test_export_writes_a_folder_for_each_model_of_the_hub(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "hugging-face", "--out", str(tmp_path / "out"), "--dataset", "org/name"]) == 0
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.yaml")}
    assert written == {
        f"hugging-face/{model}/{file}" for model in MODELS for file in ("model-index.yaml", ".eval_results/robustsuite.yaml")
    }
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_without_a_benchmark_there_is_a_model_index_and_a_hint(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "hugging-face"]) == 0
    assert "add --dataset ORG/NAME" in capsys.readouterr().out
    assert not list(run.rglob("robustsuite.yaml"))


def test_export_takes_a_results_json_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "results.json").write_bytes((run / "results.json").read_bytes())
    assert main(["export", str(tmp_path / "alone" / "results.json"), "--to", "csv"]) == 0
    assert (tmp_path / "alone" / "results.csv").read_bytes() == (run / "results.csv").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "csv", "--out", str(run / "results.json" / "in a file")]) == 4
    assert capsys.readouterr().err.endswith("got Not a directory; check --out\n")


def test_export_without_a_report_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "nothing"), "--to", "csv"]) == 4
    assert "expected a report's results.json" in capsys.readouterr().err


@pytest.mark.parametrize("form", [form for form in FORMS if form in ("parquet", "csv", "hugging-face")])
def test_any_name_is_exported_into_the_folder_and_nowhere_else(form: str, tmp_path: Path) -> None:
    for place, name in enumerate([*HOSTILE.values(), "../../up", "/root", "..", ""]):
        folder = tmp_path / "runs" / str(place)
        for line in export(hostile_report(name), folder, form, dataset="org/name"):
            assert Path(line).resolve().is_relative_to(folder)


def test_exporting_needs_no_torch() -> None:
    program = "import sys, robustsuite.exporting, robustsuite.github_actions\nassert not {'torch', 'pandas', 'pyarrow', 'mlflow', 'wandb'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
