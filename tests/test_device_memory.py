"""How much memory a batch takes on the way of a GPU, traced without one."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from weakref import finalize

import pytest
import torch
from corruption_reference import SEVERITIES, photos
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from robustsuite import catalog
from robustsuite.corrupting import PROFILES, corrupt
from robustsuite.numerics import placement
from robustsuite.numerics.random import image_keys
from robustsuite.records import Corrupted
from robustsuite.roles import Levels

MOST = 12  # batches of float32 that live at once, beside the batch itself
BATCH = 4
TRACED = {"cifar": SEVERITIES, "tiny": SEVERITIES, "imagenet": (1, 3, 5)}


class Traced(TorchDispatchMode):
    """The bytes of the tensors that were made while it is entered: `live` now, and `most` at once.

    A view, and what is written in place, takes no memory of its own. What an operation takes for itself meanwhile is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = dict(storages((args, kwargs)))
        answer = func(*args, **(kwargs or {}))
        for address, storage in dict(storages(answer)).items():
            if address not in given:
                self.live += storage.nbytes()
                finalize(storage, self._freed, storage.nbytes())
        self.most = max(self.most, self.live)
        return answer

    def _freed(self, size: int) -> None:
        self.live -= size


def storages(values: object) -> Iterator[tuple[int, torch.UntypedStorage]]:
    """What the tensors among `values` lie in, with an address that tells one from another."""
    for value in tree_leaves(values):
        if isinstance(value, Tensor) and value.layout is torch.strided:
            yield value.untyped_storage()._cdata, value.untyped_storage()


def most_at_once(work: Callable[[], object]) -> int:
    """The bytes that `work` has alive at its peak, its answer among them."""
    with Traced() as memory:
        work()
    return memory.most


@cache
def scenes(height: int, width: int) -> Levels:
    return torch.from_numpy(photos(BATCH, height, width).transpose(0, 3, 1, 2).copy())


def batches_at_once(corruption: str, severity: int, profile: str) -> float:
    """The peak of corrupting a batch, which itself does not count, in batches of float32."""
    levels, keys = scenes(PROFILES[profile], PROFILES[profile]), image_keys([str(number) for number in range(BATCH)])
    corrupted = Corrupted(corruption, severity)
    corrupt(levels[:1], corrupted, keys[:1], seed=0, profile=profile)  # makes the tables that are kept, which do not count either
    return most_at_once(lambda: corrupt(levels, corrupted, keys, seed=0, profile=profile)) / (4 * levels.numel())


@pytest.fixture(scope="module")
def peaks() -> dict[str, dict[str, float]]:
    """By corruption and profile, in batches. From a process without the type checker, which keeps what functions let go of."""
    return json.loads(subprocess.run([sys.executable, __file__], check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.parametrize("corruption", catalog.names("corruptions"))
@pytest.mark.parametrize("profile", TRACED)
def test_a_batch_takes_little_memory_on_the_way_of_a_gpu(corruption: str, profile: str, peaks: dict[str, dict[str, float]]) -> None:
    assert peaks[corruption][profile] <= MOST


def test_only_what_lives_at_the_same_time_adds_up() -> None:
    given = torch.zeros(1000)

    def one_after_the_other() -> None:
        for _ in range(3):
            given.neg()

    assert most_at_once(one_after_the_other) == 4000
    assert most_at_once(lambda: (given + 1) + (given + 1)) == 12000


def test_a_view_and_what_is_written_in_place_take_no_memory() -> None:
    given = torch.zeros(10, 100)
    assert most_at_once(lambda: given.T[3:].add_(1).view_as(given.T[3:])) == 0
    assert most_at_once(lambda: (given + 1).mul_(2).flatten()[:5]) == 4000
    assert most_at_once(lambda: torch.add(given, 1, out=torch.empty_like(given))) == 4000


def test_a_small_part_keeps_the_whole_alive() -> None:
    given = torch.zeros(1000)

    def part_of_another() -> torch.Tensor:
        part = (given + 1)[:1]
        return part + (given + 1)

    assert most_at_once(part_of_another) == 12000


if __name__ == "__main__":
    placement.HOSTS = frozenset()
    print(
        json.dumps(
            {
                corruption: {
                    profile: max(batches_at_once(corruption, severity, profile) for severity in severities)
                    for profile, severities in TRACED.items()
                }
                for corruption in catalog.names("corruptions")
            }
        )
    )
