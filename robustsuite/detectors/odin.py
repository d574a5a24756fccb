"""ODIN: softmax at a high temperature, of images moved towards it (Liang, Li & Srikant 2018, arXiv:1706.02690)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from robustsuite.detectors._evidence import by_rows
from robustsuite.detectors._probabilities import log_probabilities
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.predictions import Evidence, Head

if TYPE_CHECKING:
    import torch


def odin(
    familiar: Evidence, labels: np.ndarray, head: Head | None, epsilon: float = 0.0014, temperature: float = 1000.0
) -> Callable[[Evidence], np.ndarray]:
    """The **logarithm** of the largest softmax probability of `z / T`, in [-log classes, 0]. Nothing is fitted.

    The logits are those of the images that `shown` gives. A constant added to all logits of an image changes nothing.

    Args:
        familiar: not read.
        labels: not read.
        head: not read.
        epsilon: read by `shown`.
        temperature: T > 0; 1000 in the paper.
    """
    if temperature <= 0:
        raise UsageError(f"expected a temperature above 0 for the detector odin, got {temperature}")
    return lambda evidence: by_rows(lambda logits: log_probabilities(logits / temperature).max(axis=1), evidence.logits)


def shown(
    classifier: Callable[["torch.Tensor"], "torch.Tensor"],
    images: "torch.Tensor",
    epsilon: float = 0.0014,
    temperature: float = 1000.0,
) -> "torch.Tensor":
    """The images moved by `epsilon` in every value, so that the largest probability rises: `x + epsilon sign(grad log max softmax(z / T))`.

    Each image follows its own gradient, whatever else is in the batch. As in the paper nothing is clipped: values may leave
    [0, 1] by `epsilon`. A value without a gradient stays (the paper's code moves it down).

    Args:
        classifier: images in [0, 1] to logits; its normalisation is its own, so that `epsilon` is in units of the image.
        images: float `[batch, 3, height, width]`; not changed.
        epsilon: how far; 0.0014 is what the paper's code uses for its first network.
        temperature: as of the score.

    Raises:
        EvaluationError: the logits have no gradient with respect to the images.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        points = images.detach().clone().requires_grad_()
        logits = classifier(points).float()
        largest = (logits / temperature).log_softmax(dim=1).amax(dim=1).sum()
        gradient = torch.autograd.grad(largest, points, allow_unused=True)[0] if largest.requires_grad else None
    if gradient is None:
        raise EvaluationError(
            "expected logits with a gradient with respect to the images for the detector odin, got none; use max_logit, which needs none"
        )
    return images + epsilon * gradient.sign()
