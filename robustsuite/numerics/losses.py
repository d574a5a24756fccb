"""Losses that attacks climb, one number per image and never their mean: an image's gradient must not depend on its batch."""

import torch
from torch.nn import functional as F

from robustsuite.roles import Labels, Logits, PerImage


def cross_entropy(logits: Logits, labels: Labels) -> PerImage:
    """`log sum exp(z) - z_label`, in nats."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Logits, labels: Labels) -> PerImage:
    """`z_label - max of the others`: positive where the label wins. The label is masked out, never multiplied by zero."""
    true = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    return true - others
