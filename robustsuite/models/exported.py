"""`path/to/model.pt2`: a program saved by `torch.export.save`, images in [0, 1] to logits, with a dynamic batch dimension."""

import os
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from robustsuite.errors import UsageError

FORM = "path/to/model.pt2"


def accepts(reference: str) -> bool:
    """Whether the reference ends in `.pt2`."""
    return reference.endswith(".pt2")


def load(reference: str) -> tuple[nn.Module, None]:
    """The exported program as a module. Raises `UsageError` for a missing file or one that is no exported program."""
    path = Path(reference).expanduser()
    if not path.is_file():
        raise UsageError(f"model {reference!r}: expected a file, got nothing there; check the path")
    try:
        # The reader would fall back to unpickling whatever the archive holds; this makes torch.load refuse.
        with mock.patch.dict(os.environ, {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}):
            return torch.export.load(path).module(), None
    except Exception as error:  # the reader raises whatever the broken archive makes its parts raise
        raise UsageError(f"model {reference!r}: expected a program saved by torch.export.save ({type(error).__name__}: {error})") from error
