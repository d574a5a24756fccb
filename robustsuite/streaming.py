"""A metric of a stream of images: one pass, in memory that does not grow with them, and the same whatever the order, batches or workers."""

from typing import Any

import numpy as np

from robustsuite import catalog
from robustsuite.errors import UsageError
from robustsuite.numerics.condense import checked, condense
from robustsuite.roles import Labels, Logits


class Stream:
    """The sums of a metric, over the images seen so far.

    Workers that see parts of the images keep a stream each, and merge them; a stream can be pickled and sent. The order of the images,
    their batches and who saw them change the sums by rounding in float64 only.
    """

    def __init__(self, metric: str, **options: Any) -> None:
        """A stream that has seen nothing.

        Args:
            metric: a name in the catalog whose file holds `sums` and `of_sums`.
            options: the metric's own, such as `bins`.

        Raises:
            UsageError: an unknown metric or option, or a metric that is no function of sums.
        """
        module, known = catalog.module("metrics", metric), catalog.signature("metrics", metric, metric, 1)
        if not hasattr(module, "of_sums"):
            able = tuple(name for name in catalog.names("metrics") if hasattr(catalog.module("metrics", name), "of_sums"))
            raise UsageError(f"{metric} is no function of sums over images and needs all of them at once; of a stream: {', '.join(able)}")
        for name in options:
            if name not in known:
                hint = catalog.did_you_mean(name, list(known)) if known else "it has none"
                raise UsageError(f"unknown option {name!r} of metric {metric!r}; {hint}")
        self.metric, self.options = metric, known | options
        self.images = 0
        self.sums = np.zeros(1)

    def update(self, logits: Logits | np.ndarray, labels: Labels | np.ndarray) -> None:
        """Add a batch; one without images is none.

        Raises `UsageError` for logits that are not finite or are probabilities, and for labels that do not fit them.
        """
        logits, labels = checked(logits, labels)
        if len(labels):
            self._add(catalog.module("metrics", self.metric).sums(condense(logits, labels), **self.options), len(labels))

    def merge(self, other: "Stream") -> None:
        """Add what another stream has seen. Raises `UsageError` for one of another metric or with other options."""
        if (other.metric, other.options) != (self.metric, self.options):
            raise UsageError(
                f"expected a stream of {self.metric} with {self.options}, got one of {other.metric} with {other.options}; make both alike"
            )
        self._add(other.sums, other.images)

    def _add(self, sums: np.ndarray, images: int) -> None:
        self.sums, self.images = self.sums + sums, self.images + images

    @property
    def value(self) -> float:
        """The metric on all images seen. Raises `UsageError` before the first one."""
        if not self.images:
            raise UsageError(f"expected at least one image to measure {self.metric} on, got none; call update first")
        return catalog.module("metrics", self.metric).of_sums(self.sums)
