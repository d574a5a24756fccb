"""What a model makes of an image just before its last linear layer, taken while it runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from robustsuite.errors import EvaluationError
from robustsuite.predictions import Head
from robustsuite.roles import Classifier


class Tap:
    """The features of the latest forward pass, and the layer that they went into.

    The first pass, of any number of images, finds the layer: the last `nn.Linear` that is executed, if what it returns are the
    logits. From then on that layer alone is listened to. Where there is no such layer, this is said when features are asked for:
    an error within the pass would be taken for the model's own.
    """

    def __init__(self, classifier: nn.Module) -> None:
        self._name = type(classifier).__name__
        self._problem = f"expected a forward pass of {self._name} before its features are asked for, got none"
        self._layer: nn.Linear | None = None
        self._features: Tensor | None = None
        self._heard: tuple[nn.Linear, Tensor, Tensor] | None = None  # of this pass the last linear layer so far, its input, its output
        layers = [module for module in classifier.modules() if isinstance(module, nn.Linear)]
        self._hooks = {layer: layer.register_forward_hook(self._hear, with_kwargs=True) for layer in layers}
        self._end = classifier.register_forward_hook(self._conclude)  # called after those of the layers

    @property
    def features(self) -> Float[Tensor, "images width"]:
        """What went into the layer in the latest pass: float32, a row for each image, on the model's device, without gradient.

        Raises `EvaluationError` before the first pass, and for a model without such a layer.
        """
        if self._features is None:
            raise EvaluationError(self._problem)
        return self._features

    @property
    def head(self) -> Head:
        """The layer's weight and bias, zeros where it has none. Raises as `features` does."""
        if self._layer is None:
            raise EvaluationError(self._problem)
        weight, bias = self._layer.weight.detach().float(), self._layer.bias
        bias = weight.new_zeros(len(weight)) if bias is None else bias.detach().float()
        return Head(weight.cpu().numpy().copy(), bias.cpu().numpy().copy())

    def close(self) -> None:
        """Listen no more; what was heard last stays."""
        for hook in (self._end, *self._hooks.values()):
            hook.remove()

    def _hear(self, layer: nn.Linear, inputs: tuple[Any, ...], named: Mapping[str, Any], output: Tensor) -> None:
        self._heard = layer, (inputs[0] if inputs else named["input"]).detach(), output.detach()

    def _conclude(self, classifier: nn.Module, inputs: tuple[Any, ...], logits: Any) -> None:
        heard, self._heard, self._features = self._heard, None, None
        if heard is None or (self._layer is None and not _same(heard[2], logits)):
            self._problem = (
                f"expected a model whose logits come straight from a linear layer (torch.nn.Linear), got {self._name}, in which "
                f"{'the last one gives something else' if heard else 'none is executed'}; choose a detector that reads logits alone"
            )
            return
        if self._layer is None:
            self._layer = heard[0]
            for layer, hook in self._hooks.items():
                if layer is not self._layer:
                    hook.remove()
        self._features = heard[1].float()


def _same(output: Tensor, logits: Any) -> bool:
    """Whether these are the same numbers, one row for each image; perhaps in another precision."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or output.shape != logits.shape:
        return False
    return bool((output.float() == logits.float()).all())


@contextmanager
def tapped(classifier: Classifier) -> Iterator[Tap]:
    """Listen to a model's forward passes for as long as the context lasts; the model is not changed.

        with tapped(classifier) as tap:
            logits = classifier(images)
            tap.features, tap.head

    Raises `EvaluationError` for anything but a `torch.nn.Module`.
    """
    if not isinstance(classifier, nn.Module):
        kind = getattr(classifier, "__name__", type(classifier).__name__)
        raise EvaluationError(f"expected a torch.nn.Module to take features from, got {kind}; choose a detector that reads logits alone")
    tap = Tap(classifier)
    try:
        yield tap
    finally:
        tap.close()
