"""`path/to/model.ts` or `.torchscript`: a TorchScript archive, images in [0, 1] to logits."""

import warnings
from pathlib import Path

import torch
from torch import nn

from robustsuite.errors import UsageError

FORM = "path/to/model.torchscript"


def accepts(reference: str) -> bool:
    """Whether the reference ends in `.torchscript` or `.ts`."""
    return reference.endswith((".torchscript", ".ts"))


def load(reference: str) -> tuple[nn.Module, None]:
    """The scripted module in eval mode. Raises `UsageError` for a missing file or one that is no TorchScript archive."""
    path = Path(reference).expanduser()
    if not path.is_file():
        raise UsageError(f"model {reference!r}: expected a file, got nothing there; check the path")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".torch.jit")  # torch calls the format old; the user's archive is what it is
            return torch.jit.load(path, map_location="cpu").eval(), None
    except Exception as error:
        raise UsageError(f"model {reference!r}: expected a TorchScript archive ({type(error).__name__}: {error})") from error
