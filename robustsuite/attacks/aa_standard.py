"""AutoAttack, standard version: for comparison with published numbers. Croce & Hein 2020, arXiv:2003.01690, section 6.

The four attacks in the published order, each on the images that the ones before it left standing: APGD on the cross-entropy,
APGD on the targeted DLR loss, targeted FAB, Square.
"""

from typing import Any

from robustsuite.records import ThreatModel

NORMS = ("linf", "l2")


def stages(threat: ThreatModel, classes: int, steps: int = 100, targets: int = 9, queries: int = 5000) -> list[tuple[str, dict[str, Any]]]:
    """Names and options of the attacks.

    Args:
        threat: the ball.
        classes: of the model; there are no more targets than wrong classes.
        steps: of each gradient attack on each target.
        targets: the wrong classes with the highest logits, one after the other.
        queries: of Square.
    """
    targets = min(targets, classes - 1)
    return [
        ("apgd_ce", {"steps": steps}),
        ("apgd_targeted", {"steps": steps, "targets": targets}),
        ("fab", {"steps": steps, "targets": targets}),
        ("square", {"queries": queries}),
    ]
