"""A model on a device: what comes back is checked before anyone believes it, and memory that runs out is worked around."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import nn

from robustsuite.errors import EvaluationError, UsageError
from robustsuite.label_spaces import Answers, answers, can_answer
from robustsuite.patience import Late, patience
from robustsuite.process_wide import given_back
from robustsuite.records import LabelSpace, Model
from robustsuite.roles import Images, Logits

Result = TypeVar("Result")

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
ROWS = 4  # a model is shown a multiple of these: for fewer rows, and for those beyond a multiple, kernels sum in another order


def device_named(name: str) -> torch.device:
    """The device; `auto` is CUDA where there is one. Raises `UsageError` for a device that this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"expected a device such as auto, cpu, cuda or cuda:1, got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"expected a CUDA device, got {name!r} on a machine with {torch.cuda.device_count()}; use --rs-device cpu")
    return device


@dataclass
class Subject:
    """A model that is being evaluated.

    Attributes:
        model: alias and classifier.
        classes: names of the data's classes; as many logits are expected (any number where `None`).
        device: where the images are and the model is.
        amp: mixed precision of the forward pass: `off`, `bf16`, `fp16`.
        width: the largest batch that is shown to the model at once; halved where memory ran out, and stays so.
        space: what the outputs of an ImageNet model mean in the data; see `Dataset`.
        timeout: seconds that one pass may take; any time where `None`. A model that hung once is not asked again.
    """

    model: Model
    classes: Sequence[str] | None
    device: torch.device
    amp: str = "off"
    width: int = 64
    space: LabelSpace | None = None
    timeout: float | None = None
    seen: bool = field(default=False)
    hung: str = field(default="", init=False)

    def __call__(self, images: Images) -> Logits:
        """The logits of `answers`."""
        return self.answers(images).logits

    def answers(self, images: Images, ids: Sequence[str] = ()) -> Answers:
        """Logits of the data's classes as float32, checked; and which of an ImageNet model's outputs was the largest.

        `ids` name the images in errors, where they are known.

        Raises `EvaluationError` where the model raises, hangs, changes the images, or returns anything but finite logits, one for each
        class.
        """
        if self.hung:
            raise EvaluationError(self.hung)
        mixed = torch.autocast(self.device.type, PRECISIONS[self.amp]) if self.amp != "off" else nullcontext()
        shown = _filled_up(images)
        version = _version(shown)
        late = f"model {self.model.alias!r} did not answer {len(shown)} images within {self.timeout:g} s" if self.timeout else ""
        try:
            with given_back(), mixed, patience(self.timeout, late):
                logits = self.model.classifier(shown)
        except Late as error:
            self.hung = str(error)
            raise
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise
            lines = str(error).strip().splitlines()
            raise EvaluationError(
                f"model {self.model.alias!r} raised {type(error).__name__} on images {_shape(shown)}: {lines[0] if lines else ''}"
            ) from error
        if _version(shown) != version:
            raise EvaluationError(
                f"expected model {self.model.alias!r} to leave the images it is shown as they are, got them changed in place; "
                "let it work on a copy: images = images.clone()"
            )
        self._check(logits, len(shown), ids)
        return answers(self.space, logits[: len(images)].to(self.device).float())

    def _check(self, logits: Any, images: int, ids: Sequence[str]) -> None:
        name, classes = f"model {self.model.alias!r}", "classes" if self.classes is None else len(self.classes)
        expected = f"expected logits [{images}, {classes}] from {name}"
        if not isinstance(logits, torch.Tensor):
            raise EvaluationError(f"{expected}, got {type(logits).__name__}; return the tensor of logits alone")
        if logits.is_meta or logits.is_complex() or logits.layout != torch.strided:
            kind = "without values (device meta)" if logits.is_meta else f"of {logits.dtype}, {logits.layout}"
            raise EvaluationError(f"{expected}, got a tensor {kind}; return plain real numbers")
        if logits.ndim != 2 or logits.shape[0] != images:
            raise EvaluationError(f"{expected}, got a tensor {_shape(logits)}; return one row of logits for each image")
        if self.classes is not None and logits.shape[1] != classes and not can_answer(self.space, logits.shape[1]):
            raise EvaluationError(
                f"expected {classes} classes from {name} as in the data ({_some(self.classes)}), got {logits.shape[1]} logits; "
                "judge the model on data with its own classes"
            )
        if not bool(torch.isfinite(logits).all()):
            bad: list[int] = torch.nonzero((~torch.isfinite(logits)).any(dim=1))[:, 0].tolist()
            named = [ids[place] for place in bad if place < len(ids)]
            which = f" ({', '.join(named[:3])}{', …' if len(named) > 3 else ''})" if named else ""
            raise EvaluationError(
                f"expected finite logits from {name}, got NaN or infinity for {len(bad)} of {images} images{which}; mend the model"
            )
        if not self.seen and images and logits.shape[1] > 1:
            self.seen = True
            sums = logits.detach().float().sum(dim=1)
            if bool((logits >= 0).all()) and bool((logits <= 1).all()) and bool(((sums - 1).abs() < 1e-3).all()):
                raise EvaluationError(
                    f"expected logits from {name}, got probabilities (every row lies in [0, 1] and sums to 1); "
                    "return the scores before softmax"
                )

    def in_pieces(self, size: int, work: Callable[[slice], Result]) -> list[Result]:
        """`work` on consecutive slices of `size` rows, `width` at a time; a slice that runs out of memory is done again, halved.

        No result may depend on the slices: noise is keyed by image, and losses are summed, never averaged.
        """
        results: list[Result] = []
        begin = 0
        while begin < size:
            piece = slice(begin, min(begin + self.width, size))
            try:
                results.append(work(piece))
            except Exception as error:
                length = piece.stop - piece.start
                if not is_out_of_memory(error):
                    raise
                if length == 1:
                    raise EvaluationError(f"model {self.model.alias!r} ran out of memory on a single image; use a larger device") from error
                self.width = (length + 1) // 2
            else:
                begin = piece.stop
                continue
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return results

    def whole(self, work: Callable[[int], Result]) -> Result:
        """`work` with the `width` to be shown to the model at a time; what runs out of memory is done again with half of it."""
        while True:
            try:
                return work(self.width)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.width == 1:
                    raise EvaluationError(f"model {self.model.alias!r} ran out of memory on a single image; use a larger device") from error
                self.width = (self.width + 1) // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def _filled_up(images: Images) -> Float[torch.Tensor, "shown 3 height width"]:
    """The images, the last of them repeated up to a multiple of `ROWS`: what an image gets must not depend on how many there are."""
    lacking = -len(images) % ROWS if len(images) else 0
    return torch.cat([images, images[-1:].expand(lacking, -1, -1, -1)]) if lacking else images


def _version(images: Images) -> int:
    """A number that every change in place makes larger; 0 where torch does not count, which are images that nothing else looks at."""
    return 0 if images.is_inference() else images._version


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or on the CPU (where torch raises a plain RuntimeError)."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "allocate" in str(error) and "memory" in str(error)
    )


@contextmanager
def evaluation_mode(models: Sequence[Model], device: torch.device) -> Iterator[list[str]]:
    """The models on the device, in eval mode and without parameter gradients; all of it is undone at the end.

    Yields a sentence about every model that came in train mode.
    """
    modules = [module for model in models if isinstance(module := model.classifier, nn.Module)]
    training = {part: part.training for module in modules for part in module.modules()}
    wanting = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    switches = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    homes = {id(module): next((tensor.device for tensor in module.parameters()), None) for module in modules}
    notes = [
        f"model {model.alias!r} came in train mode; it was judged in eval mode and set back afterwards"
        for model in models
        if isinstance(model.classifier, nn.Module) and any(training[part] for part in model.classifier.modules() if _can_switch(part))
    ]
    try:
        # A repeated run must give the same bits, so no choosing of the fastest kernel as one goes.
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
        for module in modules:
            if _can_switch(module):
                module.eval()
            module.to(device)
        for parameter in wanting:
            parameter.requires_grad_(False)
        yield notes
    finally:
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = switches
        for parameter in wanting:
            parameter.requires_grad_(True)
        for part, mode in training.items():
            part.training = mode
        for module in modules:
            if (home := homes[id(module)]) is not None:
                module.to(home)


def _can_switch(module: nn.Module) -> bool:
    """Whether the module has modes at all: a program from `torch.export` was fixed in one, and refuses to be asked."""
    try:
        module.train(module.training)
    except NotImplementedError:
        return False
    return True


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
