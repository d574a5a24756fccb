"""How far an image can be turned into another while the model stays as confident. Sriramanan et al. 2023, arXiv:2310.19889.

Level set traversal (algorithm 1 there) measures the opposite of an attack: a model that does not notice. From the image it goes towards
a target in which nothing of the image is left, along directions to which the gradient of the model's confidence is orthogonal.

With four differences. The target is not another image, which would make the result depend on the choice of it, but mid-grey or the
image's own noise. The part of a step along the gradient is as long as it takes, were the model linear, to hold the level: it recovers
what the steps before have lost, and where the target itself lies on the confident side nothing is projected away. The level held sinks
from the start's own to the lowest allowed. And a step that loses the confidence is not the end: it is taken again, half as long.
"""

from collections.abc import Mapping
from math import log, log1p

import torch
from torch.nn.functional import logsigmoid

from robustsuite.diagnostics._query import query
from robustsuite.errors import UsageError
from robustsuite.numerics.losses import log_odds
from robustsuite.numerics.norms import LEAST, TINY, size, steepest
from robustsuite.roles import Classifier, Images, Labels, Logits, Noise, PerImage

COLUMNS = {"travelled": False, "l2": None, "confidence_kept": None}

FIRST_SHARE = 0.1  # of the way that is left
LAST_HEIGHT = 0.01  # of the level held above the lowest allowed, in units of the start's: rounding must not decide whether a point holds
GROWTH, SHRINKAGE = 1.5, 0.5  # of that share after a step that held the confidence, and after one that did not


def level_set(
    model: Classifier,
    images: Images,
    labels: Labels,
    logits: Logits,
    noise: Noise,
    target: str = "grey",
    delta: float = 0.05,
    steps: int = 50,
) -> Mapping[str, PerImage]:
    """The point nearest to the target at which the class predicted at the start is still as probable, less a share of `delta`.

    Args:
        model: see `roles.Diagnostic`.
        images: where to start.
        labels: not needed; the predicted class is what counts.
        logits: of the images.
        noise: for the target `noise`.
        target: `grey`, 0.5 everywhere, or `noise`, uniform noise of the image's own.
        delta: which share of the start's confidence may be lost.
        steps: how many queries to make, one forward and one backward each, the first at the image itself.

    Returns:
        `travelled`: the share of the way to the target, `1 - |end - target| / |image - target|` in L2, in [0, 1]; higher is worse, as
        the model has not noticed; 1 for an image that is the target. `l2`: the size of the change. `confidence_kept`: the end's
        confidence over the start's, at least `1 - delta`.

    Raises:
        UsageError: for another target, `delta` outside (0, 1), or fewer than one step.
    """
    if not 0 < delta < 1:
        raise UsageError(f"expected delta between 0 and 1 for level_set, got {delta}")
    if steps < 1:
        raise UsageError(f"expected steps >= 1 for level_set, got {steps}")
    goal, predicted = _goal(target, images, noise), logits.argmax(dim=1)
    start = -log_odds(logits, predicted)
    lowest = log1p(-delta) + logsigmoid(start) - torch.logaddexp(logsigmoid(-start), log(delta) + logsigmoid(start))

    way = size(goal - images, "l2")
    end, left, kept = images, way, start
    points, lead, gradient = images, start, torch.zeros_like(images)
    share, candidates = torch.full_like(way, FIRST_SHARE), images
    for taken in range(1, steps + 1):
        answer = query(model, candidates, lambda logits: -log_odds(logits, predicted))
        holds, remaining = answer.loss >= lowest, size(goal - candidates, "l2")
        nearer = holds & (remaining < left)
        end = torch.where(nearer[:, None, None, None], candidates, end)
        left, kept = torch.where(nearer, remaining, left), torch.where(nearer, answer.loss, kept)

        points = torch.where(holds[:, None, None, None], candidates, points)
        gradient = torch.where(holds[:, None, None, None], answer.gradient, gradient)
        lead = torch.where(holds, answer.loss, lead)
        share = torch.where(holds, (GROWTH * share).clamp(max=1), SHRINKAGE * share)

        height = max(0.0, 1 - (taken + 1) / steps) ** 0.5
        level = lowest + max(height, LAST_HEIGHT) * (start - lowest)
        direction = _held(goal - points, lead - level, gradient)
        candidates = (points + share[:, None, None, None] * direction).clamp(0, 1)
    confidence = torch.sigmoid(kept) / torch.sigmoid(start)
    return {"travelled": 1 - left / way.clamp(min=TINY), "l2": size(end - images, "l2"), "confidence_kept": confidence}


def _goal(target: str, images: Images, noise: Noise) -> Images:
    match target:
        case "grey":
            return torch.full_like(images, 0.5)
        case "noise":
            return noise.uniform(*images.shape[1:]).to(images.dtype)
        case _:
            raise UsageError(f"expected the target grey or noise for level_set, got {target!r}")


def _held(towards: Images, spare: PerImage, gradient: Images) -> Images:
    """The way to the target, moved along the gradient to where a linear lead would have spent what there is to spare.

    At most as far as the way is long: a small gradient would otherwise send the point anywhere.
    """
    upwards = steepest(gradient, "l2")
    slope = (gradient * upwards).flatten(1).sum(dim=1)
    lost = -(towards * upwards).flatten(1).sum(dim=1)
    correction = (lost - spare / slope.clamp(min=LEAST)).clamp(min=0).minimum(size(towards, "l2"))
    return towards + correction[:, None, None, None] * upwards
