"""The recipes of docs/ci and the composite action: every script in them is run as the service would run it, with what it needs in stubs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import warm_commands
import yaml

from robustsuite import suite_files

ROOT = Path(__file__).parent.parent
CI = ROOT / "docs" / "ci"
WORKFLOWS = [CI / "github-actions.yml", CI / "pre-release-gate.yml"]
GITHUB = [*WORKFLOWS, ROOT / "action.yml"]

PYTHON = """#!/bin/sh
# Installs nothing: what it was asked for is noted.
if [ "$1 $2 $3" = "-m pip install" ]; then shift 3; echo "$@" >> "$PLACE/installed"; exit 0; fi
exec {python} "$@"
"""
GH = """#!/bin/sh
# The last successful run has number 41, if an earlier run has been kept.
echo "$@" >> "$PLACE/asked"
case "$1 $2" in
  "run list") if [ -d "$PLACE/kept" ]; then echo 41; fi ;;
  "run download") test "$3" = 41; cp -r "$PLACE/kept" baseline ;;
esac
"""
MODELS = """
import robustsuite

def network(): return robustsuite.load_model("digits-robust").classifier
def worse():
    inner = robustsuite.load_model("digits-robust").classifier
    return lambda images: inner(images * (images.mean(dim=(1, 2, 3)) < 0.33)[:, None, None, None])
"""


def read(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of the only job, or of the action."""
    recipe = read(path)
    if "runs" in recipe:
        return recipe["runs"]["steps"]
    (job,) = recipe["jobs"].values()
    return job["steps"]


def step(path: Path, name: str) -> dict[str, Any]:
    (found,) = (one for one in steps(path) if one.get("name") == name)
    return found


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_commands.installed(tmp_path_factory.mktemp("bin") / "warm") as folder:
        yield folder


@pytest.fixture
def place(tmp_path: Path, commands: Path) -> Path:
    """A checkout on a runner, with stubs of what a runner has, before everything else on the path."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in (("python", PYTHON.format(python=sys.executable)), ("gh", GH)):
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    checkout = tmp_path / "checkout"
    (checkout / "suites").mkdir(parents=True)
    (checkout / "models.py").write_text(MODELS)
    shutil.copy(CI / "release.toml", checkout / "suites")
    return tmp_path


def substituted(value: str, inputs: Mapping[str, str]) -> str:
    """What the service makes of `${{ inputs.NAME }}`."""
    found = re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: inputs[match[1]], value)
    return found.replace("${{ github.token }}", "a token")


def run(place: Path, commands: Path, script: str, variables: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> Any:
    """Run a script as GitHub does: bash stops at the first mistake, the summary's file is there, the checkout is the folder."""
    kept = {name: os.environ[name] for name in ("HOME", "PYTHONPATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "PATH": f"{place / 'stubs'}:{commands}:/usr/bin:/bin",
        "PLACE": str(place),
        "OMP_NUM_THREADS": "1",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(place / "checkout"),
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        "GITHUB_ACTION_PATH": "/the/action",
        **{name: substituted(str(value), inputs or {}) for name, value in variables.items()},
    }
    shell = ["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, cwd=place / "checkout", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# --------------------------------------------------------------------------------------------------------- as they are


@pytest.mark.parametrize("path", [*GITHUB, CI / "gitlab-ci.yml"], ids=lambda path: path.name)
def test_a_recipe_can_be_read_and_names_no_host_of_packages(path: Path) -> None:
    assert read(path)
    assert not re.search(r"https?://", path.read_text().replace("git+https://...", ""))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_actions_are_pinned_by_their_major_version(path: Path) -> None:
    for one in steps(path):
        assert ("uses" in one) != ("run" in one)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", one.get("uses", "actions/checkout@v5"))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_nothing_that_a_user_types_is_pasted_into_a_script(path: Path) -> None:
    for one in steps(path):
        assert "${{" not in one.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_ends_in_time(path: Path) -> None:
    recipe = read(path)
    assert set(recipe["permissions"].values()) == {"read"}
    for job in recipe["jobs"].values():
        assert job["timeout-minutes"] <= 120
        assert {"runs-on", "steps"} <= set(job)
    assert {"name", True, "jobs"} <= set(recipe)  # YAML 1.1 reads the key `on` as true


def test_every_input_of_the_action_is_described_and_used() -> None:
    recipe = read(ROOT / "action.yml")
    text = (ROOT / "action.yml").read_text()
    assert {"suite", "model", "data", "arguments", "reports", "python"} <= set(recipe["inputs"])
    for name, told in recipe["inputs"].items():
        assert told["description"]
        assert told.get("required") or "default" in told
        assert f"inputs.{name} " in text
    assert all("shell" in one for one in steps(ROOT / "action.yml") if "run" in one)


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_reports_are_kept_whatever_the_verdict(path: Path) -> None:
    uploads = [one for one in steps(path) if "upload-artifact" in one.get("uses", "")]
    assert any(str(one.get("if", "")).startswith("always()") for one in uploads)


def test_the_suite_of_the_gate_is_one() -> None:
    suite = suite_files.load(str(CI / "release.toml"))
    assert {check.name for check in suite.checks if check.gate and check.gate.bound == "no_worse"} == {
        f"{name}-against-baseline" for name in ("clean", "everyday", "confidence")
    }


# ---------------------------------------------------------------------------------------------------------- as they run


def test_the_workflow_installs_judges_and_leaves_reports_and_a_summary(place: Path, commands: Path) -> None:
    path = CI / "github-actions.yml"
    variables = read(path)["env"]
    assert run(place, commands, step(path, "Install")["run"], variables).returncode == 0
    assert (place / "installed").read_text() == "robustsuite\n"
    judged = run(place, commands, step(path, "Judge")["run"] + " -k clean-accuracy", variables)
    assert judged.returncode == 0, judged.stdout
    assert (place / "checkout" / "reports" / "junit.xml").is_file()
    assert list((place / "checkout" / "reports").glob("quickstart-*/report.html"))


@pytest.mark.slow
def test_a_model_that_fails_fails_the_step(place: Path, commands: Path) -> None:
    path = CI / "github-actions.yml"
    judged = run(place, commands, step(path, "Judge")["run"] + " -k fgsm --model digits-standard", read(path)["env"])
    assert judged.returncode == 1, judged.stdout
    assert list((place / "checkout" / "reports").glob("quickstart-*/report.html"))


@pytest.mark.slow
def test_the_gitlab_job_judges_and_stops_at_the_first_mistake(place: Path, commands: Path) -> None:
    job = read(CI / "gitlab-ci.yml")["robustness"]
    install, judge = job["script"]
    for arguments, code in ((" -k clean-accuracy", 0), (" --model nothing:at-all", 4)):
        judged = run(place, commands, f"{install}\n{judge}{arguments}", {"ROBUSTSUITE": job["variables"]["ROBUSTSUITE"]})
        assert judged.returncode == code, judged.stdout
    assert job["artifacts"]["when"] == "always"
    assert (place / "checkout" / job["artifacts"]["reports"]["junit"]).is_file()


ACTION = {"suite": "quickstart", "model": "", "data": "", "arguments": "", "reports": "reports", "artifact": "", "python": "3.12"}


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"arguments": "-k\nclean-accuracy"}, 0),
        ({"arguments": "-k\nfgsm", "model": "digits-standard", "reports": "some where"}, 1),
        pytest.param(
            {"suite": "smoke", "model": "digits-robust\nother=digits-standard\n", "data": "images=digits", "arguments": "-k\nclean-acc"},
            0,
            marks=pytest.mark.slow,
        ),
        ({"model": "$(touch pasted)"}, 4),
    ],
    ids=["passes", "fails", "several models", "a model that is a command"],
)
def test_the_action_passes_its_inputs_on_and_its_exit_code_back(inputs: dict[str, str], code: int, place: Path, commands: Path) -> None:
    inputs = ACTION | inputs
    install, judge = (step(ROOT / "action.yml", name) for name in ("Install", "Judge"))
    assert run(place, commands, install["run"], {}).returncode == 0
    assert (place / "installed").read_text() == "/the/action\n"
    judged = run(place, commands, judge["run"], judge["env"], inputs)
    assert judged.returncode == code, judged.stdout
    assert not (place / "checkout" / "pasted").exists()
    if code < 2:
        assert (place / "checkout" / inputs["reports"] / "junit.xml").is_file()


def release(place: Path, commands: Path, model: str) -> tuple[int, str]:
    """Run the pre-release gate on a fresh runner; keep what it would keep. The exit code of the first step that fails, and what it printed."""
    path = CI / "pre-release-gate.yml"
    shutil.rmtree(place / "checkout" / "reports", ignore_errors=True)
    for name in ("baseline", "run-of-the-release"):
        shutil.rmtree(place / "checkout" / name, ignore_errors=True)
    for one in steps(path):
        if "run" in one:
            variables = read(path)["env"] | {"DATA": "images=digits"} | one.get("env", {})
            done = run(place, commands, one["run"], variables, {"model": model})
            if done.returncode:
                return done.returncode, done.stdout
        elif one.get("with", {}).get("name") == "run-of-the-release":
            shutil.rmtree(place / "kept", ignore_errors=True)
            shutil.copytree(place / "checkout" / one["with"]["path"], place / "kept")
    return 0, ""


def judged_in(run: Path) -> set[str]:
    return {verdict["check"] for verdict in json.loads((run / "results.json").read_text())["verdicts"]}


@pytest.mark.slow
def test_the_gate_compares_each_release_with_the_one_before(place: Path, commands: Path) -> None:
    first, told = release(place, commands, "models.py:network")
    assert first == 0, told
    assert judged_in(place / "kept") == {"clean", "everyday", "confidence"}
    second, told = release(place, commands, "models.py:network")
    assert second == 0, told
    assert "clean-against-baseline" in judged_in(place / "kept")
    third, told = release(place, commands, "models.py:worse")
    assert third == 1, told
    assert "clean-against-baseline" in told
