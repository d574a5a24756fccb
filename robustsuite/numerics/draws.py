"""Random parameters of an image, drawn from its noise as numpy's generator would draw them."""

from functools import cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from robustsuite.roles import Noise


def between(noise: Noise, low: float, high: float, *shape: int) -> Float[Tensor, "batch ..."]:
    """float64 `[batch, *shape]`, uniform in (low, high)."""
    return noise.uniform(*shape).double().mul_(high - low).add_(low)


def parameters(noise: Noise, *ranges: tuple[float, float]) -> tuple[Float[Tensor, "batch 1 1"], ...]:
    """For each range one number for each image, float64, uniform between the range's ends; one draw for all of them."""
    uniform = noise.uniform(len(ranges), 1, 1).double()
    span, low = _span_and_low(ranges, uniform.device)
    return uniform.mul_(span).add_(low).unbind(dim=1)


@cache
def _span_and_low(ranges: tuple[tuple[float, float], ...], device: torch.device) -> Float[Tensor, "2 ranges 1 1"]:
    low, high = torch.tensor(ranges, dtype=torch.float64).T
    return torch.stack([high - low, low])[..., None, None].to(device)


def permutation(noise: Noise, count: int) -> Int64[Tensor, "batch count"]:
    """The numbers 0 to count - 1 in random order: Fisher and Yates' shuffle, from the last place down, as numpy has it."""
    last = noise.integers(count, 1)
    order = torch.arange(count, device=last.device).repeat(len(last), 1)
    for place in range(count - 1, 0, -1):
        other = last if place == count - 1 else noise.integers(place + 1, 1)
        moved = order[:, place : place + 1].clone()
        order[:, place : place + 1] = order.gather(1, other)
        order.scatter_(1, other, moved)
    return order
