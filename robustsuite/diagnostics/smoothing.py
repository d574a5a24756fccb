"""Randomised smoothing: a radius within which no attack whatever changes the answer (Cohen, Rosenfeld & Kolter 2019, arXiv:1902.02918)."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import beta

from robustsuite.errors import UsageError
from robustsuite.roles import Classifier, Images, Labels, Logits, Noise, PerImage

COLUMNS = {"certified": True, "certified_radius": True, "abstained": False}


def smoothing(
    model: Classifier,
    images: Images,
    labels: Labels,
    logits: Logits,
    noise: Noise,
    sigma: float = 0.25,
    radius: float = 0.25,
    selecting: int = 100,
    samples: int = 1000,
    alpha: float = 0.001,
) -> Mapping[str, PerImage]:
    """Algorithm CERTIFY of the paper (section 3.2.2), for the classifier that answers what `model` answers most often under noise.

    Forward passes only: `selecting + samples` for each image, without regard to the box [0, 1], as in the paper. The larger
    `samples`, the larger the radii that can be certified: at most `sigma * ndtri(alpha ** (1 / samples))`.

    Args:
        model: see `roles.Diagnostic`.
        images: float32 in [0, 1].
        labels: the true classes.
        logits: not read.
        noise: every draw is the image's own.
        sigma: standard deviation of the Gaussian noise, on the [0, 1] scale.
        radius: the L2 radius that `certified` asks for.
        selecting: draws that choose the class.
        samples: other draws that bound how often it wins.
        alpha: a certificate is wrong with at most this probability (Clopper & Pearson 1934, one-sided).

    Returns:
        `certified`, 1 where the smoothed answer is right with a radius of at least `radius`, else 0; its mean is the certified
        accuracy. `certified_radius`, L2; 0 where the answer is wrong or there is none. `abstained`, 1 where the draws do not tell
        which class wins, else 0.

    Raises:
        UsageError: `sigma` or `radius` not above 0, `alpha` outside (0, 0.5).
    """
    if sigma <= 0 or radius <= 0 or not 0 < alpha < 0.5:
        raise UsageError(f"expected sigma and radius above 0 and alpha between 0 and 0.5, got {sigma:g}, {radius:g} and {alpha:g}")

    def votes(first: int, count: int) -> torch.Tensor:
        found = torch.zeros_like(logits, dtype=torch.int64)
        for number in range(first, first + count):
            draws = noise.fork(torch.full_like(labels, number)).normal(*images.shape[1:])
            with torch.inference_mode():
                winners = model(images + sigma * draws).argmax(dim=1, keepdim=True)
            found.scatter_add_(1, winners, torch.ones_like(winners))
        return found

    chosen = votes(0, selecting).argmax(dim=1)
    wins = votes(selecting, samples).gather(1, chosen[:, None])[:, 0].cpu().numpy()
    least = np.where(wins > 0, beta.ppf(alpha, np.maximum(wins, 1), samples - wins + 1), 0.0)  # of the probability that it wins
    abstained = least <= 0.5
    reach = np.where(abstained, 0.0, sigma * ndtri(np.maximum(least, 0.5)))
    reach = np.where((chosen == labels).cpu().numpy(), reach, 0.0)
    columns = {"certified": reach >= radius, "certified_radius": reach, "abstained": abstained}
    return {name: torch.from_numpy(column.astype(np.float32)).to(images.device) for name, column in columns.items()}
