"""`timm:NAME`: a pretrained model of the timm library, with the normalisation and preprocessing it was trained for."""

from typing import Any

from torch import nn

from robustsuite.errors import UsageError
from robustsuite.models._normalised import Normalised
from robustsuite.records import Preprocessing

FORM = "timm:NAME"


def accepts(reference: str) -> bool:
    """Whether the reference begins with `timm:`."""
    return reference.startswith("timm:")


def load(reference: str, **options: Any) -> tuple[nn.Module, Preprocessing]:
    """The model in eval mode and its own preprocessing. `options` go to `timm.create_model` (default `pretrained=True`).

    Raises `UsageError` for a name that timm does not know, and where the weights cannot be fetched.
    """
    import timm
    from timm.data.config import resolve_model_data_config

    name = reference.removeprefix("timm:")
    try:
        model = timm.create_model(name, **{"pretrained": True, **options})
    except Exception as error:  # timm and its hub client raise a dozen types for an unknown name or an unreachable hub
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"model {reference!r}: timm could not create it with pretrained weights ({reason}); see timm.list_models()"
        ) from error
    data = resolve_model_data_config(model)
    size = data["input_size"][-1]
    interpolation = "bicubic" if data["interpolation"] == "bicubic" else "bilinear"
    own = Preprocessing(resize=int(size / data["crop_pct"]), crop=size, interpolation=interpolation)
    return Normalised(model, data["mean"], data["std"]).eval(), own
