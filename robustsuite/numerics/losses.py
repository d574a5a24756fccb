"""Losses that attacks climb, one number per image and never their mean: an image's gradient must not depend on its batch."""

import torch
from torch.nn import functional as F

from robustsuite.roles import Labels, Logits, PerImage

TINY = 1e-12  # keeps a quotient of ties finite


def cross_entropy(logits: Logits, labels: Labels) -> PerImage:
    """`log sum exp(z) - z_label`, in nats."""
    return F.cross_entropy(logits, labels, reduction="none")


def log_odds(logits: Logits, labels: Labels) -> PerImage:
    """`log sum exp of the others - z_label`: the logarithm of the odds against the label.

    The cross-entropy is its softplus. So both order points alike and rise most in the same direction, but this one's gradient
    does not vanish where a model is sure of itself.
    """
    return _without(logits, labels).logsumexp(dim=1) - _of(logits, labels)


def margin(logits: Logits, labels: Labels) -> PerImage:
    """`z_label - max of the others`: positive where the label wins. The label is masked out, never multiplied by zero."""
    return _of(logits, labels) - _without(logits, labels).amax(dim=1)


def logits_ratio(logits: Logits, labels: Labels) -> PerImage:
    """Difference of logits ratio, `-margin / (z_(1) - z_(3))` with the largest and third largest logit.

    Croce & Hein 2020, arXiv:2003.01690, equation 6. Neither a shift nor a scale of the logits changes it. A model of fewer than
    three classes has no third logit: the margin alone, negated.
    """
    if logits.shape[1] < 3:
        return -margin(logits, labels)
    highest = logits.topk(3, dim=1).values
    return -margin(logits, labels) / (highest[:, 0] - highest[:, 2] + TINY)


def targeted_logits_ratio(logits: Logits, labels: Labels, targets: Labels) -> PerImage:
    """`(z_target - z_label) / (z_(1) - (z_(3) + z_(4)) / 2)`, with the first, third and fourth largest logit.

    Croce & Hein 2020, arXiv:2003.01690, equation 7. A model of fewer than four classes has no fourth logit: see
    `targeted_margin`.
    """
    if logits.shape[1] < 4:
        return targeted_margin(logits, labels, targets)
    highest = logits.topk(4, dim=1).values
    return targeted_margin(logits, labels, targets) / (highest[:, 0] - (highest[:, 2] + highest[:, 3]) / 2 + TINY)


def targeted_margin(logits: Logits, labels: Labels, targets: Labels) -> PerImage:
    """`z_target - z_label`: positive where the target beats the label."""
    return _of(logits, targets) - _of(logits, labels)


def _of(logits: Logits, classes: Labels) -> PerImage:
    return logits.gather(1, classes[:, None])[:, 0]


def _without(logits: Logits, classes: Labels) -> Logits:
    return logits.scatter(1, classes[:, None], -torch.inf)
