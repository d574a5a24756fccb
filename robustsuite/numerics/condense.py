"""From logits to the few numbers per image that are kept."""

import numpy as np
import torch

from robustsuite.predictions import Predictions
from robustsuite.roles import Labels, Logits


def condense(logits: Logits, labels: Labels, kept: int = 5) -> Predictions:
    """`Predictions` of a batch; computed in float64, ranked in the logits' own precision with ties to the lower class.

    Args:
        logits: `[batch, classes]`, finite.
        labels: `[batch]`.
        kept: how many of the most probable classes to keep (all, where there are fewer).
    """
    classes = logits.shape[1]
    small = torch.int16 if classes <= torch.iinfo(torch.int16).max else torch.int32
    exact = logits.double()
    log_sum_exp = exact.logsumexp(dim=1)
    log_probabilities = exact - log_sum_exp[:, None]
    # A stable sort, because topk may order ties either way, and rounded logits tie often.
    order = logits.sort(dim=1, descending=True, stable=True).indices
    columns = {
        "labels": labels.to(small),
        "top_classes": order[:, :kept].to(small),
        "top_log_probabilities": log_probabilities.gather(1, order[:, :kept]).float(),
        "label_log_probability": log_probabilities.gather(1, labels[:, None])[:, 0].float(),
        "label_rank": (order == labels[:, None]).int().argmax(dim=1).to(small),
        "log_sum_exp": log_sum_exp.float(),
        "sum_of_squares": (2 * log_probabilities).exp().sum(dim=1).float(),
    }
    return Predictions(**{name: np.ascontiguousarray(column.cpu().numpy()) for name, column in columns.items()})
