"""Virtual-logit matching, ViM (Wang et al. 2022, arXiv:2203.10807)."""

from collections.abc import Callable

import numpy as np

from robustsuite.detectors._evidence import by_rows, features_of, fitted_on, head_of
from robustsuite.detectors._probabilities import log_sum_exp
from robustsuite.predictions import Evidence, Head

NEEDS_FEATURES = True

ROUNDING = 1e-12  # of the largest variance: what float32 features leave in a direction in which they do not vary


def vim(familiar: Evidence, labels: np.ndarray, head: Head | None) -> Callable[[Evidence], np.ndarray]:
    """`log sum_k exp(z_k) - alpha |r|`, unbounded: r is what the principal space of familiar features leaves of an image's.

    Features are taken from the origin `-W^+ b`, where the logits are as near to 0 as can be. Alpha is the mean largest logit of
    the familiar images over their mean residual; 0 where that is negative, for it would make strange images familiar, or where
    they leave none. So a constant added to all logits changes the ranking. Labels are not read. The paper's score is a softmax,
    which ranks the same.

    Raises:
        LookupError: no features, or no head.
        UsageError: no familiar images.
    """
    fitted_on(familiar, "vim")
    weight, bias = head_of(head, "vim")
    origin = -np.linalg.pinv(weight) @ bias
    features = features_of(familiar, "vim").astype(np.float64) - origin
    variances, directions = np.linalg.eigh(features.T @ features / len(features))  # ascending
    spanned = int((variances > ROUNDING * variances[-1]).sum())
    rest = directions[:, : len(variances) - _dimension(len(variances), spanned)]

    def residual(found: np.ndarray) -> np.ndarray:
        return np.linalg.norm((found - origin) @ rest, axis=1)

    left = by_rows(residual, features_of(familiar, "vim")).mean()
    alpha = max(by_rows(lambda logits: logits.max(axis=1), familiar.logits).mean() / left, 0) if left > 0 else 0.0

    def score(logits: np.ndarray, found: np.ndarray) -> np.ndarray:
        return log_sum_exp(logits) - alpha * residual(found)

    return lambda evidence: by_rows(score, evidence.logits, features_of(evidence, "vim"))


def _dimension(width: int, spanned: int) -> int:
    """Of the principal space: the paper's rule, 1000 of more than 1500 features and 512 of fewer.

    Where that would be all the directions that familiar images span, and so leave them no residual, it is half of those.
    """
    principal = 1000 if width > 1500 else 512
    return principal if principal < spanned else spanned // 2
