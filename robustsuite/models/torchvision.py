"""`torchvision:NAME` or `torchvision:NAME/WEIGHTS`: a pretrained classification model of torchvision."""

from typing import Any

from torch import nn

from robustsuite.errors import UsageError
from robustsuite.models._normalised import Normalised
from robustsuite.records import Preprocessing

FORM = "torchvision:NAME"


def accepts(reference: str) -> bool:
    """Whether the reference begins with `torchvision:`."""
    return reference.startswith("torchvision:")


def load(reference: str, **options: Any) -> tuple[nn.Module, Preprocessing]:
    """The model in eval mode with its default (or the named) weights, and the preprocessing those were trained for.

    `options` go to `torchvision.models.get_model`; `weights=None` gives an untrained model (for tests).
    Raises `UsageError` for an unknown model or weights, and where the weights cannot be fetched.
    """
    from torchvision.models import get_model, get_model_weights

    name, _, chosen = reference.removeprefix("torchvision:").partition("/")
    try:
        weights = get_model_weights(name)[chosen or "DEFAULT"]
        transforms = weights.transforms()
        if not hasattr(transforms, "crop_size"):
            raise ValueError("expected a classification model")
        model = get_model(name, **{"weights": weights, **options})
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        raise UsageError(f"model {reference!r}: torchvision could not load it ({error}); see torchvision.models.list_models()") from error
    own = Preprocessing(
        resize=transforms.resize_size[0],
        crop=transforms.crop_size[0],
        interpolation="bicubic" if transforms.interpolation.value == "bicubic" else "bilinear",
    )
    return Normalised(model, transforms.mean, transforms.std).eval(), own
