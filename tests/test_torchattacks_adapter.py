"""The adapter to the package torchattacks: its own attacks, halted at every question, without a trace in the libraries that it uses."""

import inspect
import random
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from test_every_attack import CONVOLUTIONAL_RADIUS, Convolutional, Counting, Linear, assert_legal, between, photos
from torch import Tensor, nn

from robustsuite import EvaluationError, UsageError, attacking, catalog
from robustsuite.attacking import AttackResult
from robustsuite.attacks import _torchattacks
from robustsuite.attacks._torchattacks import NAMES, NEAREST, OTHER_NORMS, named
from robustsuite.numerics.norms import size
from robustsuite.numerics.random import image_keys
from robustsuite.records import Attacked, ThreatModel

installed = find_spec("torchattacks") is not None
needs_the_package = pytest.mark.skipif(not installed, reason="needs the package torchattacks")
QUICK: dict[str, dict[str, Any]] = {
    "APGDT": {"steps": 3},
    "CW": {"steps": 10},
    "EADEN": {"max_iterations": 10, "binary_search_steps": 3},
    "EADL1": {"max_iterations": 10, "binary_search_steps": 3},
    "JSMA": {"gamma": 0.01},
    "SPSA": {"nb_sample": 8},
    "Square": {"n_queries": 30},
}
every_norm = pytest.mark.parametrize(
    ("name", "norm"),
    [
        (name, norm)
        for name in NAMES
        if name != "AutoAttack"  # some 5,000 queries, and all of them those of the others
        for norm in OTHER_NORMS.get(name, ("linf",))
    ],
)


class Signs:
    """A stand-in in the package's style, so that the adapter is tested where the package is not installed."""

    def __init__(self, model: nn.Module, eps: float = 8 / 255, steps: int = 3, norm: str = "Linf", seed: int = 0, draws: bool = False):
        self.model, self.eps, self.steps, self.draws = model, eps, steps, draws
        self.device = next(model.parameters()).device

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        points = images.clone()
        if self.draws:
            shift = torch.rand(images.shape) + torch.from_numpy(np.random.rand(*images.shape)).float() + random.random()
            points = (images + self.eps * (shift * 2 / 3 - 1)).clamp(0, 1)
        for _ in range(self.steps):
            points.requires_grad = True
            loss = nn.functional.cross_entropy(self.model(points), labels)
            (gradient,) = torch.autograd.grad(loss, points)
            points = points.detach() + self.eps / 2 * gradient.sign()
            points = (images + (points - images).clamp(-self.eps, self.eps)).clamp(0, 1)
        return points


class Failing(Signs):
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        self.model(images)
        raise RuntimeError("upside\ndown")


class Several(Signs):
    """Shows the model many points of one image at once, and does so more often to bright images."""

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        for _ in range(1 + int(10 * images.mean())):
            with torch.no_grad():
                self.model(images.expand(4, -1, -1, -1))
        return super().__call__(images, labels)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The engine with an attack of the package, or with the stand-in `kind`."""

    def run(
        model: Any,
        images: Tensor,
        labels: Tensor,
        name: str,
        norm: str,
        epsilon: float,
        kind: type | None = None,
        ids: Any = None,
        **options: Any,
    ) -> AttackResult:
        def found(room: str, name: str) -> Any:
            return named(name) if kind is None else _torchattacks.PackagedAttack("PGD", kind)

        monkeypatch.setattr(attacking, "module", found)
        attacked = Attacked(name, ThreatModel(norm, Fraction(epsilon)), tuple(sorted(options.items())))
        keys = image_keys(ids or [str(row) for row in range(len(images))])
        return attacking.attack(model, images, labels, attacked, keys, seed=0, width=options.get("width", 5))

    return run


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count(), torch.get_num_threads()
    yield
    assert (threading.active_count(), torch.get_num_threads()) == before


def some(count: int = 12) -> tuple[nn.Module, Tensor, Tensor]:
    model, images = Convolutional().eval().requires_grad_(False), photos(count)
    return model, images, model(images).argmax(dim=1)


# ------------------------------------------------------------------------------------------------- with a stand-in


def test_an_attack_in_the_packages_style_finds_what_it_finds_by_itself(run: Any) -> None:
    model, images, labels = some()
    result = run(model, images, labels, "PGD", "linf", 0.05, Signs)
    alone = torch.cat([Signs(model, eps=0.05)(image, label) for image, label in zip(images.split(1), labels.split(1), strict=True)])
    fell = model(alone).argmax(dim=1) != labels
    assert 0 < fell.sum() < len(images)
    assert not result.robust[fell].any()
    assert_legal(result, images, "linf", 0.05)


def test_passes_are_counted_as_the_model_counts_them_and_fallen_images_cost_nothing_more(run: Any) -> None:
    model, images, labels = some()
    counting = Counting(model)
    result = run(counting, images, labels, "PGD", "linf", 0.05, Signs, steps=20)
    assert (result.forwards, result.backwards) == (counting.rows, counting.rows_with_gradient)
    assert 0 < result.backwards < 20 * len(images)
    assert bool((result.first_success[~result.robust] > 0).all())


def test_an_images_result_does_not_depend_on_its_batch(run: Any) -> None:
    model, images, labels = some()
    ids = [f"{row}.png" for row in range(12)]
    for kind in (Signs, Several):
        whole = run(model, images, labels, "PGD", "linf", 0.05, kind, ids, draws=True)
        rows = list(range(11, -1, -1))
        turned = run(model, images[rows], labels[rows], "PGD", "linf", 0.05, kind, [ids[row] for row in rows], draws=True)
        assert torch.equal(turned.robust, whole.robust[rows])
        assert torch.equal(turned.first_success, whole.first_success[rows])
        assert torch.allclose(turned.adversarial, whole.adversarial[rows], atol=1e-6)


def test_global_random_numbers_are_left_alone_and_do_not_matter(run: Any) -> None:
    model, images, labels = some(6)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()
        results.append(run(model, images, labels, "PGD", "linf", 0.02, Signs, draws=True))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), before[1], strict=True))
    assert torch.equal(results[0].adversarial, results[1].adversarial)


def test_pythons_random_numbers_are_set_back_as_well() -> None:
    # By itself: the type checks of the tests draw from Python's generator, too.
    kept = _torchattacks._Random.seeded(3)
    before = random.getstate()
    drawn = []
    for _ in range(2):
        with kept.in_place_of_the_global():
            drawn.append(random.random())
        assert random.getstate() == before
    expected = random.Random(3)
    assert drawn == [expected.random(), expected.random()]


def test_what_the_package_raises_becomes_one_sentence(run: Any) -> None:
    model, images, labels = some(6)
    with pytest.raises(EvaluationError, match="attack 'torchattacks:PGD' raised RuntimeError: upside; the package cannot") as caught:
        run(model, images, labels, "PGD", "linf", 0.02, Failing)
    assert "\n" not in str(caught.value)
    caught = None  # its traceback holds the run


def test_a_model_that_raises_leaves_no_thread_behind(run: Any) -> None:
    class Breaking(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            if images.requires_grad:
                raise ValueError("no gradients here")
            return images.mean(dim=(2, 3))

    with pytest.raises(ValueError, match="no gradients here"):
        run(Breaking(), photos(4), Breaking()(photos(4)).argmax(dim=1), "PGD", "linf", 0.02, Signs)


def test_options_of_the_package_are_known_by_name_and_others_refused(run: Any) -> None:
    attack = _torchattacks.PackagedAttack("PGD", Signs)
    assert attack.options == {"steps": 3, "draws": False}
    model, images, labels = some(2)
    with pytest.raises(UsageError, match="unknown option 'stepps' of attack 'torchattacks:PGD'; known: steps, draws"):
        run(model, images, labels, "PGD", "linf", 0.02, Signs, stepps=3)
    with pytest.raises(UsageError, match="expected a norm that torchattacks:PGD knows, got 'l2'; known: linf"):
        run(model, images, labels, "PGD", "l2", 0.02, Signs)


def test_an_unknown_name_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"expected an attack of the package torchattacks, got 'PGF'; known: APGD, .* VNIFGSM$"):
        named("PGF")


def test_a_missing_package_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    with pytest.raises(UsageError, match="expected the package torchattacks, got .*torchattacks.*; pip install torchattacks") as caught:
        named("PGD")
    assert "\n" not in str(caught.value)


def test_the_names_are_literal_and_sorted() -> None:
    assert catalog.constant("attacks", "_torchattacks", "NAMES") == NAMES
    assert list(NAMES) == sorted(NAMES)
    assert set(NEAREST) | set(OTHER_NORMS) <= set(NAMES)


# ------------------------------------------------------------------------------------------------ with the package


@needs_the_package
def test_the_names_are_those_of_the_package() -> None:
    package = __import__("torchattacks")
    left_out = {"DIFGSM", "GN", "LGV", "MultiAttack", "PGDRS", "PGDRSL2", "SINIFGSM", "TIFGSM", "VANILA"}
    assert set(NAMES) == set(package.__all__) - left_out
    for name in NAMES:
        assert "model" in inspect.signature(getattr(package, name)).parameters


@needs_the_package
@every_norm
def test_every_attack_of_the_package_runs_and_is_checked(run: Any, name: str, norm: str) -> None:
    model, images, labels = some(4)
    counting = Counting(model)
    epsilon = CONVOLUTIONAL_RADIUS[norm]
    result = run(counting, images, labels, name, norm, epsilon, **QUICK.get(name, {}))
    assert_legal(result, images, norm, epsilon)
    assert (result.forwards, result.backwards) == (counting.rows, counting.rows_with_gradient)
    assert torch.equal(result.robust, model(result.adversarial).argmax(dim=1) == labels)
    again = run(model, images, labels, name, norm, epsilon, **QUICK.get(name, {}))
    assert torch.equal(again.adversarial, result.adversarial)


@needs_the_package
@pytest.mark.parametrize("name", ["BIM", "MIFGSM", "PGD"])
def test_the_package_fells_a_linear_model_exactly_within_reach(run: Any, name: str) -> None:
    model = Linear()
    images, labels = model.images()
    needed = model.needed(images, "linf")
    epsilon = between(needed)
    result = run(model, images, labels, name, "linf", epsilon, steps=20, alpha=epsilon / 4)
    assert torch.equal(result.robust, needed > epsilon)


@needs_the_package
@pytest.mark.parametrize("name", ["CW", "DeepFool", "FAB"])
def test_the_nearest_points_are_those_of_the_package(run: Any, name: str) -> None:
    package = __import__("torchattacks")
    model, images, labels = some(4)
    arguments = {"norm": "L2", "eps": 1e9, "seed": 0} if name == "FAB" else {"c": 20, "steps": 40} if name == "CW" else {}
    options = {name: value for name, value in arguments.items() if name in ("c", "steps")}
    result = run(model, images, labels, name, "l2", 40.0, **options)
    alone = [
        getattr(package, name)(model, **arguments)(image, label) for image, label in zip(images.split(1), labels.split(1), strict=True)
    ]
    theirs = size(torch.cat(alone) - images, "l2")
    fell = model(torch.cat(alone)).argmax(dim=1) != labels
    assert fell.any()
    # The engine keeps the nearest point that was asked about, the package the one that it likes best.
    assert bool((result.distance[fell] <= theirs[fell] + 1e-5).all())
    # Where the package stops on the boundary itself, as DeepFool does, the next rounding decides.
    assert int(result.robust[fell].sum()) <= result.counts["taken_back"]


@needs_the_package
def test_the_installed_package_is_not_changed(run: Any) -> None:
    package: ModuleType = __import__("torchattacks")
    before = dict(vars(package.PGD))
    model, images, labels = some(3)
    run(model, images, labels, "PGD", "linf", 0.02)
    assert dict(vars(package.PGD)) == before
