"""What a model's code may change for the whole process, and what the suite must find as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def given_back() -> Iterator[None]:
    """Afterwards torch's default type, default device, gradient mode and threads, and numpy's error handling, are as they were.

    The global random states are left to the model: nothing of the suite draws from them.
    """
    dtype, device, gradients = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    threads, errors = torch.get_num_threads(), np.geterr()
    try:
        yield
    finally:
        if torch.get_default_device() != device:  # first: it would hold for what follows
            torch.set_default_device(device)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if np.geterr() != errors:
            np.seterr(**errors)
