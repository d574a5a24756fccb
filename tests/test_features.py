"""What goes into a model's last linear layer is recorded, whatever the model and the batch, and nothing of the model is changed."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from robustsuite import EvaluationError
from robustsuite.features import tapped
from robustsuite.models import digits
from robustsuite.models._normalised import Normalised


def images(count: int, size: int) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(count))


def digit_model(name: str) -> tuple[nn.Module, int]:
    return digits.load(name)[0], 32


def resnet() -> tuple[nn.Module, int]:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    return Normalised(resnet18(weights=None, num_classes=7), (0.4, 0.5, 0.6), (0.2, 0.3, 0.2)).eval(), 64


def transformer() -> tuple[nn.Module, int]:
    import timm

    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=7, img_size=64)
    return Normalised(model, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval(), 64


MODELS = {
    "digits-standard": lambda: digit_model("digits-standard"),
    "digits-robust": lambda: digit_model("digits-robust"),
    "resnet18": resnet,
    "vit_tiny": transformer,
}
WIDTHS = {"digits-standard": 1024, "digits-robust": 1024, "resnet18": 512, "vit_tiny": 192}

every_model = pytest.mark.parametrize("name", MODELS)


@every_model
@torch.no_grad()
def test_the_head_makes_the_logits_of_the_features(name: str) -> None:
    model, size = MODELS[name]()
    shown = images(5, size)
    with tapped(model) as tap:
        logits = model(shown)
        features, head = tap.features, tap.head
    assert (features.dtype, features.shape) == (torch.float32, (5, WIDTHS[name]))
    assert (head.weight.dtype, head.bias.dtype) == (np.float32, np.float32)
    assert head.weight.shape == (logits.shape[1], WIDTHS[name])
    assert np.allclose(features.numpy() @ head.weight.T + head.bias, logits.numpy(), rtol=1e-4, atol=1e-4)


@every_model
@torch.no_grad()
def test_the_features_are_the_same_whatever_the_batch(name: str) -> None:
    model, size = MODELS[name]()
    shown = images(9, size)
    with tapped(model) as tap:
        model(shown)
        whole = tap.features
        for batch in (1, 2, 4):
            parts = []
            for begin in range(0, 9, batch):
                model(shown[begin : begin + batch])
                parts.append(tap.features)
            assert torch.allclose(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)


@every_model
@torch.no_grad()
def test_listening_changes_no_logit_and_leaves_nothing_behind(name: str) -> None:
    model, size = MODELS[name]()
    shown = images(3, size)
    before = model(shown)
    with tapped(model) as tap:
        during = model(shown)
        during_again = model(shown)
    assert torch.equal(before, during)
    assert torch.equal(before, during_again)
    assert not any(module._forward_hooks for module in model.modules())
    model(images(4, size))
    assert len(tap.features) == 3  # of the last pass within the context


@torch.no_grad()
def test_after_the_first_pass_one_layer_alone_is_listened_to() -> None:
    model, size = MODELS["vit_tiny"]()
    with tapped(model) as tap:
        assert sum(bool(module._forward_hooks) for module in model.modules()) > 10
        model(images(1, size))
        listening = [module for module in model.modules() if module._forward_hooks]
    assert len(listening) == 2  # the layer and the model itself
    assert tap.features.shape == (1, 192)


@torch.no_grad()
def test_hooks_go_when_the_model_raises() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(RuntimeError), tapped(model):
        model(images(1, 9))
    assert not any(module._forward_hooks for module in model.modules())


def test_features_carry_no_gradient_and_need_none() -> None:
    model, size = MODELS["digits-standard"]()
    shown = images(2, size).requires_grad_()
    with tapped(model) as tap:
        logits = model(shown)
        assert not tap.features.requires_grad
    (gradient,) = torch.autograd.grad(logits.sum(), shown)
    assert gradient.abs().sum() > 0
    with torch.inference_mode(), tapped(model) as tap:
        model(images(2, size))
        assert tap.features.shape == (2, 1024)


@torch.no_grad()
def test_a_head_in_half_precision_is_found_and_given_in_single() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(12, 3, bias=False).bfloat16()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(images.flatten(1)[:, :12].bfloat16()).float()

    model = Half()
    with tapped(model) as tap:
        logits = model(images(4, 8))
        assert tap.features.dtype == torch.float32
        assert (tap.head.bias == 0).all()
        assert np.allclose(tap.features.numpy() @ tap.head.weight.T, logits.numpy(), rtol=0.02, atol=0.02)


class Bodies:
    """Models without the layer that is looked for."""

    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(3, 4, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.last(images).mean(dim=(2, 3))

    class Rescaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 2 * self.last(images.mean(dim=(2, 3)))

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.last(images.flatten(2).mT).mean(dim=1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("body", "why"),
    [(Bodies.Convolution, "none is executed"), (Bodies.Rescaled, "the last one gives something else"), (Bodies.Tokens, "something else")],
)
def test_a_model_without_such_a_layer_is_refused_in_one_sentence(body: type[nn.Module], why: str) -> None:
    model = body()
    with tapped(model) as tap:
        logits = model(images(2, 8))
        assert logits.shape == (2, 4)  # the pass itself does not fail
        for asked in ("features", "head"):
            with pytest.raises(EvaluationError, match=f"expected a model whose logits come straight from a linear layer.*{why}"):
                getattr(tap, asked)


@torch.no_grad()
def test_a_scripted_model_is_refused_in_one_sentence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), images(1, 8))
    with tapped(model) as tap:
        model(images(2, 8))
        with pytest.raises(EvaluationError, match="none is executed"):
            _ = tap.features


def test_a_plain_function_is_refused_in_one_sentence() -> None:
    def answering(images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))

    with pytest.raises(EvaluationError, match="expected a torch.nn.Module to take features from, got answering"), tapped(answering):
        pass


def test_features_before_the_first_pass_are_refused_in_one_sentence() -> None:
    model, _ = MODELS["digits-standard"]()
    with tapped(model) as tap, pytest.raises(EvaluationError, match="expected a forward pass of DigitsNetwork before"):
        _ = tap.features


@torch.no_grad()
def test_a_layer_that_is_executed_twice_counts_as_it_was_executed_last() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.fc(images.mean(dim=(2, 3))))

    model, shown = Twice(), images(4, 8)
    with tapped(model) as tap:
        model(shown)
        assert torch.allclose(tap.features, model.fc(shown.mean(dim=(2, 3))))


@torch.no_grad()
def test_the_last_layer_executed_counts_not_the_last_one_written_down() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 2)
            self.unused = nn.Linear(3, 2)
            self.body = nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(input=self.body(images.mean(dim=(2, 3))).relu())

    model, shown = Backwards(), images(4, 8)
    with tapped(model) as tap:
        model(shown)
        assert np.array_equal(tap.head.weight, model.head.weight.numpy())
        assert torch.allclose(tap.features, model.body(shown.mean(dim=(2, 3))).relu())
