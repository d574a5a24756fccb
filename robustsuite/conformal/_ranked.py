"""Classes in the order of their probability, as APS and RAPS take them into a set."""

import numpy as np


def ranked(log_probabilities: np.ndarray, draws: np.ndarray, penalty: float = 0.0, free: int = 0) -> np.ndarray:
    """Minus the probability that is left when a class has come in, a share of its own included; a penalty for each rank beyond `free`.

    `rho + u p + penalty (rank - free)^+ - 1`, where `rho` is the probability of the classes before, `p` the class's own, `u` the
    image's draw, and ranks count from 1; ties go to the lower class. From the far end, because summed from the
    near end the last probabilities of a confident model are all lost beside 1.

    Args:
        log_probabilities: float64 `[images, classes]`.
        draws: `[images]` in (0, 1).
        penalty: of one rank, at least 0.
        free: how many ranks cost nothing.
    """
    order = np.argsort(-log_probabilities, axis=1, kind="stable")
    probabilities = np.exp(np.take_along_axis(log_probabilities, order, axis=1))
    after = np.zeros_like(probabilities)
    after[:, :-1] = np.cumsum(probabilities[:, :0:-1], axis=1)[:, ::-1]
    cost = penalty * np.maximum(np.arange(1, order.shape[1] + 1) - free, 0)
    scores = np.empty_like(probabilities)
    np.put_along_axis(scores, order, cost - (after + (1 - draws[:, None]) * probabilities), axis=1)
    return scores
