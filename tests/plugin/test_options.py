"""The command line: what is collected, what is computed, and what bad arguments say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy import Toy


@pytest.fixture
def toy(pytester: pytest.Pytester) -> Toy:
    return Toy(pytester.path)


def test_without_a_suite_the_plugin_is_inert(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_own(): assert not {'torch', 'robustsuite.suite_files'} & set(sys.modules)")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*robustsuite: *")


def test_the_inert_plugin_imports_nothing_that_pytest_has_not_imported(pytester: pytest.Pytester) -> None:
    # So its start-up costs the reading of two files; benchmarks/startup.py says how long that takes.
    program = "import pytest, sys\nbefore = set(sys.modules)\nimport robustsuite.pytest_plugin\nprint(sorted(set(sys.modules) - before))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert answer.strip() == "['robustsuite', 'robustsuite.pytest_plugin']"


def test_ids_are_suite_model_and_check(pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest(*toy.arguments("--collect-only", "-q"))
    result.stdout.fnmatch_lines(["suite:toy::good::clean", "suite:toy::good::blurred", "suite:toy::good::impossible"])
    assert result.ret == 0


def test_collecting_touches_neither_model_nor_data(pytester: pytest.Pytester, toy: Toy) -> None:
    arguments = ["--suite", "toy", "--model", "absent.py:nothing", "--data", "images=absent", "--collect-only", "-q"]
    result = pytester.runpytest_subprocess(*arguments)
    result.stdout.fnmatch_lines(["suite:toy::nothing::clean"])
    assert result.ret == 0


def test_a_suite_alone_does_not_collect_own_tests(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    result = pytester.runpytest(*toy.arguments("--collect-only", "-q"))
    result.stdout.no_fnmatch_line("*test_own*")


def test_a_suite_alone_does_not_load_the_conftest_of_own_tests(pytester: pytest.Pytester, toy: Toy) -> None:
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "conftest.py").write_text("import a_package_that_only_developers_have")
    pytester.makeini("[pytest]\ntestpaths = tests")
    pytester.makeconftest("def pytest_report_header(): return 'the conftest beside is loaded'")
    result = pytester.runpytest_subprocess(*toy.arguments("-k", "clean"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["the conftest beside is loaded"])
    pytester.runpytest_subprocess("suite:toy::good::clean", *toy.arguments()[2:]).assert_outcomes(passed=1)


def test_own_tests_run_beside_a_suite_where_they_are_named(pytester: pytest.Pytester, toy: Toy) -> None:
    own = pytester.makepyfile(test_own="def test_own(): pass\ndef test_bad(): assert False")
    result = pytester.runpytest(*toy.arguments(str(own), "-k", "own or bad or clean"))
    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == 1


@pytest.mark.parametrize(
    ("selection", "conditions"),
    [
        (["-k", "clean"], ["images/clean"]),
        (["-m", "robustsuite(metric='accuracy')", "-k", "blurred"], ["images/clean", "images/defocus_blur-1", "images/defocus_blur-3"]),
        (["--deselect", "suite:toy::good::blurred", "--deselect", "suite:toy::good::impossible"], ["images/clean"]),
        (["suite:toy::good::clean"], ["images/clean"]),
    ],
)
def test_what_is_deselected_is_not_computed(pytester: pytest.Pytester, toy: Toy, selection: list[str], conditions: list[str]) -> None:
    import json

    pytester.runpytest(*toy.arguments(*selection))
    (run,) = pytester.path.glob("reports/*/run-*.json")
    assert json.loads(run.read_text())["conditions"] == conditions


def test_a_node_id_names_a_check_and_its_suite(pytester: pytest.Pytester, toy: Toy) -> None:
    arguments = ["suite:toy::good::clean", "--model", toy.reference(), "--data", str(toy.images)]
    pytester.runpytest(*arguments).assert_outcomes(passed=1)


def test_a_node_id_that_names_nothing_is_a_usage_error(pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest(*toy.arguments("suite:toy::good::claen"))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: no check is named 'suite:toy::good::claen'*"])


def test_last_failed_selects_the_failed_checks_alone(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments()).assert_outcomes(passed=2, failed=1)
    pytester.runpytest(*toy.arguments("--lf")).assert_outcomes(failed=1)


def test_two_suites_and_two_models_do_not_collide(pytester: pytest.Pytester, toy: Toy) -> None:
    from toy import TOY_SUITE

    toy.write_suite("twin", TOY_SUITE)
    result = pytester.runpytest(*toy.arguments("--suite", "twin", "--model", f"second={toy.reference('other')}", "-k", "clean", "-v"))
    result.assert_outcomes(passed=4)
    assert len(list(pytester.path.glob("reports/*/report.html"))) == 2


def test_a_suite_of_the_users_own_wins_over_a_shipped_one(pytester: pytest.Pytester, toy: Toy) -> None:
    from toy import TOY_SUITE

    toy.write_suite("quickstart", TOY_SUITE)
    pytester.runpytest(*toy.arguments(suite="quickstart")).assert_outcomes(passed=2, failed=1)


def test_a_path_to_a_suite_works(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments(suite="./suites/toy.toml")).assert_outcomes(passed=2, failed=1)


def test_ini_options_are_twins_of_the_command_line(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.makeini("[pytest]\nrs_reports = elsewhere\nrs_batch_size = 3\nrs_seed = 7")
    pytester.runpytest(*toy.arguments("-k", "clean")).assert_outcomes(passed=1)
    (summary,) = pytester.path.glob("elsewhere/*/results.json")
    assert '"seed": 7' in summary.read_text()


USAGE = [
    (["--suite", "tooy"], "unknown suite 'tooy'; did you mean 'toy'?"),
    (["--suite", "absent.toml"], "expected a suite file at absent.toml, got nothing there; check the path"),
    (["--suite", "toy"], "suite 'toy' names no model of its own: add --model, such as --model timm:resnet50"),
    (["--suite", "toy", "--model", "a.py:f", "--model", "b.py:f"], "expected models of different names, got 'f' twice*"),
    (
        ["--suite", "toy", "--model", "resnet50", "--data", "images={images}"],
        "unknown model 'resnet50'; expected one of the forms *timm:NAME*",
    ),
    (
        ["--suite", "toy", "--model", "absent.py:f", "--data", "images={images}"],
        "model 'absent.py:f': expected a Python file at absent.py*",
    ),
    (["--suite", "toy", "--model", "{models}:god", "--data", "images={images}"], "*expected a function 'god' in *good*"),
    (["--suite", "toy", "--model", "{models}:good"], "suite 'toy' needs images for 'images': add --data images=FOLDER*"),
    (["--suite", "toy", "--model", "{models}:good", "--data", "imges={images}"], "*unknown data 'imges'; did you mean 'images'?"),
    (["--suite", "toy", "--model", "{models}:good", "--data", "images=absent"], "*expected a folder *got nothing there; check the path"),
    (["--suite", "toy", "--model", "{models}:good", "--data", "images=empty"], "*got no folders; point at their parent"),
    (
        ["--suite", "toy", "--model", "{models}:good", "--data", "images={images}", "--rs-device", "cuda:9"],
        "expected a CUDA device, got 'cuda:9'*",
    ),
    (
        ["--suite", "toy", "--model", "{models}:good", "--data", "images={images}", "--rs-device", "gpu"],
        "expected a device such as auto*'gpu'",
    ),
    (
        ["--suite", "toy", "--model", "{models}:good", "--rs-batch-size", "0"],
        "expected --rs-batch-size auto or a whole number of at least 1*",
    ),
    (["--suite", "toy", "--model", "{models}:good", "--data", "images={images}", "--reports", "file"], "expected a folder for reports*"),
]


@pytest.mark.parametrize(("arguments", "sentence"), USAGE, ids=lambda value: value if isinstance(value, str) else None)
def test_bad_arguments_are_told_in_one_sentence(pytester: pytest.Pytester, toy: Toy, arguments: list[str], sentence: str) -> None:
    (toy.folder / "empty").mkdir()
    (toy.folder / "file").write_text("")
    filled = [argument.format(images=toy.images, models=toy.folder / "models.py") for argument in arguments]
    result = pytester.runpytest(*filled)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {sentence.replace('[', '[[]')}"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_mistakes_in_a_suite_are_told_all_at_once_with_file_line_and_key(pytester: pytest.Pytester, toy: Toy) -> None:
    path = toy.write_suite(
        "wrong", 'schema = 1\ntitle = "t"\n[data.images]\ndataset = "image_foldr"\n[[check]]\nname = "c"\nseverities = [7]\n'
    )
    result = pytester.runpytest("--suite", "wrong", "--model", "a.py:f")
    assert result.ret == 4
    shown = path.relative_to(pytester.path)
    result.stderr.fnmatch_lines(
        [
            f"ERROR: {shown} has 3 mistakes:",
            f"*{shown}:4: data.images.dataset: unknown name 'image_foldr'; did you mean 'image_folder'?",
            f"*{shown}:7: check[[]0[]].severities*",
            f"*{shown}:7: check[[]0[]].severities[[]0[]]: severity must be 1 to 5, got 7",
        ]
    )


def test_the_plugin_runs_in_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "pytest", "--suite", "smoke", "--model", "a.py:f", "--collect-only", "-q"]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "suite:smoke::f::clean-accuracy" in result.stdout


def test_a_data_set_that_needs_no_folder_may_stand_in_for_one(pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest("--suite", "toy", "--model", "digits-robust", "--data", "images=digits", "-k", "clean")
    result.assert_outcomes(passed=1)
