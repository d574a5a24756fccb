"""Gaussians with one covariance for all classes, also where there are too few images to know it."""

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12  # of the largest variance: what float32 features leave in a direction in which they do not vary


@dataclass(frozen=True)
class Gaussians:
    """One Gaussian around every mean, with the same covariance.

    Attributes:
        origin: float64 `[width]`, subtracted first, so that no precision is lost far from 0.
        whitening: float64 `[width, width]`; times its own transpose it is the inverse covariance.
        means: float64 `[classes, width]`, whitened.
    """

    origin: np.ndarray
    whitening: np.ndarray
    means: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distances of float64 `[images, width]` to every mean, `[images, classes]`."""
        points = (features - self.origin) @ self.whitening
        squares = (points**2).sum(axis=1, keepdims=True) + (self.means**2).sum(axis=1) - 2 * points @ self.means.T
        return np.maximum(squares, 0)  # which rounding may take below 0


def gaussians(features: np.ndarray, labels: np.ndarray) -> Gaussians:
    """The maximum-likelihood fit: a mean for every class that occurs in `labels`, and the covariance around them (over images).

    Where the covariance cannot be inverted, as with fewer images than dimensions, it is shrunk towards the mean variance as far
    as Ledoit & Wolf 2004 say, and at least by 1 / images. A pseudo-inverse would ignore the directions in which familiar images
    do not vary, and so call familiar what is far away in them. Without any variation the distance is Euclidean.
    """
    present, index = np.unique(labels, return_inverse=True)
    origin = features.mean(axis=0)
    centred = features - origin
    means = np.zeros((len(present), features.shape[1]))
    np.add.at(means, index, centred)
    means /= np.bincount(index)[:, None]
    residuals = centred - means[index]
    variances, directions = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    if variances[0] <= ROUNDING * variances[-1]:
        share = max(_shrinkage(residuals, variances), 1 / len(residuals))
        variances = (1 - share) * np.maximum(variances, 0) + share * variances.mean()
    whitening = directions / np.sqrt(np.where(variances > 0, variances, 1))
    return Gaussians(origin, whitening, means @ whitening)


def _shrinkage(residuals: np.ndarray, variances: np.ndarray) -> float:
    """Ledoit & Wolf 2004, lemma 3.2 to 3.4: how far towards the mean variance, in [0, 1]; `variances` are the eigenvalues."""
    images, width = residuals.shape
    spread = ((variances - variances.mean()) ** 2).mean()
    error = (((residuals**2).sum(axis=1) ** 2).sum() / images - (variances**2).sum()) / images / width
    return float(np.clip(error / spread, 0, 1)) if spread > 0 else 1.0
