"""Means of neighbours on (0, 1), weighted by beta densities, which stay within the ends."""

import numpy as np
from scipy.special import betaln

EDGE = 2.0**-24
"""Values are kept so far from 0 and 1: half the distance of float32 numbers below 1."""

NODES = 12
"""To a panel; with panels of about a standard deviation, sums of kernels are interpolated to about 1e-9 of themselves."""

ALONE = 1e-2
"""Where the others weigh less than this share of a value's own weight, they are summed one by one."""

BLOCK = 1 << 20
"""Weights that are worked on at a time."""


def mean_of_others(values: np.ndarray, answers: np.ndarray, bandwidth: float) -> np.ndarray:
    """At every value the mean of the other values' answers, weighted by `k(value; other)`; float64 `[values]`.

    `k(.; x)` is the beta density with the parameters `x / bandwidth + 1` and `(1 - x) / bandwidth + 1`, a Dirichlet density of two
    classes: its mode is x, and its variance about `bandwidth * x (1 - x)`. Of a single value the mean is its own answer. Few
    values are compared each with each; for many, sums over all are interpolated between nodes, and the own weight is taken off.

    Args:
        values: float64 in [0, 1].
        answers: float64 as `values`.
        bandwidth: above 0.
    """
    values = np.clip(values, EDGE, 1 - EDGE)
    panels = _panels(values.min(), values.max(), bandwidth)
    if len(values) <= NODES * (len(panels) - 1):
        return _each_with_each(np.arange(len(values)), values, answers, bandwidth)
    own = np.exp(_log_kernel(values, values, bandwidth))
    total, answered = _interpolated(values, np.stack([np.ones_like(answers), answers]), panels, bandwidth)
    alone = np.flatnonzero(total - own < ALONE * own)
    means = (answered - own * answers) / np.maximum(total - own, ALONE * own)
    means[alone] = _each_with_each(alone, values, answers, bandwidth)
    return means


def _log_kernel(at: np.ndarray, centres: np.ndarray, bandwidth: float) -> np.ndarray:
    """The log of the density about each of `centres`, at `at`, which are broadcast."""
    toward_1, toward_0 = centres / bandwidth, (1 - centres) / bandwidth
    return toward_1 * np.log(at) + toward_0 * np.log1p(-at) - betaln(toward_1 + 1, toward_0 + 1)


def _each_with_each(rows: np.ndarray, values: np.ndarray, answers: np.ndarray, bandwidth: float) -> np.ndarray:
    if len(values) == 1:
        return answers.copy()
    means = np.empty(len(rows))
    few = max(BLOCK // len(values), 1)
    for begin in range(0, len(rows), few):
        block = rows[begin : begin + few]
        weights = _log_kernel(values[block, None], values, bandwidth)
        weights[np.arange(len(block)), block] = -np.inf
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        means[begin : begin + few] = weights @ answers / weights.sum(axis=1)
    return means


def _panels(least: float, most: float, bandwidth: float) -> np.ndarray:
    """Ends of stretches from `least` to `most`, each no longer than a standard deviation, nor than its distance from 0 and 1."""
    ends = [EDGE]
    while ends[-1] < 0.5:
        ends.append(min(ends[-1] + min(ends[-1], np.sqrt(bandwidth * ends[-1])), 0.5))
    ends = np.array(ends)
    ends = np.append(ends, 1 - ends[-2::-1])
    inside = (ends > least) & (ends < most)
    return np.concatenate([[least], ends[inside], [most]])


def _interpolated(values: np.ndarray, weights: np.ndarray, panels: np.ndarray, bandwidth: float) -> np.ndarray:
    """For each of the `weights` the sum over all values of weight times `k(at; value)`, at every value; `[weights, values]`.

    A kernel is smooth in both its arguments: on a panel a polynomial. So the values hand their weights to a panel's Chebyshev
    nodes, nodes are compared with nodes, and the values read off the polynomial through the nodes' sums.
    """
    panel = np.clip(np.searchsorted(panels, values, side="right") - 1, 0, len(panels) - 2)
    begin, length = panels[:-1], np.maximum(np.diff(panels), EDGE)
    angles = (np.arange(NODES) + 0.5) * np.pi / NODES
    nodes = (begin[:, None] + length[:, None] * (1 + np.cos(angles)) / 2).ravel()
    place = np.clip(2 * (values - begin[panel]) / length[panel] - 1, -1, 1)
    degrees = np.arange(NODES)
    polynomials = np.cos(np.outer(degrees, angles)) * np.where(degrees, 2, 1)[:, None] / NODES
    shares = np.cos(np.arccos(place)[:, None] * degrees) @ polynomials
    slots = (panel[:, None] * NODES + np.arange(NODES)).ravel()
    at_nodes = [np.bincount(slots, weights=(shares * weight[:, None]).ravel(), minlength=len(nodes)) for weight in weights]
    kernel = np.exp(_log_kernel(nodes[:, None], nodes, bandwidth))
    sums = kernel @ np.stack(at_nodes, axis=1)
    return np.einsum("vn,vnw->wv", shares, sums.reshape(-1, NODES, len(weights))[panel])
