"""The verdicts of AutoAttack for a fraction of its passes: cheap attacks first, each on the images that still stand.

Ours. The order follows what was measured on an undefended and on an adversarially trained network (`benchmarks/attacks.py`): 20
steps of APGD on the margin fell nearly every image that falls at all; of the rest, most fell to a target chosen by the linearised
distance (Melamed, Yehudai & Vardi 2024, arXiv:2407.02240). Nine targets of 100 steps felled one image of 500 more, and FAB and
Square, three quarters of AutoAttack's cost, none.
"""

from typing import Any

from robustsuite.records import ThreatModel

NORMS = ("linf", "l2")


def stages(threat: ThreatModel, classes: int, steps: int = 100, targets: int = 3, queries: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """Names and options of the attacks.

    Args:
        threat: the ball.
        classes: of the model; there are no more targets than wrong classes.
        steps: the unit of the budget; the climbs take a fifth of it each, the last one two fifths.
        targets: wrong classes to aim at, the nearest first.
        queries: of Square at the end, against models whose gradients mislead; none by default.
    """
    short = max(steps // 5, 1)
    return [
        ("apgd_margin", {"steps": short}),
        ("apgd_targeted", {"steps": short, "targets": min(targets, classes - 1), "choose": "linearised"}),
        ("apgd_ce", {"steps": 2 * short}),
        *([("square", {"queries": queries})] if queries else []),
    ]
