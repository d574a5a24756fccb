"""The smallest change after which K wrong classes lead in a given order. Zhang & Wu 2020, arXiv:1905.10695.

Asked of a model it says how freely an attacker may choose its answer, as in Paniagua et al. 2023 (QuadAttacK, arXiv:2312.11510); one
run for each K, such as 1, 5, 10 and 20. The list is drawn for each image, among all classes but its label.

The search is this project's own, by cutting planes (Kelley 1960). In an image's list every class must stand above the next, and the
last above all others: of these gaps, each query yields the widest and its gradient, and so a half-space that closes it as far as the
model is linear. The next point is the nearest one in the half-spaces of the last queries and in the box, seen from the present point
after it was pulled some way back to the image. On a linear model that ends at the nearest point there is.
"""

from collections.abc import Mapping
from math import cos, pi

import torch
from jaxtyping import Float, Int
from torch import Tensor

from robustsuite.diagnostics._half_spaces import nearest
from robustsuite.diagnostics._query import query
from robustsuite.errors import UsageError
from robustsuite.numerics.norms import LEAST, TINY, size
from robustsuite.roles import Classifier, Images, Labels, Logits, Noise, PerImage

COLUMNS = {"reached": False, "l1": True, "l2": True, "linf": True}

FIRST_PULL, LAST_PULL = 0.2, 0.02  # shares of the way back to the image, once the list was reached
PULL_BEFORE = 0.03  # the same before that, when it would only undo what the last half-spaces have won
FIRST_MARGIN, LAST_MARGIN = 0.03, 0.002  # by how much every gap is to be more than closed, in units of the clean image's widest


def ordered_top_k(
    model: Classifier, images: Images, labels: Labels, logits: Logits, noise: Noise, k: int = 5, steps: int = 100
) -> Mapping[str, PerImage]:
    """Whether the list was reached, and how large the change is.

    Every point counted as reached was shown to the model once more at the end. An image whose list was not reached has the distances
    of the last point tried, about where the search took the list to be, so that a column's mean stays one over all images; a model
    without a gradient there has moved nothing, and its distances are 0. Memory: 2 k + 10 gradients of each image.

    Args:
        model: see `roles.Diagnostic`.
        images: the clean images.
        labels: their true classes, which are in no list.
        logits: of the clean images; the widest gap in them is the unit of the margins.
        noise: for the lists.
        k: how many classes a list has.
        steps: how many queries to make, one forward and one backward each; one forward more at the end.

    Returns:
        `reached`: 1 where the model's `k` largest logits belong to the list's classes, in its order and without ties, else 0; lower
        is better. `l1`, `l2`, `linf`: the sizes of the change, the smallest found in L2; higher is better.

    Raises:
        UsageError: for `k` outside 1 … classes - 1, or fewer than one step.
    """
    classes = logits.shape[1]
    if not 1 <= k < classes:
        raise UsageError(f"expected k from 1 to {classes - 1} for ordered_top_k, wrong classes of {classes}, got {k}")
    if steps < 1:
        raise UsageError(f"expected steps >= 1 for ordered_top_k, got {steps}")
    lists = wrong_classes(labels, classes, k, noise)
    points = _nearest_reached(model, images, logits, lists, steps)
    with torch.no_grad():
        reached = gaps(model(points).float(), lists).amax(dim=1) < 0
    change = points - images
    return {"reached": reached.to(images.dtype), "l1": size(change, "l1"), "l2": size(change, "l2"), "linf": size(change, "linf")}


def wrong_classes(labels: Labels, classes: int, k: int, noise: Noise) -> Int[Tensor, "batch k"]:
    """A list of `k` different classes for each image, never its label, every list as probable as any other."""
    order = noise.uniform(classes).scatter(1, labels[:, None], 2.0)
    return order.argsort(dim=1, stable=True)[:, :k]


def gaps(logits: Logits, lists: Int[Tensor, "batch k"]) -> Float[Tensor, "batch gaps"]:
    """By how much each class of the list is below the next (k - 1 columns), and its last below each other class (a column for each class).

    All negative where the list is reached; minus infinity where a class of the list stands in place of another.
    """
    listed = logits.gather(1, lists)
    others = logits.scatter(1, lists, -torch.inf)
    return torch.cat([listed[:, 1:] - listed[:, :-1], others - listed[:, -1:]], dim=1)


def _nearest_reached(model: Classifier, images: Images, logits: Logits, lists: Int[Tensor, "batch k"], steps: int) -> Images:
    """The nearest point found at which the list is reached; where there is none, the last point."""
    clean = images.flatten(1)
    unit = gaps(logits, lists).amax(dim=1).clamp(min=TINY)
    cuts = 2 * lists.shape[1] + 10
    normals = clean.new_zeros(len(clean), cuts, clean.shape[1])
    lengths = torch.full_like(normals[:, :, 0], torch.inf)  # of the gradients; of none yet, so that its margin is 0
    heights, multipliers = torch.zeros_like(lengths), torch.zeros_like(lengths, dtype=torch.float64)
    change = best = torch.zeros_like(clean)
    least = torch.full_like(unit, torch.inf)
    for taken in range(steps):
        answer = query(model, (clean + change).view_as(images), lambda logits: gaps(logits, lists).amax(dim=1))
        distance = change.norm(dim=1)
        better = (answer.loss < 0) & (distance < least)
        best, least = torch.where(better[:, None], change, best), torch.where(better, distance, least)

        gradient, place = answer.gradient.flatten(1), taken % cuts
        length = _length(gradient)
        normals[:, place] = gradient / length.clamp(min=LEAST)[:, None]
        lengths[:, place] = torch.where(length > 0, length, torch.inf)
        heights[:, place] = answer.loss / lengths[:, place] - (normals[:, place] * change).sum(dim=1)
        multipliers[:, place] = 0

        found, cosine = least.isfinite(), (1 + cos(pi * taken / steps)) / 2
        pull = torch.where(found, LAST_PULL + (FIRST_PULL - LAST_PULL) * cosine, PULL_BEFORE)
        margin = torch.where(found, LAST_MARGIN + (FIRST_MARGIN - LAST_MARGIN) * cosine, FIRST_MARGIN) * unit
        centre, closed = (1 - pull)[:, None] * change, heights + margin[:, None] / lengths
        change, multipliers = nearest(centre, normals, closed, (-clean, 1 - clean), multipliers)
    return (clean + torch.where(least.isfinite()[:, None], best, change)).clamp(0, 1).view_as(images)


def _length(gradient: Tensor) -> PerImage:
    """The L2 size of each row, also where the squares would be 0 in float32."""
    largest = gradient.abs().amax(dim=1)
    return largest * (gradient / largest.clamp(min=LEAST)[:, None]).norm(dim=1)
