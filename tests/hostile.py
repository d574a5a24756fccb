"""Names that try to be something else, and a report that is full of them."""

from dataclasses import replace
from fractions import Fraction

from robustsuite.records import (
    Attacked,
    Condition,
    ConditionResult,
    Corrupted,
    Difference,
    Flip,
    Measurement,
    Report,
    ThreatModel,
    Verdict,
)

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": """it's "quoted" `so`""",
    "formula": '=HYPERLINK("http://evil.example","click")',
    "formula after spaces": "  =1+1",
    "formula after a tab": "\t@SUM(A1)",
    "plus": "+cmd|' /C calc'!A0",
    "emoji": "panda 🐼 family 👨‍👩‍👧",
    "right to left": "cat\u202egnp.exe",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "newlines": "a\nb\r\nc\u2028d",
    "long": "x" * 10_000,
    "command": "::error file=/etc/passwd::owned",
    "old command": "x ##[error]owned",
    "encoded newline": "a%0A::error::owned",
    "null": "nul\x00byte\ud800",
    "mention": "@everyone see www.evil.example and https://evil.example",
    "table": "a|b\n\n# heading\n| c |",
}


def hostile_report(name: str) -> Report:
    """A report in which everything is named so."""
    failed = Verdict(name, name, "failed", name, Measurement("accuracy", 0.25, 0.25, 0.25, 8), "≥ 0.9", 0.9)
    conditions = (
        Condition(name),
        Condition(name, Corrupted(name, 1)),
        Condition(name, Attacked(name, ThreatModel("l2", Fraction(1)), ((name, name),))),
    )
    return Report(
        suite=name,
        title=name,
        models=(name,),
        verdicts=(failed, replace(failed, status="error", measurement=None), replace(failed, status="inconclusive")),
        results=(
            *(ConditionResult(name, condition, 8, {"accuracy": 0.5, name: 1.0}) for condition in conditions),
            ConditionResult(name, replace(conditions[1], perturbation=Corrupted(name, 2)), 8, error=name),
        ),
        differences=(Difference(name, "accuracy", name, name, reason=name),),
        flips=(Flip(name, name, conditions[0], name, name, name, name),),
        provenance={name: name},
        notes=(name,),
        description=name,
    )
