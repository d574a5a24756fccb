"""Confidence limits of areas under curves, made from two samples."""

from math import hypot

from scipy.stats import beta, norm
from scipy.stats import t as student


def limits(value: float, centre: float, variance: float, images: int, alpha: float, missed: tuple[float, float]) -> tuple[float, float]:
    """Limits on an area in [0, 1], each wrong with probability at most about `alpha`, also near 0 and 1.

    Two ways of being wrong, which add as squares. First, the sample varies: limits of Clopper & Pearson for as many independent
    images as have the estimated variance (Korn & Graubard 1998), which unlike `value +- z s` are asymmetric and stay within
    [0, 1]. Second, what is rare is not in the sample at all, and so not in its variance: a perfect separation has none. With
    probability `alpha` a sample of n images holds none of a share `1 - alpha^(1 / n)` of its population; `missed` is where the area
    would be if that share were the worst, or the best, that it can be.

    Args:
        value: of the sample; the limits contain it.
        centre: the value without its bias.
        variance: of the value, estimated.
        images: of the smaller sample, for its degrees of freedom.
        alpha: for either side.
        missed: the lowest and the highest area that images missed by the sample can make of it.
    """
    if images < 2 or variance <= 0 or not 0 < centre < 1:
        return missed
    # Student's quantile is wider than the normal one, for the variance is an estimate.
    effective = centre * (1 - centre) / variance * float(norm.ppf(1 - alpha) / student.ppf(1 - alpha, images - 1)) ** 2
    hits, misses = effective * centre, effective * (1 - centre)
    low, high = float(beta.ppf(alpha, hits, misses + 1)), float(beta.ppf(1 - alpha, hits + 1, misses))
    lowest, highest = centre - hypot(centre - low, value - missed[0]), centre + hypot(high - centre, missed[1] - value)
    return max(min(lowest, value), 0.0), min(max(highest, value), 1.0)
