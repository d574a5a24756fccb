"""What a batch asks of a GPU: few launches, as many for any number of images, no waiting for a number, the answer of a processor."""

from functools import cache, partial

import pytest
import torch
from corruption_reference import SEVERITIES, photos
from launches import launched

from robustsuite import catalog
from robustsuite.corrupting import PROFILES, corrupt
from robustsuite.numerics import jpeg, placement
from robustsuite.numerics.random import image_keys
from robustsuite.records import Corrupted
from robustsuite.roles import Levels

MOST = 100  # launches per batch

every_corruption = pytest.mark.parametrize("corruption", catalog.names("corruptions"))


@cache
def scenes(count: int, height: int, width: int) -> Levels:
    return torch.from_numpy(photos(count, height, width).transpose(0, 3, 1, 2).copy())


def corrupted(corruption: str, severity: int, profile: str, count: int, height: int, width: int) -> Levels:
    keys = image_keys([str(number) for number in range(count)])
    return corrupt(scenes(count, height, width), Corrupted(corruption, severity), keys, seed=0, profile=profile)


@every_corruption
@pytest.mark.parametrize(("profile", "side"), PROFILES.items())
def test_a_batch_takes_few_launches_however_many_images(corruption: str, profile: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for severity in SEVERITIES:
        few, more = (launched(partial(corrupted, corruption, severity, profile, count, side, side), monkeypatch) for count in (2, 5))
        assert len(few) <= MOST
        assert few == more


@pytest.mark.parametrize("quality", [20, 85])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (71, 34), (1, 8)])
def test_saving_as_jpeg_takes_few_launches(quality: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(launched(partial(jpeg.round_trip, scenes(3, height, width), quality), monkeypatch)) <= MOST


@every_corruption
@pytest.mark.parametrize(
    ("profile", "height", "width"), [("cifar", 32, 32), ("tiny", 64, 64), ("imagenet", 40, 72), ("imagenet-299", 91, 50)]
)
def test_the_way_of_a_gpu_ends_where_the_processors_does(
    corruption: str, profile: str, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for severity in SEVERITIES:
        here = corrupted(corruption, severity, profile, 3, height, width).int()
        with monkeypatch.context() as patch:
            patch.setattr(placement, "HOSTS", frozenset())
            there = corrupted(corruption, severity, profile, 3, height, width).int()
        difference = (here - there).abs()
        assert difference.max() <= 1
        assert difference.count_nonzero() <= difference.numel() / 1000
