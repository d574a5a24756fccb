"""Attacks that are not free value by value: a patch, a plain square, rotations and shifts, brightness alone."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from scipy import ndimage
from test_every_attack import Convolutional, photos
from torch import Tensor, nn

import robustsuite
from robustsuite.attacks import patch, spatial
from robustsuite.numerics.random import KeyedNoise
from robustsuite.records import ThreatModel

NO_NOISE = KeyedNoise(torch.zeros(1, dtype=torch.int64))


class Corner(nn.Module):
    """Sees one corner of 4 x 4 pixels alone: class 1 where it is brighter than grey."""

    def forward(self, images: Tensor) -> Tensor:
        value = images[:, :, -4:, -4:].mean(dim=(1, 2, 3)) - 0.5
        return 10 * torch.stack([-value, value], dim=1)


def test_a_patch_finds_the_place_that_matters_first() -> None:
    images, labels = torch.full((3, 3, 16, 16), 0.6), torch.ones(3, dtype=torch.long)
    result = robustsuite.attack(Corner(), images, labels, "patch", norm="l0", epsilon=16)
    assert not result.robust.any()
    assert result.first_success.max() <= 4  # one look at the gradient, and steps at the best place alone
    changed = (result.adversarial != images).any(dim=1)
    assert bool(changed[:, -4:, -4:].all())
    assert int(changed.sum()) == 3 * 16
    assert result.distance.tolist() == [16.0] * 3


@pytest.mark.parametrize("epsilon", [1, 8, 9, 15, 16, 17])
def test_a_patch_is_the_largest_square_within_its_pixels(epsilon: int) -> None:
    model, images = Convolutional().eval(), photos(4)
    labels = model(images).argmax(dim=1)
    changed = (robustsuite.attack(model, images, labels, "patch", norm="l0", epsilon=epsilon).adversarial != images).any(dim=1)
    for image in changed:
        rows, columns = (image.any(dim=1 - side).nonzero()[:, 0] for side in (0, 1))
        if len(rows):
            assert max(int(part.max() - part.min()) + 1 for part in (rows, columns)) <= int(epsilon**0.5)


def test_an_occlusion_is_one_colour() -> None:
    model, images = Convolutional().eval(), photos(6)
    labels = model(images).argmax(dim=1)
    result = robustsuite.attack(model, images, labels, "occlusion", norm="l0", epsilon=100, tries=10)
    for image, clean in zip(result.adversarial, images, strict=True):
        covered = image[:, (image != clean).any(dim=0)]
        assert covered.shape[1] in range(95, 101)
        assert bool((covered == covered[:, :1]).all())


def test_the_grid_is_searched_exactly() -> None:
    model, images = Convolutional().eval(), photos(10, 15, 15)
    labels = model(images).argmax(dim=1)
    result = robustsuite.attack(model, images, labels, "spatial", norm="spatial", epsilon=0.1, angles=5, shifts=3)
    answers = torch.stack([model(torch.stack([moved(image, number) for image in images])).argmax(dim=1) for number in range(45)])
    assert torch.equal(result.robust, (answers == labels).all(dim=0))
    assert 0 < result.robust.sum() < 10
    assert result.backwards == 0


def moved(image: Tensor, number: int) -> Tensor:
    """Point `number` of a grid of 5 angles and 3 x 3 shifts, by scipy."""
    angle = (-30, -15, 0, 15, 30)[number % 5]
    across, down = ((-1.5, 0, 1.5)[number // 5 % 3], (-1.5, 0, 1.5)[number // 15 % 3])
    radians = torch.tensor(angle * torch.pi / 180)
    cosine, sine = float(radians.cos()), float(radians.sin())
    matrix, centre = torch.tensor([[cosine, sine], [-sine, cosine]]), torch.tensor([7.0, 7.0])
    offset = centre - matrix @ (centre + 0) - torch.tensor([down, across])
    turned = [ndimage.affine_transform(channel, matrix, offset, order=1, mode="grid-constant") for channel in image.numpy()]
    return torch.stack([torch.from_numpy(channel) for channel in turned]) if number != 22 else image


def test_turns_and_shifts_are_those_of_scipy() -> None:
    images = photos(1, 15, 15)
    state = spatial.start(
        images, torch.zeros(1, dtype=torch.long), torch.zeros(1, 2), ThreatModel("spatial", Fraction("0.1")), NO_NOISE, 5, 3
    )
    for number in range(45):
        found = spatial._moved(replace(state, taken=torch.tensor([number])))
        assert torch.allclose(found[0], moved(images[0], number), atol=1e-4), number


def test_places_of_a_patch_cover_the_image() -> None:
    images = photos(1, 12, 20)
    state = patch.start(images, torch.zeros(1, dtype=torch.long), torch.zeros(1, 2), ThreatModel("l0", Fraction(16)), NO_NOISE, places=9)
    tops, lefts = patch._corners(state)
    assert sorted(set(tops.tolist())) == [0, 2, 4, 6, 8]
    assert sorted(set(lefts.tolist())) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert len(set(zip(tops.tolist(), lefts.tolist(), strict=True))) == len(tops) == 45


def test_luma_moves_the_channels_of_a_pixel_together_and_no_colour() -> None:
    model, images = Convolutional().eval(), photos(12)
    images[0], images[1] = 0.0, 1.0
    labels = model(images).argmax(dim=1)
    alone, free = (robustsuite.attack(model, images, labels, attack, norm="linf", epsilon=0.1) for attack in ("luma", "pgd"))
    change = alone.adversarial - images
    assert torch.allclose(change, change[:, :1].expand(-1, 3, -1, -1), atol=1e-6)
    assert 0.09 < float(change.abs().max()) <= 0.1 + 1e-6
    assert free.robust.sum() <= alone.robust.sum() < 12  # what moves freely is stronger; this is not nothing
    to_ycc = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    assert float(torch.einsum("ij,bjhw->bihw", to_ycc, change)[:, 1:].abs().max()) < 1e-6


class Bright(nn.Module):
    """Class 1 where the image is bright: brightness is all that matters."""

    def forward(self, images: Tensor) -> Tensor:
        value = 20 * (images.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-value, value], dim=1)


@pytest.mark.parametrize(("epsilon", "stands"), [(0.09, True), (0.11, False)])
def test_luma_is_as_strong_as_anything_where_brightness_decides(epsilon: float, stands: bool) -> None:
    images, labels = torch.full((4, 3, 8, 8), 0.6), torch.ones(4, dtype=torch.long)
    result = robustsuite.attack(Bright(), images, labels, "luma", norm="linf", epsilon=epsilon)
    assert result.robust.tolist() == [stands] * 4
