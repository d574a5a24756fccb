"""A suite that judges perturbation sequences: the frames a model is shown are those of the sequence, and each is shown once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import Toy

import robustsuite
from robustsuite import corrupting
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.random import image_keys

SUITE = """
schema = 1
title = "sequences"
[data.images]
dataset = "image_folder"
[[check]]
name = "flips"
metric = "flip_probability"
sequences = ["translate", "gaussian_noise"]
profile = "cifar"
per = "sequence"
at_most = 0.9
[[check]]
name = "mean"
metric = "flip_probability"
sequences = ["translate", "gaussian_noise"]
profile = "cifar"
"""


def fickle(images: Tensor) -> Tensor:
    """Eight classes that hang on details of the pixels."""
    return 50 * (images[:, :, ::5, ::7].flatten(1)[:, :16].reshape(len(images), 8, 2).sum(dim=2) % 0.3)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_flip_probability_is_that_of_the_frames(toy: Toy, batch_size: int) -> None:
    for number in range(6):  # six more classes, empty but for one image each
        (toy.images / f"z{number}").mkdir()
        source = next((toy.images / "red").glob("*.png"))
        (toy.images / f"z{number}" / f"{number}.png").write_bytes(source.read_bytes())
    shown: list[int] = []

    def watched(images: Tensor) -> Tensor:
        shown.append(len(images))
        return fickle(images)

    path = toy.write_suite("sequences", SUITE)
    report = robustsuite.evaluate(str(path), {"m": watched}, {"images": toy.images}, device="cpu", batch_size=batch_size)
    dataset = robustsuite.load_dataset("image_folder", Path(toy.images))
    levels = torch.stack([torch.from_numpy(np.array(dataset.read(row))).permute(2, 0, 1) for row in range(len(dataset.ids))])
    expected = {}
    for name in ("translate", "gaussian_noise"):
        frames = corrupting.frames(levels, name, image_keys(dataset.ids), 0, "cifar")
        predictions = torch.stack([fickle(to_unit(frame)).argmax(dim=1) for frame in frames])
        before = predictions[:-1] if name == "translate" else predictions[:1]
        expected[f"flips-{name}"] = float((predictions[1:] != before).double().mean())
    found = {verdict.check: verdict.measurement.value for verdict in report.verdicts if verdict.measurement}
    assert found == pytest.approx(expected | {"mean": sum(expected.values()) / 2}, abs=1e-12)
    assert 0 < expected["flips-translate"] != expected["flips-gaussian_noise"]
    batches = -(-len(dataset.ids) // batch_size)
    assert len(shown) == batches * (1 + 16 + 31) + 1  # clean, and every frame once; and a few images twice, to see whether it draws
    assert [str(result.condition) for result in report.results] == ["images/clean"]


def test_the_report_says_how_corrupted_images_are_rendered(toy: Toy) -> None:
    text = 'schema = 1\ntitle = "t"\n{}[data.images]\ndataset = "image_folder"\n[[check]]\nname = "c"\ncorruptions = "contrast"\n'
    for rendering, told in (("", "in memory"), ('rendering = "as-published"\n', "as published: saved as JPEG of quality 85")):
        path = toy.write_suite("rendered", text.format(rendering))
        report = robustsuite.evaluate(
            str(path), {"m": lambda images: 9 * images.mean(dim=(2, 3))[:, :2]}, {"images": toy.images}, device="cpu"
        )
        assert report.provenance["corrupted images of images"] == told
