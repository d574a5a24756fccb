"""`--rs-shard I/N` and `robustsuite merge`: the verdicts of one run, from processes that know nothing of each other."""

import sys
from pathlib import Path

import pytest
from toy import Toy

ROBUSTSUITE = sys.executable, "-c", "import sys; from robustsuite.cli import main; sys.exit(main())"


@pytest.fixture
def toy(pytester: pytest.Pytester) -> Toy:
    return Toy(pytester.path)


def test_shards_exit_with_0_and_merge_with_the_verdicts_code(pytester: pytest.Pytester, toy: Toy) -> None:
    whole = pytester.runpytest(*toy.arguments())
    for number in (1, 2):
        result = pytester.runpytest(
            *toy.arguments("--rs-shard", f"{number}/2", "--rs-batch-size", "4", f"--reports={pytester.path / 'shards'}")
        )
        result.assert_outcomes(skipped=3)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*shard * of 2: judged when all shards are*"])
    result = pytester.run(*ROBUSTSUITE, "merge", *map(str, (pytester.path / "shards").iterdir()))
    assert result.ret == whole.ret == 1
    result.stdout.fnmatch_lines(["*report: *report.html"])


@pytest.mark.parametrize("given", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_a_shard_that_there_is_not_is_told(pytester: pytest.Pytester, toy: Toy, given: str) -> None:
    result = pytester.runpytest(*toy.arguments(f"--rs-shard={given}"))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*expected --rs-shard I/N*"])


def test_workers_do_not_share_a_shard(pytester: pytest.Pytester, toy: Toy) -> None:
    result = pytester.runpytest(*toy.arguments("--rs-shard", "1/2", "-n", "2"))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*expected --rs-shard without -n*"])


def test_merging_nothing_that_is_a_shard_is_told(pytester: pytest.Pytester, toy: Toy) -> None:
    pytester.runpytest(*toy.arguments())
    (folder,) = Path("reports").iterdir()
    result = pytester.run(*ROBUSTSUITE, "merge", str(folder))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*got a whole run*"])
    assert [*Path("reports").iterdir()] == [folder]
