"""Random numbers that belong to an image, not to a batch: keyed by (seed, what is done, image id).

Counter-based: word number `i` of an image is SplitMix64's output function (Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators", figure 17) at `key + (i + 1) * gamma`. All arithmetic up to the last step is on 64-bit
integers, and the last step is a table look-up or an exact product, so every device draws the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from math import prod

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from robustsuite.numerics.poisson import PoissonTables, poisson_tables
from robustsuite.roles import Levels


def _signed(word: int) -> int:
    """The 64-bit word as torch's int64 holds it."""
    return word - (1 << 64) if word >= 1 << 63 else word


GAMMA = _signed(0x9E3779B97F4A7C15)
MIX_1 = _signed(0xBF58476D1CE4E5B9)
MIX_2 = _signed(0x94D049BB133111EB)
HALF_A_CELL = torch.tensor(2.0**-24, dtype=torch.float32)
AHEAD = 256  # words per image


def key_of(*parts: object) -> int:
    """A 64-bit key from anything that prints: a hash of the parts, signed as torch's int64."""
    digest = blake2b("\x1f".join(str(part) for part in parts).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def image_keys(ids: Sequence[str]) -> Tensor:
    """int64 `[images]`, one key per image id. Computed once per data set."""
    return torch.tensor([key_of("image", name) for name in ids], dtype=torch.int64)


def splitmix(words: Tensor) -> Tensor:
    """SplitMix64's output function on int64 words, wrapping; `>>` is made logical by masking the sign's copies."""
    words = (words >> 30).bitwise_and_(0x3FFFFFFFF).bitwise_xor_(words).mul_(MIX_1)
    words = (words >> 27).bitwise_and_(0x1FFFFFFFFF).bitwise_xor_(words).mul_(MIX_2)
    return (words >> 31).bitwise_and_(0x1FFFFFFFF).bitwise_xor_(words)


@cache
def _normal_table(device: torch.device) -> Tensor:
    """The means of 65,536 equally probable slices of the standard normal, from the median up and then from the lowest up.

    So 16 bits are an index, and read as a signed number they grow with the mean. A slice's mean between quantiles a < b is
    (phi(a) - phi(b)) * 65,536. Nothing lies beyond 4.4 standard deviations; the table is scaled (by 1 + 1e-5) so that its
    variance is 1.
    """
    edges = torch.from_numpy(ndtri(torch.arange(65537, dtype=torch.float64).numpy() / 65536))
    density = torch.exp(-edges.square() / 2) / (2 * torch.pi) ** 0.5
    means = (density[:-1] - density[1:]) * 65536
    return (means / means.square().mean().sqrt()).float().roll(32768).to(device)


@dataclass
class KeyedNoise:
    """Draws for a batch of images; see `roles.Noise`.

    Args:
        keys: int64 `[batch]`, one per image and purpose (`keyed`), on the device that should draw.
        drawn: how many words of every image are drawn.
        ahead: int64 `[batch, ...]`, the words after them that are computed already.
    """

    keys: Tensor
    drawn: int = field(default=0)
    ahead: Tensor | None = field(default=None, repr=False)

    def __getitem__(self, rows: Tensor) -> "KeyedNoise":
        """The noise of some of the images, from its beginning."""
        return KeyedNoise(self.keys[rows])

    def fork(self, numbers: Tensor) -> "KeyedNoise":
        """Other noise of the same images: int64 `[batch]`, one number for each, such as the number of its step."""
        return KeyedNoise(splitmix(self.keys ^ splitmix(numbers + 1)))

    def words(self, count: int) -> Tensor:
        """int64 `[batch, count]`, the next `count` words of every image.

        Some more are computed with them: small draws follow each other, and a GPU takes as long for one word as for all of these.
        """
        found = self.ahead
        if found is None or found.shape[1] < count:
            counters = torch.arange(self.drawn + 1, self.drawn + 1 + count + AHEAD, dtype=torch.int64, device=self.keys.device)
            found = splitmix(torch.add(self.keys[:, None], counters, alpha=GAMMA))
        self.drawn += count
        rest = found[:, count:]
        self.ahead = rest.clone() if count > AHEAD else rest  # a part would keep the memory of the whole
        return found[:, :count]

    def uniform(self, *shape: int) -> Tensor:
        """float32 `[batch, *shape]` in (0, 1): the midpoints of 2**23 equal cells, each exact in float32."""
        count = prod(shape)
        halves = self.words((count + 1) // 2).view(torch.int32)[:, :count]
        cells = (halves & -(1 << 9)).view(torch.uint32).float()  # 2**9 times their numbers
        return torch.add(HALF_A_CELL, cells, alpha=2.0**-32).view(-1, *shape)

    def normal(self, *shape: int) -> Tensor:
        """float32 `[batch, *shape]`, standard normal in 65,536 equally probable values, within 4.4 standard deviations."""
        count = prod(shape)
        quarters = self.words((count + 3) // 4).view(torch.uint16)[:, :count].int()
        return _normal_table(self.keys.device).index_select(0, quarters.view(-1)).view(-1, *shape)

    def integers(self, bound: int | Tensor, *shape: int) -> Tensor:
        """int64 `[batch, *shape]` in [0, bound), equally probable to 1 part in 2**32 / bound; a bound of at most 2**31.

        `bound` is one number, or int64 `[batch]`: one for each image.
        """
        count = prod(shape)
        cells = self.words((count + 1) // 2).view(torch.uint32)[:, :count].long()
        limits = bound.view(-1, 1) if isinstance(bound, Tensor) else bound
        return cells.mul_(limits).bitwise_right_shift_(32).view(-1, *shape)

    def poisson(self, levels: Levels, rates: Tensor) -> Tensor:
        """float32 of the shape of `levels`: a Poisson count for every element, of mean `rates[level]` (float64 `[256]`)."""
        count = prod(levels.shape[1:])
        words = self.words((count + 1) // 2).view(torch.int32)[:, :count].view(levels.shape)
        return _poisson_tables(tuple(rates.tolist()), levels.device).draw(words, levels.int()).float()


@cache
def _poisson_tables(rates: tuple[float, ...], device: torch.device) -> PoissonTables:
    tables = poisson_tables(np.array(rates))
    return PoissonTables(tables.bits, *(part.to(device) for part in (tables.least, tables.threshold, tables.other)))


def keyed(keys: Tensor, seed: int, purpose: object) -> KeyedNoise:
    """The noise of images with these `image_keys`, for one purpose (such as `fog-3`) and seed."""
    return KeyedNoise(splitmix(keys ^ key_of("noise", seed, purpose)))
