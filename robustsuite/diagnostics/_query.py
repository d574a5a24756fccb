"""One forward and one backward pass of a diagnostic: what the engine of attacks does for them, without its book-keeping."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from robustsuite.errors import EvaluationError
from robustsuite.roles import Classifier, Images, Logits, PerImage


@dataclass(frozen=True)
class Answer:
    """See `roles.Answer`."""

    logits: Logits
    loss: PerImage
    gradient: Images


def query(model: Classifier, points: Images, loss: Callable[[Logits], PerImage]) -> Answer:
    """The logits at the points, the loss of each, and its gradient, zero where the loss does not depend on the image.

    Raises `EvaluationError` for a model whose logits have no gradient with respect to the images.
    """
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(points).float()
        losses = loss(logits)
        gradient = torch.autograd.grad(losses.sum(), points, allow_unused=True)[0] if losses.requires_grad else None
    if gradient is None:
        raise EvaluationError(
            "expected logits with a gradient with respect to the images, got none; the model detaches them or leaves torch: "
            "run the diagnostic smoothing, which needs no gradient"
        )
    return Answer(logits.detach(), losses.detach(), gradient)
