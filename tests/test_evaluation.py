"""The engine: results depend on nothing they should not, nothing is computed twice, and what breaks breaks alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from robustsuite import planning, suite_files
from robustsuite.classifying import Subject, is_out_of_memory
from robustsuite.evaluation import evaluate
from robustsuite.predictions import Block
from robustsuite.records import Condition, Dataset, Model, Plan, Preprocessing, Settings
from robustsuite.showing import splits
from robustsuite.store import Found

SUITE = """
schema = 1
title = "engine"
[data.images]
dataset = "image_folder"
calibration = 0.2
[[check]]
name = "corruptions"
corruptions = ["gaussian_noise", "defocus_blur", "brightness", "contrast"]
severities = [2, 5]
[[check]]
name = "pgd"
attack = "pgd"
epsilon = "8/255"
options = { steps = 5 }
[[check]]
name = "fgsm"
attack = "fgsm"
norm = "l2"
epsilon = 0.5
[[check]]
name = "calibrated"
metric = "expected_calibration_error"
recalibration = "temperature"
"""


def picture(seed: int, size: tuple[int, int] = (20, 20)) -> Image.Image:
    """A small photo-like picture: smooth colour with some grain."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = generator.integers(-8, 9, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def read(reads: list[int] | None, size: tuple[int, int], index: int) -> Image.Image:
    if reads is not None:
        reads.append(index)
    return picture(index, size)


def dataset(images: int = 61, reads: list[int] | None = None, size: tuple[int, int] = (20, 20)) -> Dataset:
    labels = np.arange(images) % 5
    return Dataset("test", [f"{row}.png" for row in range(images)], labels, list("abcde"), partial(read, reads, size))


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(400, 5)
    ).eval()


def plan(names: Sequence[str] = ("m",), text: str = SUITE, only: Sequence[str] = ()) -> Plan:
    suite = suite_files.parse(text, Path("suite.toml"))
    checks = [check for check in suite.checks if not only or check.name in only]
    return planning.plan(suite, dict.fromkeys(names, checks))


def models(*names: str, classifier: object = None) -> list[Model]:
    return [Model(name, name, classifier or network(place)) for place, name in enumerate(names)]


def blocks(
    data: Dataset, chosen: Settings, judged: Sequence[Model] | None = None, planned: Plan | None = None, pictured: Sequence[int] = ()
) -> Iterator[Block]:
    judged = judged or models("m")
    planned = planned or plan([model.alias for model in judged])
    return evaluate(planned, judged, {"images": data}, {"images": 0.2}, chosen, Preprocessing(), {"images": pictured})


def found(*arguments: object, **options: object) -> Found:
    everything = Found()
    for block in blocks(*arguments, **options):  # pyright: ignore[reportArgumentType]
        everything.add(block)
    return everything


def assert_same(one: Found, other: Found, planned: Plan, bitwise: bool = False) -> None:
    for condition in planned.conditions:
        ours, theirs = one.outcome("m", condition), other.outcome("m", condition)
        assert not ours.error
        assert ours.complete
        for mine, yours in (
            (ours.predictions, theirs.predictions),
            *((ours.recalibrated[k], theirs.recalibrated[k]) for k in ours.recalibrated),
        ):
            assert mine is not None
            assert yours is not None
            np.testing.assert_array_equal(ours.rows, theirs.rows)
            np.testing.assert_array_equal(mine.prediction, yours.prediction)
            np.testing.assert_array_equal(mine.label_rank, yours.label_rank)
            if bitwise:
                np.testing.assert_array_equal(mine.top_log_probabilities, yours.top_log_probabilities)
            np.testing.assert_allclose(mine.confidence, yours.confidence, atol=1e-5)


VARIANTS = {
    "batches of 1": Settings("cpu", 1, 0),
    "batches of 7": Settings("cpu", 7, 0),
    "automatic batches": Settings("cpu", None, 0),
    "shuffled": Settings("cpu", 64, 0, shuffle=True),
    "one worker": Settings("cpu", 64, 1),
    "two workers": Settings("cpu", 7, 2),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions_do_not_depend_on(variant: str) -> None:
    data = dataset()
    assert_same(found(data, Settings("cpu", 64, 0)), found(data, VARIANTS[variant]), plan())


@pytest.mark.parametrize("variant", VARIANTS)
def test_corrupted_pixels_are_byte_identical_whatever_the(variant: str) -> None:
    data, rows = dataset(), list(range(61))

    def pixels(chosen: Settings) -> dict[tuple[int, str], bytes]:
        everything = found(data, chosen, pictured=rows)
        return {(p.row, str(p.condition)): p.pixels.tobytes() for p in everything.pictures if not p.model}

    expected = pixels(Settings("cpu", 64, 0))
    assert len(expected) == 5 * len(splits(data, 0.2)["judged"])  # clean and the strongest of each corruption
    assert pixels(VARIANTS[variant]) == expected


def test_a_repeated_run_is_byte_identical() -> None:
    data = dataset()
    assert_same(found(data, Settings("cpu", 16, 0)), found(data, Settings("cpu", 16, 0)), plan(), bitwise=True)


def test_another_seed_draws_other_noise() -> None:
    noisy = Condition("images", next(c.perturbation for c in plan().conditions if "gaussian" in str(c)))
    one, other = (found(dataset(), Settings("cpu", 64, 0, seed=seed)).outcome("m", noisy).predictions for seed in (0, 1))
    assert one is not None
    assert other is not None
    assert not np.array_equal(one.confidence, other.confidence)


def test_global_random_states_are_left_alone() -> None:
    judged = models("m")
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    found(dataset(), Settings("cpu", 16, 0, shuffle=True), judged)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_each_image_is_decoded_once_for_all_conditions_and_models() -> None:
    reads: list[int] = []
    found(dataset(reads=reads), Settings("cpu", 16, 0), models("a", "b"))
    assert sorted(reads) == list(range(61))


def test_images_are_prepared_once_for_each_distinct_preprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    import robustsuite.decoding

    prepared: list[Preprocessing] = []

    def counting(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
        prepared.append(preprocessing)
        return np.asarray(image).transpose(2, 0, 1).copy()

    monkeypatch.setattr(robustsuite.decoding, "prepare", counting)
    small, large = Preprocessing(resize=20), Preprocessing(resize=20, interpolation="bicubic")
    three = [replace(model, preprocessing=own) for model, own in zip(models("a", "b", "c"), (small, small, large), strict=True)]
    for _ in evaluate(plan("abc"), three, {"images": dataset()}, {"images": 0.2}, Settings("cpu", 16, 0), None):
        pass
    assert len(prepared) == 2 * 61


def test_images_that_are_judged_are_never_fitted_on() -> None:
    everything = found(dataset(), Settings("cpu", 16, 0))
    (calibration,) = everything.calibration()
    judged = everything.outcome("m", Condition("images")).rows
    assert not set(calibration.rows) & set(judged)
    assert len(calibration.rows) + len(judged) == 61


@given(st.integers(0, 60), st.floats(0.05, 0.8))
@settings(max_examples=25, deadline=None)
def test_who_calibrates_does_not_depend_on_the_other_images(images: int, share: float) -> None:
    few, many = splits(dataset(images), share), splits(dataset(61), share)
    assert set(few["calibration"]) == {row for row in many["calibration"] if row < images}


class Hungry(nn.Module):
    """Runs out of memory above a number of images."""

    def __init__(self, most: int):
        super().__init__()
        self.inner, self.most, self.shown = network(), most, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        self.shown = max(self.shown, len(images))
        return self.inner(images)


def test_out_of_memory_halves_the_batch_and_changes_nothing() -> None:
    data, hungry = dataset(), Hungry(5)
    expected = found(data, Settings("cpu", 64, 0))
    assert_same(expected, found(data, Settings("cpu", 64, 0), models("m", classifier=hungry)), plan())
    assert hungry.shown > 1


def test_a_model_without_memory_for_one_image_is_an_error() -> None:
    outcome = found(dataset(), Settings("cpu", 64, 0), models("m", classifier=Hungry(0))).outcome("m", Condition("images"))
    assert "out of memory on a single image" in outcome.error


def test_memory_errors_of_the_cpu_are_recognised() -> None:
    assert is_out_of_memory(
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    )
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_a_model_that_breaks_under_one_condition_is_still_judged_under_the_others() -> None:
    class Fragile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = self.inner(images)
            flat = (images - images.mean(dim=(2, 3), keepdim=True)).abs().amax() < 0.15  # as under contrast 5
            return logits * float("nan") if flat else logits

    everything = found(dataset(), Settings("cpu", 64, 0), models("m", classifier=Fragile().eval()))
    errors = {str(condition): everything.outcome("m", condition).error for condition in plan().conditions}
    assert "NaN" in errors["images/contrast-5"]
    assert not errors["images/clean"]


def test_a_broken_model_does_not_disturb_the_one_beside_it() -> None:
    broken = Model("broken", "broken", Hungry(0))
    alone = found(dataset(), Settings("cpu", 64, 0))
    beside = found(dataset(), Settings("cpu", 64, 0), [broken, *models("m")])
    assert_same(alone, beside, plan())


def test_modes_gradients_and_batch_statistics_are_given_back() -> None:
    model = network().train()
    model[4].eval()
    statistics = model[1].running_mean.clone()
    found(dataset(), Settings("cpu", 64, 0), models("m", classifier=model))
    assert model.training
    assert not model[4].training
    assert torch.equal(model[1].running_mean, statistics)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_images_of_different_sizes_are_an_error_that_names_two_of_them() -> None:
    def uneven(index: int) -> Image.Image:
        return picture(index, (20, 20) if index != 7 else (30, 20))

    data = replace(dataset(), read=uneven)
    error = found(data, Settings("cpu", 64, 0)).outcome("m", Condition("images")).error
    assert "20x20" in error
    assert "30x20 (7.png)" in error
    assert "resize = 256" in error


def test_rectangular_images_are_judged() -> None:
    class Pooled(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.cat([images.mean(dim=(2, 3)), images.amax(dim=(2, 3))[:, :2]], dim=1) * 9

    everything = found(dataset(size=(40, 24)), Settings("cpu", 64, 0), models("m", classifier=Pooled()))
    assert all(everything.outcome("m", condition).complete for condition in plan().conditions)


def test_a_condition_that_fails_for_small_images_is_an_error_of_its_own() -> None:
    class Pooled(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.cat([images.mean(dim=(2, 3)), images.amax(dim=(2, 3))[:, :2]], dim=1) * 9

    everything = found(dataset(size=(1, 1)), Settings("cpu", 64, 0), models("m", classifier=Pooled()))
    errors = {str(condition): everything.outcome("m", condition).error for condition in plan().conditions}
    assert "could not be made" in errors["images/defocus_blur-5"]
    assert not errors["images/contrast-5"]


def test_mixed_precision_is_close_to_full_precision() -> None:
    clean = Condition("images")
    full, mixed = (found(dataset(), Settings("cpu", 64, 0, amp=amp)).outcome("m", clean).predictions for amp in ("off", "bf16"))  # pyright: ignore[reportArgumentType]
    assert full is not None
    assert mixed is not None
    np.testing.assert_allclose(full.confidence, mixed.confidence, atol=0.02)
    assert not np.array_equal(full.confidence, mixed.confidence)


def test_closing_early_gives_the_model_back() -> None:
    model = network().train()
    running = blocks(dataset(), Settings("cpu", 4, 0), models("m", classifier=model))
    for _, _ in zip(range(3), running, strict=False):
        assert not model.training
    running.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert model.training


@pytest.mark.gpu
def test_cpu_and_gpu_agree() -> None:
    on_cpu, on_gpu = (found(dataset(), Settings(device, 64, 0), models("m", classifier=network())) for device in ("cpu", "cuda"))
    for condition in plan().conditions:
        ours, theirs = on_cpu.outcome("m", condition).predictions, on_gpu.outcome("m", condition).predictions
        assert ours is not None
        assert theirs is not None
        np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=2e-2)


def test_a_model_is_always_shown_a_multiple_of_four_images() -> None:
    # With one row, or with those beyond a multiple, a processor's kernels sum in another order, and attacks go another way.
    shown: list[int] = []

    def classifier(images: torch.Tensor) -> torch.Tensor:
        shown.append(len(images))
        return images.mean(dim=(2, 3))

    subject = Subject(Model("m", "m", classifier), None, torch.device("cpu"))
    for count in (1, 2, 5, 8):
        images = torch.rand(count, 3, 8, 8, requires_grad=True)
        logits = subject(images)
        assert torch.equal(logits, images.mean(dim=(2, 3)))
        (gradient,) = torch.autograd.grad(logits.sum(), images)
        assert torch.allclose(gradient, torch.full_like(gradient, 1 / 64))
    assert shown == [4, 4, 8, 8]
