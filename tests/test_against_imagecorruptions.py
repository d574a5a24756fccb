"""Our kernels against the package `imagecorruptions`, draw for draw: what it computes right after `numpy.random.seed(i)`."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from corruption_reference import SEVERITIES, Replayed, apart, ours, photos

import robustsuite
from robustsuite.corruptions._imagecorruptions import NAMES, named

pytestmark = pytest.mark.skipif(find_spec("imagecorruptions") is None, reason="needs the package imagecorruptions")

OTHER_ALGORITHM = ("elastic_transform", "frost", "motion_blur", "snow")
"""Where the package is not the official code; `<name>_imagecorruptions` is."""

SIZES = {"224x224": (224, 224), "192x256": (192, 256)}
"""Height and width. The package keeps its constants for 224 pixels at any size, as the profile `imagenet` does.

At some other sizes it is not the official code either: its pixelate goes up by Pillow's NEAREST, which takes the other pixel
where BOX meets a tie (160 pixels, severity 3), and scipy's zoom may end in a black row or column, which we do not follow.
"""

SLOW = {"glass_blur": (1, 4)}
"""Severities compared where the package takes about a second for an image; all five are in `docs/corruption_fidelity.md`."""


class Numbered(Replayed):
    """The noise whose word for image `i` is `i`: the package's functions are seeded with it."""

    def integers(self, bound: int | torch.Tensor, *shape: int) -> torch.Tensor:
        return torch.arange(len(self.generators))


def ours_named(name: str) -> str:
    """Our file for a function of the package."""
    return f"{name}_imagecorruptions" if name in OTHER_ALGORITHM else name


def theirs(name: str, images: np.ndarray, severity: int) -> np.ndarray:
    """The package's levels of photos `[n, height, width, 3]`; photo `i` right after `numpy.random.seed(i)`."""
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return named(name)(given, severity, Numbered(len(images)), "imagenet").numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "severity"),
    [(name, severity) for name in NAMES if name != "impulse_noise" for severity in SLOW.get(name, SEVERITIES)],
)
def test_the_package_computes_the_same_levels(name: str, severity: int, size: str) -> None:
    images = photos(2, *SIZES[size])
    difference = apart(ours(ours_named(name), images, severity, "imagenet"), theirs(name, images, severity))
    assert difference.max() <= 1
    assert difference.mean() <= 0.03


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_has_the_packages_statistics(severity: int) -> None:
    """Its draws cannot be replayed: they come from a generator that no seed of numpy's reaches."""
    images = photos(4, 224, 224).clip(1, 254)  # so that every struck value shows
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    here = robustsuite.corrupt(given, "impulse_noise", severity, profile="imagenet").numpy().transpose(0, 2, 3, 1)
    there = theirs("impulse_noise", images, severity)
    values = images.size
    for extreme in (0, 255):
        shares = [(found == extreme).mean() for found in (here, there)]
        deviation = (2 * shares[1] * (1 - shares[1]) / values) ** 0.5
        assert abs(shares[0] - shares[1]) < 5 * deviation
    struck = here != images
    assert set(np.unique(here[struck])) == {0, 255}
    both = (struck[..., 0] & struck[..., 1]).mean()  # channels are struck independently
    assert both == pytest.approx(struck.mean() ** 2, abs=5 * (struck.mean() ** 2 / (values / 3)) ** 0.5)
