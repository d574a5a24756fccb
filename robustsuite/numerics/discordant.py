"""How far apart two models' accuracies are on the population that the images came from: exact limits for one look.

Only the discordant images, of which one model is right, tell two models apart (McNemar 1947). How many there will be is a nuisance: the
share of them is first held within exact limits, and the difference is then tested at the shares within these that speak most for it
(Berger & Boos 1994). Nothing is taken to be normal, so limits hold for few images, and where every image agrees.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from robustsuite.numerics.intervals import clopper_pearson

SPENT = 0.1
"""Of alpha, on the limits of the discordant share."""

SHARES = 9
"""How many discordant shares between their limits are tried; the probability is smooth between them."""

RESOLUTION = 1e-7
"""A limit is given on the safe side, by twice this at most."""


def difference_limits(gained: int, lost: int, images: int, alpha: float) -> tuple[float, float]:
    """Limits on the new model's accuracy less the old one's, each wrong with probability at most `alpha`.

    Args:
        gained: images that only the new model gets right.
        lost: images that only the old model gets right.
        images: seen by both, a number fixed before; at least 1.
        alpha: of each limit.
    """
    return _least(gained, lost, images, alpha), -_least(lost, gained, images, alpha)


def _least(gained: int, lost: int, images: int, alpha: float) -> float:
    """The smallest difference that would not be a surprise."""
    shares = clopper_pearson(gained + lost, images, SPENT * alpha / 2)

    def excess(difference: float) -> float:
        return _most_probable(difference, gained - lost, images, shares) - (1 - SPENT) * alpha

    low, high = -1.0, (gained - lost) / images
    if excess(low) >= 0:
        return low
    if excess(high) <= 0:
        return high
    limit = float(brentq(excess, low, high, xtol=RESOLUTION))  # pyright: ignore[reportArgumentType] - without full_output it is a number
    return max(low, limit - 2 * RESOLUTION)


def _most_probable(difference: float, net: int, images: int, limits: tuple[float, float]) -> float:
    """The probability of a net gain of at least `net`, at the discordant share within the limits that makes it largest."""
    least, most = (max(limit, abs(difference), 1e-12) for limit in limits)
    shares = np.linspace(least, most, SHARES)[:, None]
    expected = images * shares
    spread = 7 * np.sqrt(expected * (1 - shares)) + 12  # the rest has a probability of less than 1e-11
    discordant = np.arange(max(int((expected - spread).min()), 0), min(int((expected + spread).max()), images) + 1)
    better = np.clip((1 + difference / shares) / 2, 0, 1)  # of those that are discordant, the share that is gained
    tails = binom.sf(np.ceil((discordant + net) / 2) - 1, discordant, better)
    return float((binom.pmf(discordant, images, shares) * tails).sum(axis=1).max())
