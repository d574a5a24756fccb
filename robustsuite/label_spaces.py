"""From the outputs of an ImageNet model to the classes of a data set: masks, many outputs for a class, several right answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from robustsuite.errors import UsageError
from robustsuite.records import Dataset, LabelSpace
from robustsuite.roles import Labels, Logits
from robustsuite.subsets import subset

IMAGENET = 1000
WITH_BACKGROUND = 1001
"""Outputs of models whose first output is a class of its own, "background" (TensorFlow's); it is left out."""


@dataclass(frozen=True)
class Answers:
    """What a model said of some images.

    Attributes:
        logits: float32 `[images, classes]`, of the data set's classes.
        first: int64 `[images]`, the largest of all the model's outputs; `None` where the outputs are the classes.
    """

    logits: Logits
    first: Labels | None = None


def can_answer(space: LabelSpace | None, outputs: int) -> bool:
    """Whether a model of so many outputs can be understood in this space."""
    return space is not None and outputs in (IMAGENET, WITH_BACKGROUND)


def answers(space: LabelSpace | None, outputs: Logits) -> Answers:
    """The logits of the data set's classes.

    Where several outputs of a class are joined by their probabilities, these are of all 1,000 outputs, and the logits are the logarithms
    of what they amount to: a softmax over the classes takes them as shares of what the classes have together.

    Args:
        space: of the data set; without one, or with a model of other outputs than ImageNet's, these are the classes' logits already.
        outputs: float32 `[images, outputs]`.
    """
    if space is None or not can_answer(space, outputs.shape[1]):
        return Answers(outputs)
    outputs = outputs[:, -IMAGENET:]
    first = outputs.argmax(dim=1)
    most = max(map(len, space.outputs))
    if most == 1:
        return Answers(outputs[:, _table(space, 1, outputs.device)[:, 0]], first)
    # Of fewer outputs the first is taken again, and then does not count.
    table = _table(space, most, outputs.device)
    counts = torch.tensor([len(each) for each in space.outputs], device=outputs.device)
    scores = outputs if space.joined == "max" else outputs.log_softmax(dim=1)
    scores = scores[:, table].masked_fill(torch.arange(most, device=outputs.device) >= counts[:, None], -torch.inf)
    if space.joined == "max":
        return Answers(scores.amax(dim=2), first)
    joined = scores.logsumexp(dim=2)
    return Answers(joined - counts.log() if space.joined == "mean" else joined, first)


def _table(space: LabelSpace, most: int, device: torch.device) -> Tensor:
    return torch.tensor([[*each, *[each[0]] * (most - len(each))] for each in space.outputs], device=device)


def likeliest(logits: Logits, labels: Labels, accepted: Sequence[tuple[int, ...]] | None) -> Labels:
    """Of the classes that are right for each image, the one with the largest logit: the prediction is right if it is this one.

    Args:
        logits: float32 `[images, classes]`.
        labels: int64 `[images]`, taken where `accepted` is `None`.
        accepted: for each of these images.
    """
    if accepted is None:
        return labels
    right = torch.full_like(logits, -torch.inf)
    for row, classes in enumerate(accepted):
        right[row, list(classes)] = logits[row, list(classes)]
    return right.argmax(dim=1)


def stands_for(space: LabelSpace, first: np.ndarray, labels: np.ndarray, accepted: Sequence[tuple[int, ...]] | None) -> np.ndarray:
    """Whether the largest of all outputs stands for the label, or for one of the accepted ones; bool `[images]`."""
    right = [(label,) for label in labels.tolist()] if accepted is None else accepted
    return np.array([any(output in space.outputs[one] for one in classes) for output, classes in zip(first.tolist(), right, strict=True)])


def restricted(dataset: Dataset, space: LabelSpace, classes: Sequence[str], name: str) -> Dataset:
    """The images of an ImageNet data set whose class is one of another data set's, with the labels and the space of that one.

    Args:
        dataset: labelled by the 1,000 classes.
        space: of the other data set.
        classes: its class names.
        name: its name, for the source and errors.

    Raises:
        UsageError: the data set has other labels, several of them, or no image of these classes.
    """
    if len(dataset.classes) != IMAGENET or dataset.accepted is not None:
        raise UsageError(f"expected a data set with ImageNet's 1,000 classes to restrict to those of {name}, got {dataset.name}")
    meaning = {output: label for label, each in enumerate(space.outputs) for output in each}
    kept = [row for row, label in enumerate(dataset.labels.tolist()) if label in meaning]
    if not kept:
        raise UsageError(f"expected images of the classes of {name} in {dataset.source}, got none; check the folder")
    return replace(
        subset(dataset, kept),
        labels=np.array([meaning[int(dataset.labels[row])] for row in kept], dtype=np.int64),
        classes=tuple(classes),
        source=f"{dataset.source} (the classes of {name})",
        space=space,
    )
