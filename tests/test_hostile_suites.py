"""Suite files that were spoilt or made to harm: each is refused in a sentence, quickly. Found by `benchmarks/fuzzing.py`, kept one by one."""

import time
from pathlib import Path

import pytest

from robustsuite import planning, suite_files
from robustsuite.errors import UsageError

HEAD = 'schema = 1\ntitle = "t"\n[data.a]\ndataset = "image_folder"\n[[check]]\nname = "c"\n'


def told(tmp_path: Path, content: bytes) -> str:
    """The sentence that a file is refused with."""
    path = tmp_path / "suite.toml"
    path.write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(UsageError) as caught:
        suite_files.load(str(path))
    assert time.monotonic() - begun < 2
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_no_utf_8_is_refused_with_its_name(tmp_path: Path) -> None:
    assert "expected a suite file in UTF-8" in told(tmp_path, HEAD.encode() + b'description = "caf\xe9"\n')


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"[" * 100_000,
        b"a = " + b"[" * 20_000 + b"]" * 20_000,
        b"a = " + b"{a = " * 20_000,
        b"schema = " + b"9" * 5_000,
        b"a." * 5_000 + b"b = 1",
    ],
)
def test_what_is_no_toml_or_endless_is_refused(content: bytes, tmp_path: Path) -> None:
    told(tmp_path, content)


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 20, "0x" + "f" * 5_000, "18446744073709551616"])
@pytest.mark.parametrize("key", ["at_least", "group_size", "metric_options = { bins", "no_worse_than_baseline", "severities", "what"])
def test_whole_numbers_beyond_64_bits_are_refused(number: str, key: str, tmp_path: Path) -> None:
    text = HEAD + (f"{key} = {number} }}\n" if "{" in key else f"{key} = {number}\n")
    assert "expected a whole number of at most 64 bits" in told(tmp_path, text.encode())


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize("key", ["at_least", "at_most", "no_worse_than_baseline", 'relative_to = "clean"\nat_least'])
def test_a_threshold_that_is_no_number_is_refused(number: str, key: str, tmp_path: Path) -> None:
    """A comparison with NaN is always false: no model could pass, or none fail."""
    assert "number" in told(tmp_path, f"{HEAD}{key} = {number}\n".encode())


@pytest.mark.parametrize(
    "epsilon",
    ['"1e999999999"', '"1/1e999999999"', '"' + "9" * 1_000_000 + '"', "inf", "nan", '"1e300"', "1e300", '"0x1"', '"1_0"', '"½"', '"٣"'],
)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_epsilon_that_would_be_worked_out_for_hours_or_is_none_is_refused(epsilon: str, norm: str, tmp_path: Path) -> None:
    assert "epsilon" in told(tmp_path, f'{HEAD}attack = "pgd"\nnorm = "{norm}"\nepsilon = {epsilon}\n'.encode())


def test_a_check_named_like_one_that_another_is_expanded_to_is_refused(tmp_path: Path) -> None:
    """Their verdicts would be told apart by nothing."""
    text = HEAD + 'corruptions = ["fog"]\nper = "corruption"\n[[check]]\nname = "c-fog"\n'
    assert ":10: check[1].name: expected a name of its own for each check, got 'c-fog' again" in told(tmp_path, text.encode())


def test_a_gate_and_its_comparison_have_names_of_their_own() -> None:
    suite = suite_files.parse(HEAD + "at_least = 0.5\nno_worse_than_baseline = 0.1\n", Path("suite.toml"))
    assert [check.name for check in suite.checks] == ["c", "c-against-baseline"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../conftest", "os:system", "builtins:eval", "torchattacks:__import__", "imagecorruptions:__doc__"]
)
@pytest.mark.parametrize("key", ["metric", "attack", "corruptions", "summary", "recalibration", "detector", "conformal", "diagnostic"])
def test_no_name_leads_out_of_the_catalog(key: str, name: str, tmp_path: Path) -> None:
    assert "unknown name" in told(tmp_path, f'{HEAD}{key} = "{name}"\nepsilon = 0.1\n'.encode())


def test_a_folder_in_the_place_of_a_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").mkdir()
    with pytest.raises(UsageError, match="expected a suite file at"):
        suite_files.load(str(tmp_path / "suite.toml"))


def test_a_suite_of_thousands_of_checks_is_read_and_planned_in_seconds() -> None:
    text = HEAD + "".join(f'[[check]]\nname = "c{number}"\nat_least = 0.5\n' for number in range(2_000))
    begun = time.monotonic()
    suite = suite_files.parse(text, Path("suite.toml"))
    assert len(planning.plan(suite, {"m": suite.checks}).conditions) == 1
    assert time.monotonic() - begun < 10
