"""What exchangeable images promise about ranks: the mathematics of split conformal prediction (Vovk, Gammerman & Shafer 2005)."""

from fractions import Fraction
from math import floor, inf

import numpy as np

from robustsuite.errors import UsageError


def spared(images: int, alpha: float) -> int:
    """How many of `images` calibration scores may lie above the limit: `floor((images + 1) alpha)`, with alpha as it is written.

    In binary 0.29 * 100 is less than 29; the decimal number that was asked for is not. Raises `UsageError` for an alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise UsageError(f"expected an error rate between 0 and 1, got {alpha:g}; 0.1 asks for sets that hold 90 % of the labels")
    return floor((images + 1) * Fraction(repr(float(alpha))))


def limit(scores: np.ndarray, alpha: float) -> float:
    """The `ceil((n + 1) (1 - alpha))`-th smallest of n scores: a further exchangeable score exceeds it with probability at most `alpha`.

    Infinite where n is too small for that rank to exist. With scores that never tie the probability not to exceed it is
    exactly `ceil((n + 1) (1 - alpha)) / (n + 1)`.
    """
    rank = len(scores) + 1 - spared(len(scores), alpha)
    return float(np.partition(scores, rank - 1)[rank - 1]) if rank <= len(scores) else inf
