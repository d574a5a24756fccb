"""The two ways in which a run can go wrong: the user can mend it, or a model or image could not be evaluated."""


class UsageError(Exception):
    """Something the user can mend. Shown as one sentence without a traceback; the exit code is 4.

    The sentence says what was expected, what came, and what to do, with file and line where there is one.
    """


class EvaluationError(Exception):
    """A model, a condition or a data set could not be evaluated. Its checks become ERROR, never PASS; the others go on."""
