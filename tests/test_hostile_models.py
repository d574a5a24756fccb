"""Models that hang, break or meddle: each is told in a sentence or changes nothing, and the model beside it is judged as ever."""

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from toy import Toy

import robustsuite
from robustsuite.classifying import Subject
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.patience import Late, patience
from robustsuite.process_wide import given_back
from robustsuite.records import Model, Report

IMAGES = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Colour(nn.Module):
    """Green and red, told apart by the mean colour; `meddle` is called with the images before each pass."""

    def __init__(self, meddle: Callable[[torch.Tensor], object] = lambda images: None) -> None:
        super().__init__()
        self.scale, self.meddle = nn.Parameter(torch.tensor(20.0)), meddle

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.meddle(images)
        return self.scale * images.mean(dim=(2, 3))[:, [1, 0]]


def subject(classifier: Callable[..., object], **options: object) -> Subject:
    return Subject(Model("m", "", classifier), ["green", "red"], torch.device("cpu"), **options)  # pyright: ignore[reportArgumentType]


def judged(toy: Toy, monkeypatch: pytest.MonkeyPatch, models: dict[str, Callable[..., object]], **options: object) -> Report:
    monkeypatch.chdir(toy.folder)
    return robustsuite.evaluate("toy", models, {"images": toy.images}, workers=0, **options)  # pyright: ignore[reportArgumentType]


def statuses(report: Report, model: str) -> dict[str, str]:
    return {verdict.check: verdict.status for verdict in report.verdicts if verdict.model == model}


AS_EVER = {"clean": "passed", "blurred": "passed", "impossible": "failed"}

# ------------------------------------------------------------------------------------------------------ that hang


def sleep(images: torch.Tensor) -> None:
    time.sleep(30)


def loop(images: torch.Tensor) -> None:
    while True:
        images.sum()


def wait_for_a_lock(images: torch.Tensor) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def swallow_everything(images: torch.Tensor) -> None:
    while True:
        try:
            time.sleep(30)
        except Exception:
            continue


@pytest.mark.parametrize("hang", [sleep, loop, wait_for_a_lock, swallow_everything])
def test_a_model_that_hangs_is_interrupted_and_not_asked_again(hang: Callable[[torch.Tensor], None]) -> None:
    hanging, begun = subject(Colour(hang), timeout=0.2), time.monotonic()
    for _ in range(3):
        with pytest.raises(EvaluationError, match=r"model 'm' did not answer 8 images within 0\.2 s"):
            hanging(IMAGES)
    assert time.monotonic() - begun < 2


def test_a_model_in_time_is_left_alone() -> None:
    assert torch.equal(subject(Colour(), timeout=60.0)(IMAGES), subject(Colour())(IMAGES))
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_error_of_a_model_is_told_as_ever_beside_a_time_limit() -> None:
    def broken(images: torch.Tensor) -> None:
        raise ValueError("the weights are upside down")

    with pytest.raises(EvaluationError, match="raised ValueError .* the weights are upside down"):
        subject(Colour(broken), timeout=60.0)(IMAGES)


@pytest.fixture
def heard() -> Iterator[list[float]]:
    """The times at which an alarm of someone else's went off."""
    found: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: found.append(time.monotonic()))
    yield found
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_alarm_that_was_set_before_goes_off_at_its_time(heard: list[float]) -> None:
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    with pytest.raises(Late, match="too long"), patience(0.1, "too long"):
        time.sleep(10)
    assert not heard
    time.sleep(0.5)
    assert 0.35 < heard[0] - begun < 0.6


def test_a_time_limit_outside_the_main_thread_is_refused() -> None:
    found: list[Exception] = []

    def other() -> None:
        try:
            with patience(1.0, ""):
                pass
        except UsageError as error:
            found.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "main thread" in str(found[0])


# ----------------------------------------------------------------------------------------------------- that break


def test_a_model_that_raises_now_and_then_loses_that_condition_alone(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def sometimes(images: torch.Tensor) -> None:
        calls.append(len(images))
        if len(calls) == 3:  # the first blurred batch: clean, and clean once more, come before
            raise RuntimeError("a socket was closed")

    report = judged(toy, monkeypatch, {"shaky": Colour(sometimes), "good": Colour()}, batch_size=12)
    assert statuses(report, "shaky") == {**AS_EVER, "blurred": "error"}
    assert statuses(report, "good") == AS_EVER
    (told,) = [verdict.reason for verdict in report.verdicts if verdict.status == "error"]
    assert "raised RuntimeError on images [12, 3, 16, 16]: a socket was closed" in told


def test_nan_for_one_image_names_it(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fragile(Colour):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            logits = logits.clone()
            logits[5 % len(logits), 0] = float("nan")
            return logits

    report = judged(toy, monkeypatch, {"fragile": Fragile(), "good": Colour()}, batch_size=12)
    assert set(statuses(report, "fragile").values()) == {"error"}
    assert statuses(report, "good") == AS_EVER
    assert "got NaN or infinity for 1 of 12 images (green/5.png)" in report.verdicts[0].reason


def exits(images: torch.Tensor) -> None:
    raise SystemExit(0)


ANSWERS: dict[str, tuple[Callable[[torch.Tensor], object], str]] = {
    "complex numbers": (lambda logits: logits.to(torch.complex64), "plain real numbers"),
    "no values": (lambda logits: logits.to("meta"), "device meta"),
    "sparse": (lambda logits: logits.to_sparse(), "plain real numbers"),
    "one row": (lambda logits: logits[:1], r"got a tensor \[1, 2\]; return one row of logits for each image"),
    "three dimensions": (lambda logits: logits[..., None], r"got a tensor \[8, 2, 1\]"),
    "numpy": (lambda logits: logits.detach().numpy(), "got ndarray; return the tensor"),
    "nothing": (lambda logits: None, "got NoneType; return the tensor"),
    "other classes": (lambda logits: torch.cat([logits, logits], dim=1), "expected 2 classes .* got 4 logits"),
    "probabilities": (lambda logits: logits.softmax(dim=1), "got probabilities"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_no_logits_is_told_in_a_sentence(kind: str) -> None:
    change, sentence = ANSWERS[kind]
    with pytest.raises(EvaluationError, match=sentence) as caught:
        subject(lambda images: change(Colour()(images)))(IMAGES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32])
def test_logits_of_another_type_are_taken_as_numbers(dtype: torch.dtype) -> None:
    found = subject(lambda images: (8 * Colour()(images)).detach().to(dtype))(IMAGES)
    assert found.dtype == torch.float32
    assert torch.allclose(found, 8 * Colour()(IMAGES), rtol=1e-2, atol=1.0)


def test_a_model_that_ends_the_process_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="model 'm' raised SystemExit"):
        subject(Colour(exits))(IMAGES)


# ---------------------------------------------------------------------------------------------------- that meddle


def test_images_changed_in_place_are_told(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack would take the changed images for its own, and call a success what the model was never shown."""
    with pytest.raises(EvaluationError, match="to leave the images it is shown as they are, got them changed in place"):
        subject(Colour(lambda images: images.sub_(0.5)))(IMAGES.clone())
    report = judged(toy, monkeypatch, {"meddling": Colour(lambda images: images.mul_(1.0)), "good": Colour()}, batch_size=12)
    assert statuses(report, "meddling")["impossible"] == "error"
    assert statuses(report, "good") == AS_EVER


MEDDLERS: dict[str, Callable[[torch.Tensor], object]] = {
    "default type": lambda images: torch.set_default_dtype(torch.float64),
    "default device": lambda images: torch.set_default_device("meta"),
    "gradients off": lambda images: torch.set_grad_enabled(False),
    "threads": lambda images: torch.set_num_threads(1 + torch.get_num_threads()),
    "numpy errors": lambda images: np.seterr(all="raise"),
    "seeds": lambda images: (torch.manual_seed(1), np.random.seed(1)),
    "warnings": lambda images: warnings.warn("this model is old", stacklevel=2),
}


@pytest.mark.parametrize("kind", MEDDLERS)
@pytest.mark.filterwarnings("ignore:this model is old")
def test_what_a_model_changes_for_the_process_changes_no_verdict(kind: str, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads(), np.geterr()
    meddles = MEDDLERS[kind] if kind != "gradients off" else lambda images: None if images.requires_grad else MEDDLERS[kind](images)
    both = judged(toy, monkeypatch, {"meddling": Colour(meddles), "good": Colour()}, batch_size=5)
    alone = judged(toy, monkeypatch, {"good": Colour()}, batch_size=5)
    assert [one for one in both.verdicts if one.model == "good"] == [*alone.verdicts]
    assert statuses(both, "meddling") == AS_EVER
    assert (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads(), np.geterr()) == before


def test_what_was_changed_is_given_back_when_a_model_raises() -> None:
    with pytest.raises(ValueError), given_back():
        torch.set_default_dtype(torch.float64)
        raise ValueError
    assert torch.get_default_dtype() == torch.float32


def test_a_python_file_may_change_nothing_for_the_process(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import torch\ntorch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)\ndef model(): return lambda x: x\n"
    )
    robustsuite.load_model(f"{file}:model")
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


def test_a_model_that_switches_itself_to_train_mode_is_given_back_as_it_came(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Switching(Colour):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.train()
            return nn.functional.dropout(super().forward(images), 0.5, self.training)

    model = Switching().eval()
    report = judged(toy, monkeypatch, {"switching": model}, batch_size=12)
    assert not model.training
    assert any("draws at random" in note for note in report.notes)


def test_a_model_that_keeps_all_it_is_shown_is_judged_as_ever(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[torch.Tensor] = []
    assert statuses(judged(toy, monkeypatch, {"leaking": Colour(kept.append)}), "leaking") == AS_EVER
    assert not any(images.grad_fn for images in kept)


# -------------------------------------------------------------------------------------------------------- files

BOMB = """
class Bomb:
    def __reduce__(self):
        return eval, (f"open({marker!r}, 'w').close()",)
"""


def bomb(marker: Path) -> object:
    """What runs a program when it is unpickled."""
    namespace: dict[str, object] = {"marker": str(marker)}
    exec(BOMB, namespace)
    return namespace["Bomb"]()  # pyright: ignore[reportCallIssue]


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["model.pt2", "model.ts", "model.torchscript", "model.pt", "model.pth", "model.pkl", "model.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_and_not_run(name: str, zipped: bool, tmp_path: Path) -> None:
    marker = tmp_path / "was run"
    torch.save({"weights": bomb(marker)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match="model"):
        robustsuite.load_model(str(tmp_path / name))
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_a_pickle_within_an_exported_program_is_refused_and_not_run(tmp_path: Path) -> None:
    import zipfile

    marker = tmp_path / "was run"
    torch.save(bomb(marker), tmp_path / "bomb")
    program = torch.export.export(Colour().eval(), (IMAGES,))
    torch.export.save(program, tmp_path / "sound.pt2")
    with zipfile.ZipFile(tmp_path / "sound.pt2") as sound, zipfile.ZipFile(tmp_path / "model.pt2", "w") as spoilt:
        for entry in sound.namelist():
            kept = sound.read(entry)
            spoilt.writestr(entry, (tmp_path / "bomb").read_bytes() if entry.endswith((".pt", ".pkl")) or "weights" in entry else kept)
    with suppress(UsageError):
        robustsuite.load_model(str(tmp_path / "model.pt2"))
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["model.pt2", "model.ts"])
def test_an_archive_that_was_cut_short_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    class Plain(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3))

    with warnings.catch_warnings(action="ignore"):
        if name.endswith("ts"):
            torch.jit.script(Plain()).save(str(tmp_path / name))
        else:
            torch.export.save(torch.export.export(Plain(), (IMAGES,)), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for part in range(16):
        (tmp_path / name).write_bytes(whole[: len(whole) * part // 16])
        with pytest.raises(UsageError, match="expected a (program saved by torch.export.save|TorchScript archive)"):
            robustsuite.load_model(str(tmp_path / name))
