"""Attacks that may not have worked: what they left standing is then no robustness. Pure: no model, no images, no torch.

The indicators of Pintor et al. 2022 (arXiv:2106.09947) that can be had from an attack's own passes (`AttackResult.counts`); unlimited
attacks that did not fell everything; and black-box attacks that felled what an attack by gradients did not (AutoAttack's flag for
Square).
"""

from collections.abc import Iterator, Sequence

from robustsuite.catalog import is_black_box
from robustsuite.predictions import Outcome
from robustsuite.records import Attacked

ZERO_GRADIENTS = 0.1  # of the backward passes
STILL_RISING = 0.3  # of the images that stood
TAKEN_BACK = 0.01  # of the images that were attacked
BEATEN = 0.002  # of all images
"""Shares above which an attack is doubted."""


def doubts(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """A sentence for each reason to doubt an attack."""
    attacked = [outcome for outcome in outcomes if isinstance(outcome.condition.perturbation, Attacked) and outcome.complete]
    return tuple(sentence for outcome in attacked for sentence in (*_by_its_counts(outcome), *_beaten_by(outcome, attacked)))


def _by_its_counts(outcome: Outcome) -> Iterator[str]:
    counts, who = outcome.counts, f"{outcome.condition.perturbation} on {outcome.model}"
    if (zero := counts.get("zero_gradients", 0)) > ZERO_GRADIENTS * counts.get("backwards", 0):
        yield (
            f"{who}: {zero} of {counts['backwards']} gradients were zero, so the attack could not climb; the model hides its "
            "gradients (or rounds its input), and what stood is no robustness: attack it with square"
        )
    if (rising := counts.get("still_rising", 0)) > STILL_RISING * counts.get("standing", 0):
        yield (
            f"{who}: {rising} of the {counts['standing']} images that stood were still getting worse when the attack ended; "
            "give it more steps"
        )
    if _unlimited(outcome) and counts.get("standing", 0):
        yield (
            f"{who}: {counts['standing']} of {counts['attacked']} images stood although every image may become any other; "
            "the attack has failed, and what stands at smaller radii is no robustness either"
        )
    if (back := counts.get("taken_back", 0)) > TAKEN_BACK * counts.get("attacked", 0):
        yield (
            f"{who}: {back} of {counts['attacked']} images fell and stood when shown the same pixels again; the model answers at "
            "random, and one answer says little"
        )


def _unlimited(outcome: Outcome) -> bool:
    """Whether the threat model allows every image there is, to an attack that sees the gradients."""
    shown = outcome.condition.perturbation
    assert isinstance(shown, Attacked)
    return shown.threat.norm == "linf" and shown.threat.epsilon >= 1 and not is_black_box(shown.attack)


def _beaten_by(outcome: Outcome, others: Sequence[Outcome]) -> Iterator[str]:
    """What a black-box attack found out about attacks by gradients with the same threat model, on the same images."""
    blind = outcome.condition.perturbation
    assert isinstance(blind, Attacked)
    if not is_black_box(blind.attack):
        return
    for other in others:
        seeing = other.condition.perturbation
        assert isinstance(seeing, Attacked)
        same = (other.model, other.condition.dataset, seeing.threat) == (outcome.model, outcome.condition.dataset, blind.threat)
        if not same or is_black_box(seeing.attack) or outcome.predictions is None or other.predictions is None:
            continue
        stood = other.predictions.correct & ~outcome.predictions.correct
        if stood.mean() > BEATEN:
            yield (
                f"{blind} felled {int(stood.sum())} images of {outcome.model} that stood against {seeing}, which sees the gradients: "
                "that attack has failed"
            )
