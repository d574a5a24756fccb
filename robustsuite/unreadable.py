"""Images that cannot be read: a few may be left out where the user allows it, counted and named; more are an error."""

from dataclasses import dataclass, replace
from typing import Never

from robustsuite.decoding import problems
from robustsuite.errors import EvaluationError
from robustsuite.records import Dataset
from robustsuite.subsets import subset

NAMED = 20
"""How many images an error names; of those left out all are named."""


def without_unreadable(dataset: Dataset, name: str, most: int, workers: int | None) -> tuple[Dataset, str]:
    """The data set without its unreadable images, and a sentence that names them, which its source says too; empty where there are none.

    Every image is decoded once to find out, before anything is judged: what is judged is the same for every model and condition. Where more
    than `most` cannot be read, none is left out, and reading any image raises an `EvaluationError` that names them.

    Args:
        dataset: what was opened.
        name: the suite's name for it, for the sentence.
        most: how many images may be left out.
        workers: decoding processes, as in `Settings`.
    """
    try:
        found = problems(dataset, workers)
    except EvaluationError as error:
        return replace(dataset, read=_Refused(str(error))), ""
    if not found:
        return dataset, ""
    reasons = [f"{dataset.ids[row]}: {sentence.partition('; ')[0]}" for row, sentence in found.items()]
    counted = f"{len(found)} of {len(dataset.ids)} images"
    if len(found) > most:
        more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        told = f"expected at most {most} unreadable images in data {name!r}, got {counted}: {'; '.join(reasons[:NAMED])}{more}"
        return replace(dataset, read=_Refused(told)), ""
    kept = subset(dataset, [row for row in range(len(dataset.ids)) if row not in found])
    told = f"{counted} left out, because they cannot be read: {'; '.join(reasons)}"
    return replace(kept, source=f"{dataset.source or dataset.name} ({told})"), f"data {name!r}: {told}"


@dataclass(frozen=True)
class _Refused:
    """Reads no image; can be sent to another process."""

    sentence: str

    def __call__(self, index: int) -> Never:
        raise EvaluationError(self.sentence)
