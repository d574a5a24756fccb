"""The original package `torchattacks`, run as it is: `torchattacks:PGD` is its own class. Kim 2020, arXiv:2010.01950; torchattacks 3.5.1.

The package wants to call a model on a batch for as long as it likes; here the engine asks for one point of each image at a time.
So each image is attacked for itself, in a thread that is halted wherever its attack calls the model or takes a gradient; a step
answers what all of them ask in one pass. Only one thread runs at any time, and the engine drops, counts and checks as ever.
"""

import inspect
import random
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robustsuite.errors import EvaluationError, UsageError
from robustsuite.records import ThreatModel
from robustsuite.roles import Images, Labels, Logits, Mask, Noise, Query

NAMES = (
    "APGD",
    "APGDT",
    "AutoAttack",
    "BIM",
    "CW",
    "DeepFool",
    "EADEN",
    "EADL1",
    "EOTPGD",
    "FAB",
    "FFGSM",
    "FGSM",
    "JSMA",
    "Jitter",
    "MIFGSM",
    "NIFGSM",
    "OnePixel",
    "PGD",
    "PGDL2",
    "PIFGSM",
    "PIFGSMPP",
    "Pixle",
    "RFGSM",
    "SPSA",
    "SparseFool",
    "Square",
    "TPGD",
    "UPGD",
    "VMIFGSM",
    "VNIFGSM",
)
"""Not among them: DIFGSM, PGDRS, PGDRSL2, SINIFGSM and TIFGSM, which show the model other images than points near the clean one
(the engine would move each of these back into the ball); GN and VANILA, which attack nothing; the wrappers LGV and MultiAttack."""

OTHER_NORMS = {
    **dict.fromkeys(("APGD", "APGDT", "AutoAttack", "Square"), ("linf", "l2")),
    **dict.fromkeys(("CW", "DeepFool", "PGDL2"), ("l2",)),
    **dict.fromkeys(("EADEN", "EADL1"), ("l1",)),
    **dict.fromkeys(("JSMA", "OnePixel", "Pixle", "SparseFool"), ("l0",)),
    "FAB": ("linf", "l2"),  # its L1 raises UnboundLocalError
}
"""The norms of those that are not for L-infinity alone."""

NEAREST = ("CW", "DeepFool", "EADEN", "EADL1", "FAB", "JSMA", "OnePixel", "Pixle", "SparseFool")
"""Those that keep to no radius."""

SPELLED = {"linf": "Linf", "l2": "L2", "l1": "L1"}


def named(name: str) -> "PackagedAttack":
    """The package's attack of this name. An instance belongs to one run, and its threads end with it: make one anew for each.

    The radius, the norm, the number of classes and the seed are the engine's; all other arguments of the package's class are
    options, with the package's defaults. What it is told of a point outside the ball is true of the nearest point inside. A
    gradient costs a forward pass more than in the package, because the package takes it only after it has seen the logits.

    Raises `UsageError` for an unknown name, and where the package is not installed.
    """
    if name not in NAMES:
        raise UsageError(f"expected an attack of the package torchattacks, got {name!r}; known: {', '.join(NAMES)}")
    try:
        return PackagedAttack(name, getattr(import_module("torchattacks"), name))
    except ImportError as error:
        raise UsageError(f"expected the package torchattacks, got {error}; pip install torchattacks") from error


@dataclass(frozen=True)
class State:
    """See `roles.Attack`. `numbers` tell which attack of `PackagedAttack.running` is the image's."""

    points: Images
    finished: Mask
    numbers: Labels


class PackagedAttack:
    """See `roles.Attack`.

    Attributes:
        NORMS: that the attack knows.
        MINIMAL: whether it looks for the nearest adversarial point.
        options: names and default values.
    """

    def __init__(self, name: str, kind: type):
        self.name, self.kind = name, kind
        self.NORMS, self.MINIMAL = OTHER_NORMS.get(name, ("linf",)), name in NEAREST
        self.arguments = {one.name: one.default for one in inspect.signature(kind).parameters.values() if one.name != "model"}
        self.options = {
            one: value for one, value in self.arguments.items() if one not in ("eps", "max_epsilon", "norm", "n_classes", "seed")
        }
        self.running: dict[int, _Halting] = {}
        self.numbers = count()
        weakref.finalize(self, _end, self.running)

    def start(self, images: Images, labels: Labels, logits: Logits, threat: ThreatModel, noise: Noise, **options: Any) -> State:
        """Every image's attack up to where it first wants to know something of the model."""
        for option in options:
            if option not in self.options:
                raise UsageError(f"unknown option {option!r} of attack 'torchattacks:{self.name}'; known: {', '.join(self.options)}")
        if threat.norm not in self.NORMS:
            known = ", ".join(self.NORMS)
            raise UsageError(f"expected a norm that torchattacks:{self.name} knows, got {threat.norm!r}; known: {known}")
        epsilon = float(threat.epsilon)
        fixed = {"eps": epsilon, "max_epsilon": epsilon, "norm": SPELLED.get(threat.norm), "n_classes": logits.shape[1]}
        seeds = noise.integers(2**31).tolist()
        ours = [next(self.numbers) for _ in seeds]
        # On the CPU: a thread halted within a backward pass on a GPU would halt every other backward pass there.
        for number, image, label, seed in zip(ours, images.cpu().split(1), labels.cpu().split(1), seeds, strict=True):
            given = {one: value for one, value in {**fixed, "seed": seed, **options}.items() if one in self.arguments}
            self.running[number] = _Halting(self.kind, given, image, label, logits.shape[1], seed)
            self.running[number].go_on(None)
        return self._state(torch.tensor(ours, device=labels.device), images)

    def step(self, state: State, query: Query) -> State:
        """Each image's question answered, and its attack up to the next."""
        numbers = state.numbers.tolist()
        for gone in self.running.keys() - set(numbers):
            self.running.pop(gone).end()
        halting = [self.running[number] for number in numbers]
        weights = torch.cat([one.weights for one in halting])
        if any(one.wants_gradient for one in halting):
            there = weights.to(state.points.device)
            answer = query(state.points, lambda logits: (logits * there).sum(dim=1))
            logits, gradients = answer.logits.cpu(), answer.gradient.cpu()
        else:
            logits = query.forward(state.points).cpu().clone()  # a clone of what was made in inference mode can be used outside it
            gradients = torch.zeros_like(state.points, device="cpu")
        for one, row, gradient in zip(halting, logits.split(1), gradients.split(1), strict=True):
            one.go_on(gradient if one.wants_gradient else row)
        return self._state(state.numbers, state.points)

    def _state(self, numbers: Labels, like: Images) -> State:
        halting = [self.running[number] for number in numbers.tolist()]
        for one in halting:
            if one.error is not None:
                lines = str(one.error).strip().splitlines()
                told = f"{type(one.error).__name__}: {lines[0] if lines else ''}"
                raise EvaluationError(
                    f"attack 'torchattacks:{self.name}' raised {told}; the package cannot attack this model"
                ) from one.error
        points = torch.cat([one.point for one in halting]).to(like.device)
        return State(points, torch.tensor([one.finished for one in halting], device=like.device), numbers)


class _Halting:
    """The package's attack on one image, in a thread of its own that halts at every question about the model.

    Attributes:
        point: what is asked about; at the end, the attack's answer.
        weights: of the logits, whose weighted sum's gradient at `point` is wanted; zeros where only the logits are.
        wants_gradient: which of the two it is.
        finished: whether the attack has come to its end.
        error: what the package raised.
    """

    def __init__(self, kind: type, arguments: dict[str, Any], image: Tensor, label: Tensor, classes: int, seed: int):
        self.point, self.weights = image, torch.zeros(1, classes)
        self.wants_gradient = self.finished = self.dropped = False
        self.error: BaseException | None = None
        self.answer: Any = None
        self.random = _Random.seeded(seed)
        self.resumed, self.halted = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, args=(kind, arguments, image, label), daemon=True)
        self.threads_of_torch = torch.get_num_threads()
        self.thread.start()

    def go_on(self, answer: Tensor | None) -> None:
        """Give the answer, and come back at the next question or at the end."""
        if self.finished:
            return
        self.answer = answer
        with self.random.in_place_of_the_global(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the package should have written otherwise is not for the user to mend
            self.resumed.release()
            self.halted.acquire()
        if answer is None:
            torch.set_num_threads(self.threads_of_torch)

    def ask(self, point: Tensor, weights: Tensor | None) -> Tensor:
        """In the thread: halt until there is an answer."""
        self.point, self.wants_gradient = point.detach().clone(), weights is not None
        self.weights = torch.zeros_like(self.weights) if weights is None else weights.detach().clone()
        self.halted.release()
        self.resumed.acquire()
        if self.dropped:
            raise _Dropped
        return self.answer

    def end(self) -> None:
        """Leave the attack where it is."""
        if not self.finished:
            self.dropped = True
            self.go_on(None)
        self.thread.join()

    def _run(self, kind: type, arguments: dict[str, Any], image: Tensor, label: Tensor) -> None:
        self.resumed.acquire()
        try:
            if not self.dropped:
                torch.set_num_threads(1)  # of this thread; otherwise each would keep a pool of its own for operations on one image
                self.point = kind(_Asking(self), **arguments)(image, label).detach().float().reshape(image.shape)
        except _Dropped:
            pass
        except BaseException as error:
            self.error = error
        self.finished, self.wants_gradient = True, False
        self.weights = torch.zeros_like(self.weights)
        self.halted.release()


class _Dropped(BaseException):
    """Unwinds a thread whose image has left."""


class _Asking(nn.Module):
    """What the package takes for the model."""

    def __init__(self, halting: _Halting):
        super().__init__()
        self.halting = halting
        self.home = nn.Parameter(torch.zeros(()), requires_grad=False)  # the package asks a parameter for the device
        self.eval()

    def forward(self, points: Images) -> Logits:
        return torch.cat([_Answered.apply(point, self.halting) for point in points.split(1)])  # pyright: ignore[reportArgumentType]


class _Answered(torch.autograd.Function):
    """The logits of a point, and a gradient of any weighted sum of them, both asked for."""

    @staticmethod
    def forward(ctx: Any, point: Tensor, halting: _Halting) -> Tensor:
        ctx.point, ctx.halting = point.detach(), halting
        return halting.ask(point, None)

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None]:
        return ctx.halting.ask(ctx.point, weights[0]), None


@dataclass
class _Random:
    """The states of the global generators of torch, numpy and Python, for one image's attack."""

    of_torch: Tensor
    of_numpy: Any
    of_python: Any

    @staticmethod
    def seeded(seed: int) -> "_Random":
        return _Random(
            torch.Generator().manual_seed(seed).get_state(), np.random.RandomState(seed).get_state(), random.Random(seed).getstate()
        )

    @staticmethod
    def current() -> "_Random":
        return _Random(torch.get_rng_state(), np.random.get_state(), random.getstate())

    def put(self) -> None:
        torch.set_rng_state(self.of_torch)
        np.random.set_state(self.of_numpy)
        random.setstate(self.of_python)

    @contextmanager
    def in_place_of_the_global(self) -> Iterator[None]:
        """What is drawn in the block is drawn from here; the states at its end are kept for the next."""
        before = self.current()
        gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        self.put()
        try:
            yield
        finally:
            after = self.current()
            self.of_torch, self.of_numpy, self.of_python = after.of_torch, after.of_numpy, after.of_python
            before.put()
            if gpus:
                torch.cuda.set_rng_state_all(gpus)


def _end(running: dict[int, _Halting]) -> None:
    for one in running.values():
        one.end()
    running.clear()
