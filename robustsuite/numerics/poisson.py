"""Poisson draws with few different means: one 32-bit word and two look-ups for each.

Walker's alias method (Walker 1977, "An efficient method for generating discrete random variables with general
distributions", ACM TOMS 3(3)): a distribution over `2**m` counts is cut into as many columns of equal weight, each shared by
at most two counts. The word's upper `m` bits choose the column, the others the count within it. Integers all through, so every
device draws the same.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float, Int32
from scipy.stats import poisson
from torch import Tensor


@dataclass(frozen=True)
class PoissonTables:
    """For each of several means, the columns of its distribution.

    Attributes:
        bits: `m`; there are `2**m` columns for a mean.
        least: the smallest count that is ever drawn, for each mean.
        threshold: below it, the word's lower bits choose the column's own count, `least` + column; else the `other`.
    """

    bits: int
    least: Int32[Tensor, " means"]
    threshold: Int32[Tensor, " cells"]
    other: Int32[Tensor, " cells"]

    def draw(self, words: Int32[Tensor, "..."], which: Int32[Tensor, "..."]) -> Int32[Tensor, "..."]:
        """A count for each random word, with the mean number `which`."""
        lower = 32 - self.bits
        column = (words >> lower) & ((1 << self.bits) - 1)
        cell = (which << self.bits).add_(column).view(-1)
        own = column.add_(self.least.index_select(0, which.reshape(-1)).view(which.shape))
        below = (words & ((1 << lower) - 1)) < self.threshold.index_select(0, cell).view(words.shape)
        return torch.where(below, own, self.other.index_select(0, cell).view(words.shape))


def poisson_tables(means: Float[np.ndarray, " means"]) -> PoissonTables:
    """The tables of these means (at least 0). What lies beyond about 8 standard deviations is never drawn."""
    deviation = sqrt(float(means.max()))
    bits = max(5, int(np.ceil(np.log2(16 * deviation + 16))))
    columns = 1 << bits
    least = np.maximum(0, np.round(means - columns / 2)).astype(np.int32)
    weight = poisson.pmf(least[:, None] + np.arange(columns), means[:, None]) * columns
    weight *= columns / weight.sum(axis=1, keepdims=True)
    rows = np.arange(len(means))
    own, other = np.zeros_like(weight), np.zeros(weight.shape, np.int32)
    poor, rich = weight.copy(), weight.copy()  # a count that has its column is neither: infinite here, negative there
    for _ in range(columns):  # the poorest count gets a column to itself, filled up by the richest
        taker, giver = poor.argmin(axis=1), rich.argmax(axis=1)
        has = poor[rows, taker]
        own[rows, taker], other[rows, taker] = has, least + giver
        left = rich[rows, giver] - (1 - has)
        poor[rows, giver], rich[rows, giver] = left, left
        poor[rows, taker], rich[rows, taker] = np.inf, -np.inf
    threshold = np.clip(np.round(own * (1 << (32 - bits))), 0, 1 << (32 - bits)).astype(np.int32)
    return PoissonTables(
        bits, torch.from_numpy(least), torch.from_numpy(threshold.reshape(-1).copy()), torch.from_numpy(other.reshape(-1).copy())
    )
