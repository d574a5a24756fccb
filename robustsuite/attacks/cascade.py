"""The verdicts of AutoAttack for a fraction of its passes: cheap attacks first, each on the images that still stand.

Ours. The order follows what was measured on undefended and on adversarially trained networks (`benchmarks/attacks.py`): 20 steps
of APGD on the margin fell nearly every image that falls at all; of the rest, most fell to a target chosen by the linearised
distance (Melamed, Yehudai & Vardi 2024, arXiv:2407.02240); FAB and Square, three quarters of AutoAttack's cost, changed no verdict.
"""

from typing import Any

from robustsuite.records import ThreatModel

NORMS = ("linf", "l2")


def stages(threat: ThreatModel, classes: int, steps: int = 100, targets: int = 9, queries: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """Names and options of the attacks.

    Args:
        threat: the ball.
        classes: of the model; there are no more targets than wrong classes.
        steps: of the long attacks; the short ones take a fifth.
        targets: wrong classes to aim at.
        queries: of Square at the end, against models whose gradients mislead; none by default.
    """
    short, few = max(steps // 5, 1), min(3, classes - 1)
    return [
        ("apgd_margin", {"steps": short}),
        ("apgd_ce", {"steps": short}),
        ("apgd_targeted", {"steps": short, "targets": few, "choose": "linearised"}),
        ("apgd_targeted", {"steps": short, "targets": min(targets, classes - 1)}),
        *([("square", {"queries": queries})] if queries else []),
    ]
