"""What the detectors of unfamiliar images look at, gathered while a model runs."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from robustsuite.catalog import constant, module
from robustsuite.features import tapped
from robustsuite.predictions import Evidence, Head
from robustsuite.records import Detection
from robustsuite.roles import Classifier, Images, Logits


def observed(
    detection: Detection, classify: Callable[[Images], Logits], classifier: Classifier, images: Images, logits: Logits
) -> tuple[Evidence, Head | None]:
    """What a detector sees of some images; and the model's last layer, where the detector reads features.

    Args:
        detection: the detector and its options.
        classify: the model, checked, on any number of images.
        classifier: the model itself, which `classify` runs.
        images: float32 in [0, 1].
        logits: the model's of the images; not asked for again where they are all that the detector reads.

    Raises:
        EvaluationError: a model without a last linear layer, or without gradients, where the detector needs them.
    """
    shown = getattr(module("detectors", detection.detector), "shown", None)
    if shown is not None:
        images = shown(classify, images, **dict(detection.options))
    features, head = None, None
    if constant("detectors", detection.detector, "NEEDS_FEATURES", False):
        with tapped(classifier) as tap, torch.inference_mode():
            logits = classify(images)
            features, head = tap.features[: len(images)].cpu().numpy(), tap.head
    elif shown is not None:
        with torch.inference_mode():
            logits = classify(images)
    return Evidence(logits.float().cpu().numpy(), features), head


def joined(parts: Sequence[Evidence]) -> Evidence:
    """The evidence of several batches as one."""
    features = [part.features for part in parts if part.features is not None]
    return Evidence(np.concatenate([part.logits for part in parts]), np.concatenate(features) if features else None)
