"""Worst class coverage: the coverage of the class whose labels are missed most often.

Source: label-conditional coverage, Vovk 2012, arXiv:1209.2673.
"""

import numpy as np

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.predictions import PredictionSets
from robustsuite.set_metrics._by_class import by_class

HIGHER_IS_BETTER = True
RANGE = (0.0, 1.0)


def worst_class_coverage(sets: PredictionSets) -> float:
    """The smallest over classes of the share of the class's images that are covered, in [0, 1]; classes without an image are left out.

    With few images of a class far below the truth: of a hundred equally covered classes some are unlucky.
    """
    covered, images = by_class(sets)
    return float(np.min(covered / images))


def interval(sets: PredictionSets, alpha: float) -> tuple[float, float]:
    """Limits on the smallest coverage of these classes on new images: exact for every class, with `alpha` shared out among them.

    Clopper & Pearson 1934, Bonferroni: each limit is wrong with probability at most `alpha`.
    """
    covered, images = by_class(sets)
    pairs = [clopper_pearson(*counts, alpha / len(images)) for counts in zip(covered.tolist(), images.tolist(), strict=True)]
    return min(low for low, _ in pairs), min(high for _, high in pairs)
