"""What a model looked at: a map of the places whose features carry its answer, made by the package grad-cam.

Such a map shows where, not why, and only as finely as the last feature map: a look at it suggests a question, and answers none.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from robustsuite.errors import EvaluationError, UsageError
from robustsuite.process_wide import given_back
from robustsuite.records import Explanation
from robustsuite.roles import Classifier, Images, Labels, Logits

METHODS = get_args(Explanation)[1:]
"""Eigen-CAM (Muhammad & Yeasin 2020, arXiv:2008.00299), Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391), HiResCAM (Draelos & Carin
2020, arXiv:2011.08891). The first asks for no gradient, and is of no class."""


def require(method: str) -> None:
    """Raises `UsageError` for an unknown method, and where the package that knows them is not installed."""
    if method not in METHODS:
        raise UsageError(f"expected --rs-explain none, {', '.join(METHODS)}, got {method!r}; choose one of these")
    if find_spec("pytorch_grad_cam") is None:
        raise UsageError(
            f"expected the package grad-cam for --rs-explain {method}, which is not installed; pip install 'robustsuite[explain]'"
        )


def _same(outputs: Logits) -> Logits:
    return outputs


def heat(
    classifier: Classifier, images: Images, classes: Labels, method: str, answer: Callable[[Tensor], Logits] = _same
) -> UInt8[np.ndarray, "batch height width"]:
    """How much each place of each image counted, 0 to 255: the larger, the more; each image has a scale of its own.

    The model's mode, gradients and hooks are as before, and so are the global random states.

    Args:
        classifier: a `torch.nn.Module`, in the mode in which it answers.
        images: float32 in [0, 1], on the model's device.
        classes: which answer is explained, for each image; of no account to `eigen-cam`.
        method: one of `METHODS`.
        answer: what makes the logits that `classes` number of the model's outputs.

    Raises:
        EvaluationError: no feature map to explain.
    """
    if not isinstance(classifier, nn.Module):
        raise EvaluationError(f"no feature map to explain: expected a torch.nn.Module, got {type(classifier).__name__}")
    with _undone(classifier, images.device), given_back(), torch.enable_grad():
        layer, channels_last = _feature_map(classifier, images[:1])
        explain = _explainer(method, _Answering(classifier, answer, images.device), layer, _channels_first if channels_last else None)
        try:
            # The parameters ask for no gradient here: what reaches the feature map comes from the images.
            found = explain(images.detach().clone().requires_grad_(True), [_Logit(number) for number in classes.tolist()])
        finally:
            explain.activations_and_grads.release()
    return np.round(255 * np.clip(np.nan_to_num(found), 0, 1)).astype(np.uint8)


class _Answering(nn.Module):
    """The model as one that the package may put into eval mode and clear of gradients: it holds it out of its reach."""

    def __init__(self, classifier: nn.Module, answer: Callable[[Tensor], Logits], device: torch.device) -> None:
        super().__init__()
        self._ask = lambda images: answer(classifier(images))
        self.place = nn.Parameter(torch.empty(0, device=device), requires_grad=False)  # by which the package knows the device

    def forward(self, images: Images) -> Logits:
        return self._ask(images)


class _Logit:
    """What is explained of one row of logits."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[self.number]


def _explainer(method: str, model: nn.Module, layer: nn.Module, reshape: Callable[[Tensor], Tensor] | None) -> Any:
    from pytorch_grad_cam import EigenCAM, GradCAM, HiResCAM  # heavy, and asked for by few

    class SignedEigenCAM(EigenCAM):
        """A principal component has no sign of its own: it is turned so that what stands out most does so upwards."""

        def get_cam_image(self, *arguments: Any, **options: Any) -> Any:
            maps: Any = super().get_cam_image(*arguments, **options)
            return np.stack([-each if -each.min() > each.max() else each for each in maps])

    methods = {"eigen-cam": SignedEigenCAM, "grad-cam": GradCAM, "hires-cam": HiResCAM}
    return methods[method](model, [layer], reshape_transform=reshape)


def _channels_first(maps: Tensor) -> Tensor:
    return maps.permute(0, 3, 1, 2)


def _feature_map(classifier: nn.Module, image: Images) -> tuple[nn.Module, bool]:
    """The last module that gives a feature map `[1, channels, height, width]`; or `[1, height, width, channels]`, which is told too.

    Raises `EvaluationError` where there is none, or where tokens are made of it: a map of what came before them explains nothing.
    """
    heard: list[tuple[nn.Module, tuple[int, ...]]] = []

    def hear(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and output.shape[0] == 1 and _tells_places(output, image):
            heard.append((module, tuple(output.shape)))

    hooks = [module.register_forward_hook(hear) for module in classifier.modules()]
    try:
        with torch.no_grad():
            classifier(image.detach().clone())
    finally:
        for hook in hooks:
            hook.remove()
    if not heard or len(heard[-1][1]) == 3:
        what = "it works on tokens" if heard else "no module of it gives one"
        raise EvaluationError(f"no feature map to explain in {type(classifier).__name__}: {what}")
    module, shape = heard[-1]
    return module, _is_channels_last(shape, image)


def _tells_places(output: Tensor, image: Images) -> bool:
    """Whether it may be a feature map, or tokens `[1, tokens, width]`; not the image itself, shifted and scaled."""
    if output.ndim == 3:
        return output.shape[1] > 1
    return output.ndim == 4 and output.shape != image.shape and sorted(output.shape)[1:3] != [1, 1]


def _is_channels_last(shape: Sequence[int], image: Images) -> bool:
    """Whether the sides of the image, which a feature map keeps in proportion, come before the channels."""
    sides = np.log(image.shape[2] / image.shape[3])
    first, last = (abs(np.log(high / wide) - sides) for high, wide in (shape[2:], shape[1:3]))
    return bool(last < first)


@contextmanager
def _undone(classifier: nn.Module, device: torch.device) -> Iterator[None]:
    """No parameter asks for a gradient; afterwards those that did do again, and every global random state is as it was."""
    wanting = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    plain, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for parameter in wanting:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in wanting:
                parameter.requires_grad_(True)
            random.setstate(plain)
            np.random.set_state(arrays)
