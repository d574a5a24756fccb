"""Small tensors that do not depend on any image, made once for each device."""

from functools import cache

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


@cache
def constant(values: float | tuple[object, ...], device: torch.device) -> Float64[Tensor, "..."]:
    """A number, or numbers in nested tuples, as a tensor."""
    return torch.tensor(values, dtype=torch.float64, device=device)


@cache
def numbers(count: int, device: torch.device) -> Int64[Tensor, " {count}"]:
    """0, 1, 2, ..."""
    return torch.arange(count, device=device)


@cache
def pixels(height: int, width: int, device: torch.device) -> Float64[Tensor, "2 {height} {width}"]:
    """The row and the column of every pixel."""
    rows, columns = (torch.arange(size, dtype=torch.float64, device=device) for size in (height, width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
