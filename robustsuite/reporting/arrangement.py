"""What belongs together on the page: a report's flat results as rows, heatmaps, curves and strips of pictures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from robustsuite.numerics.intervals import clopper_pearson
from robustsuite.records import (
    Attacked,
    Calibration,
    ClassResult,
    Condition,
    ConditionResult,
    Confusion,
    Corrupted,
    Example,
    Flip,
    GroupResult,
    Norm,
    Report,
    Selection,
    Suspect,
    Verdict,
)
from robustsuite.reporting import wording


def accuracy(result: ConditionResult | None) -> float | None:
    """The accuracy, where there is one."""
    value = result.metrics.get("accuracy") if result and not result.error else None
    return value if value is not None and isfinite(value) else None


def mean(values: Iterable[float | None]) -> float | None:
    """The mean, or nothing where there is no value or one is missing: a mean over what happened to work would flatter."""
    present = list(values)
    known = [value for value in present if value is not None]
    return sum(known) / len(known) if known and len(known) == len(present) else None


def lowest(values: Iterable[float | None]) -> float | None:
    """The smallest value, or nothing where there is none or one is missing."""
    present = list(values)
    known = [value for value in present if value is not None]
    return min(known) if known and len(known) == len(present) else None


# ---------------------------------------------------------------------------------------------------------- checks


@dataclass(frozen=True)
class CheckRow:
    """A check with its verdict on each model, in the order of the models; `None` where it was not run."""

    check: str
    verdicts: tuple[Verdict | None, ...]

    @property
    def present(self) -> list[Verdict]:
        """The verdicts there are, the most urgent first."""
        return wording.by_urgency(verdict for verdict in self.verdicts if verdict)

    @property
    def metric(self) -> str:
        """The metric, where it is known."""
        return next((metric for verdict in self.present if (metric := wording.metric_of(verdict))), "")

    @property
    def demands(self) -> tuple[list[str], list[str]]:
        """The gates in words, several where a relative gate came out differently for each model; and what they are relative to."""
        known = [verdict for verdict in self.verdicts if verdict and verdict.measurement] or self.present
        demands = [wording.demand(verdict) for verdict in known]
        return list(dict.fromkeys(one for one, _ in demands)), list(dict.fromkeys(other for _, other in demands if other))


def check_rows(report: Report) -> list[CheckRow]:
    """Every check once, those with the most urgent verdicts first."""
    found = {(verdict.check, verdict.model): verdict for verdict in report.verdicts}
    names = dict.fromkeys(verdict.check for verdict in wording.by_urgency(report.verdicts))
    return [CheckRow(name, tuple(found.get((name, model)) for model in wording.models(report))) for name in names]


# --------------------------------------------------------------------------------------------------------- results


@dataclass(frozen=True)
class Glance:
    """A model's accuracy on one data set in a few numbers; `None` where nothing was measured or a condition failed."""

    dataset: str
    model: str
    images: int
    clean: float | None
    calibration_error: float | None
    corrupted_mean: float | None
    corrupted_lowest: float | None
    attacked_lowest: float | None


def glances(report: Report) -> list[Glance]:
    """One row for each data set and model."""
    answer = []
    for dataset, model in dict.fromkeys((result.condition.dataset, result.model) for result in _by_dataset(report)):
        mine = [result for result in report.results if (result.condition.dataset, result.model) == (dataset, model)]
        clean = next((result for result in mine if result.condition.perturbation is None), None)
        corrupted = [accuracy(result) for result in mine if isinstance(result.condition.perturbation, Corrupted)]
        attacked = [accuracy(result) for result in mine if isinstance(result.condition.perturbation, Attacked)]
        images = max(result.images for result in mine)
        error = clean.metrics.get("expected_calibration_error") if clean else None
        answer.append(Glance(dataset, model, images, accuracy(clean), error, mean(corrupted), lowest(corrupted), lowest(attacked)))
    return answer


@dataclass(frozen=True)
class GroupTable:
    """One attribute of one data set: its groups, worst first by the mean over models, and what each model has in each."""

    dataset: str
    attribute: str
    models: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[GroupResult | None, ...]], ...]


def group_tables(report: Report) -> list[GroupTable]:
    """A table for each data set and attribute."""
    answer = []
    for dataset, attribute in dict.fromkeys((one.dataset, one.attribute) for one in report.groups):
        mine = [one for one in report.groups if (one.dataset, one.attribute) == (dataset, attribute)]
        models = tuple(dict.fromkeys(one.model for one in mine))
        found = {(one.group, one.model): one for one in mine}
        rows = []
        for group in dict.fromkeys(one.group for one in mine):
            cells = tuple(found.get((group, model)) for model in models)
            rows.append((group, max(cell.images for cell in cells if cell), cells))
        rows.sort(key=lambda row: mean(cell.metrics.get("accuracy") for cell in row[2] if cell) or 0)
        answer.append(GroupTable(dataset, attribute, models, tuple(rows)))
    return answer


@dataclass(frozen=True)
class LabelRow:
    """A check judged on all images, where it was, and without those whose labels are suspect."""

    before: Verdict | None
    after: Verdict

    @property
    def changes(self) -> bool:
        """Whether the verdict is another one."""
        return self.before is None or self.before.status != self.after.status

    @property
    def demands(self) -> list[str]:
        """The gate in words, twice where a relative one came out differently."""
        return list(dict.fromkeys(wording.demand(verdict)[0] for verdict in (self.before, self.after) if verdict))


def label_rows(report: Report) -> list[LabelRow]:
    """One for each check and model that was judged without suspect images; those whose verdict changes first."""
    before = {(verdict.check, verdict.model): verdict for verdict in report.verdicts}
    rows = [LabelRow(before.get((verdict.check, verdict.model)), verdict) for verdict in report.verdicts_without_suspects]
    return sorted(rows, key=lambda row: not row.changes)


def suspects(report: Report, model: str, dataset: str) -> list[Suspect]:
    """Those of one model and data set."""
    return [one for one in report.suspects if (one.model, one.dataset) == (model, dataset)]


def measurement_rows(report: Report) -> list[ConditionResult]:
    """Every result, by data set and then condition, the models of a condition next to each other."""
    order = {condition: place for place, condition in enumerate(dict.fromkeys(result.condition for result in _by_dataset(report)))}
    return sorted(report.results, key=lambda result: order[result.condition])


def _by_dataset(report: Report) -> list[ConditionResult]:
    order = list(dict.fromkeys(result.condition.dataset for result in report.results))
    return sorted(report.results, key=lambda result: order.index(result.condition.dataset))


@dataclass(frozen=True)
class Heatmap:
    """A model's accuracy on one data set, corruption by severity. `rows` are aligned with `severities`.

    `fewest` is the number of images behind the poorest cell: less than `images` in a run that stopped when it was decided.
    `before` are the accuracies of the baseline, under the conditions where there is one.
    """

    dataset: str
    model: str
    images: int
    fewest: int
    clean: ConditionResult | None
    severities: tuple[int, ...]
    rows: tuple[tuple[str, tuple[ConditionResult | None, ...]], ...]
    before: Mapping[Condition, float]

    @property
    def cells(self) -> list[ConditionResult | None]:
        """Those of all rows."""
        return [cell for _, cells in self.rows for cell in cells]

    def column(self, place: int) -> list[ConditionResult | None]:
        """The cells of one severity."""
        return [cells[place] for _, cells in self.rows]

    def change(self, cells: Iterable[ConditionResult | None]) -> float | None:
        """The mean accuracy of some cells less the baseline's; nothing where one of them is missing on either side."""
        pairs = [(accuracy(cell), self.before.get(cell.condition) if cell else None) for cell in cells]
        return mean(None if now is None or then is None else now - then for now, then in pairs)

    @property
    def row_means(self) -> list[float | None]:
        """The mean accuracy of each corruption over its severities."""
        return [mean(accuracy(cell) for cell in cells) for _, cells in self.rows]

    @property
    def column_means(self) -> list[float | None]:
        """The mean accuracy at each severity over the corruptions."""
        return [mean(map(accuracy, self.column(place))) for place in range(len(self.severities))]

    @property
    def errors(self) -> list[str]:
        """Why cells have no number, each condition with its reason."""
        return [f"{cell.condition.perturbation}: {cell.error}" for cell in self.cells if cell and cell.error]

    @property
    def mean(self) -> float | None:
        """The mean accuracy over all cells."""
        return mean(map(accuracy, self.cells))


def heatmaps(report: Report) -> list[Heatmap]:
    """One for each data set and model that was shown corruptions; those of one data set have the same rows and severities."""
    found: dict[tuple[str, str], dict[tuple[str, int], ConditionResult]] = {}
    for result in _by_dataset(report):
        if isinstance(result.condition.perturbation, Corrupted):
            cell = (result.condition.perturbation.corruption, result.condition.perturbation.severity)
            found.setdefault((result.condition.dataset, result.model), {})[cell] = result
    answer = []
    for (dataset, model), cells in found.items():
        every = [place for (other, _), theirs in found.items() if other == dataset for place in theirs]
        severities = tuple(sorted({severity for _, severity in every}))
        names = dict.fromkeys(name for name, _ in every)
        rows = tuple((name, tuple(cells.get((name, severity)) for severity in severities)) for name in names)
        shown = [cell.images for cell in cells.values() if not cell.error]
        most, fewest = max(shown, default=0), min(shown, default=0)
        before = {one.condition: value for one in report.baseline_results if one.model == model and (value := accuracy(one)) is not None}
        answer.append(Heatmap(dataset, model, most, fewest, _clean(report, dataset, model), severities, rows, before))
    return answer


def _clean(report: Report, dataset: str, model: str) -> ConditionResult | None:
    return next((result for result in report.results if result.condition == Condition(dataset) and result.model == model), None)


@dataclass(frozen=True)
class Curve:
    """Accuracy by radius under one attack in one norm. `rows` are aligned with `models`; radius 0 is the clean accuracy.

    `whole` is the number of images of a cell that was not stopped early; each limit is wrong with probability at most `alpha`.
    """

    dataset: str
    attack: str
    norm: Norm
    options: tuple[tuple[str, int | float | bool | str], ...]
    models: tuple[str, ...]
    rows: tuple[tuple[Fraction, tuple[ConditionResult | None, ...]], ...]
    whole: int
    alpha: float

    def limits(self, cell: ConditionResult | None) -> tuple[float, float] | None:
        """Limits on the accuracy in the population (Clopper & Pearson 1934); none of a cell that stopped when it was decided."""
        value = accuracy(cell)
        # How many images there are then depends on how they went, and the limits are for a number that was fixed before.
        if cell is None or value is None or not 0 < self.whole <= cell.images or not 0 <= value <= 1:
            return None
        return clopper_pearson(round(value * cell.images), cell.images, self.alpha)

    @property
    def has_limits(self) -> bool:
        """Whether some accuracy has limits."""
        return any(self.limits(cell) for _, cells in self.rows for cell in cells)

    @property
    def has_distances(self) -> bool:
        """Whether the median size of the perturbations is known."""
        return any(cell and "median_distance" in cell.metrics for _, cells in self.rows for cell in cells)


def curves(report: Report) -> list[Curve]:
    """One for each data set, attack, norm and set of options, with every model that was attacked so."""
    found: dict[tuple[str, str, Norm, tuple[tuple[str, int | float | bool | str], ...]], dict[tuple[Fraction, str], ConditionResult]] = {}
    for result in _by_dataset(report):
        if isinstance(attacked := result.condition.perturbation, Attacked):
            key = (result.condition.dataset, attacked.attack, attacked.threat.norm, attacked.options)
            found.setdefault(key, {})[attacked.threat.epsilon, result.model] = result
    answer = []
    for (dataset, attack, norm, options), cells in found.items():
        models = tuple(model for model in wording.models(report) if any(model == other for _, other in cells))
        rows = [(radius, tuple(cells.get((radius, model)) for model in models)) for radius in sorted({radius for radius, _ in cells})]
        clean = tuple(_clean(report, dataset, model) for model in models)
        if any(clean) and rows[0][0] != 0:
            rows.insert(0, (Fraction(0), clean))
        whole = max((result.images for result in report.results if result.condition.dataset == dataset and not result.error), default=0)
        answer.append(Curve(dataset, attack, norm, options, models, tuple(rows), whole, report.decision.alpha))
    return answer


# ------------------------------------------------------------------------------------- classes, data sets, baselines


@dataclass(frozen=True)
class ClassTables:
    """One model's classes on one data set, the least accurate first, and what it took for what, the most frequent first."""

    model: str
    dataset: str
    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...]


def class_tables(report: Report) -> list[ClassTables]:
    """One for each data set and model."""
    places = dict.fromkeys((one.dataset, one.model) for one in [*report.classes, *report.confusions])
    datasets = list(dict.fromkeys(dataset for dataset, _ in places))
    return [
        ClassTables(
            model,
            dataset,
            tuple(one for one in report.classes if (one.dataset, one.model) == (dataset, model)),
            tuple(one for one in report.confusions if (one.dataset, one.model) == (dataset, model)),
        )
        for dataset, model in sorted(places, key=lambda place: datasets.index(place[0]))
    ]


SHIFT_METRICS = ("accuracy_drop", "effective_robustness", "error_ratio", "group_gap")
"""What a check may ask of a data set beside its control."""


def shift_accuracies(report: Report) -> list[tuple[str, tuple[ConditionResult | None, ...]]]:
    """Every data set with the clean results of all models on it, in the order of the models; nothing where there is but one."""
    clean = {(one.condition.dataset, one.model): one for one in report.results if one.condition.perturbation is None}
    names = dict.fromkeys(dataset for dataset, _ in clean)
    rows = [(name, tuple(clean.get((name, model)) for model in wording.models(report))) for name in names]
    return [row for row in rows if any(row[1])] if len(rows) > 1 else []


def shift_checks(report: Report) -> list[CheckRow]:
    """The checks that compare a data set with its control."""
    return [row for row in check_rows(report) if row.metric in SHIFT_METRICS]


def flips(report: Report) -> dict[tuple[str, str], list[Flip]]:
    """Images that a model has right and its baseline wrong, or the other way round, by model and baseline; those lost first."""
    found: dict[tuple[str, str], list[Flip]] = {}
    for one in sorted(report.flips, key=lambda one: one.prediction == one.label):
        found.setdefault((one.model, one.baseline), []).append(one)
    return found


# ------------------------------------------------------------------------------------------------ what was not measured

NAMED = 12
"""How many names a sentence lists before it counts the rest."""

SEQUENCE_METRICS = ("flip_probability", "flip_rate", "relative_top5_distance", "top5_distance")
CALIBRATION = ("calibration", "brier", "log_likelihood", "risk", "coverage", "confidence")
"""Words in the names of metrics that ask whether a model's confidence can be trusted."""


def unmeasured(report: Report) -> list[str]:
    """What the numbers of the report do not speak of, a sentence each."""
    return [*_skipped(report), *_not_selected(report), *_broken(report), *_early(report), *_untouched(report)]


def _skipped(report: Report) -> list[str]:
    reasons: dict[str, dict[str, None]] = {}
    for verdict in report.verdicts:
        if verdict.status == "skipped":
            reasons.setdefault(verdict.reason, {})[verdict.check] = None
    return [f"Skipped: {_some(names)} ({reason or 'no reason was given'})." for reason, names in reasons.items()]


def _not_selected(report: Report) -> list[str]:
    names = report.provenance.get("not selected", ())
    return [f"Checks of the suite that this run left out: {_some(map(str, names))}."] if isinstance(names, list | tuple) and names else []


def _broken(report: Report) -> list[str]:
    """Conditions that could not be evaluated, and checks that could not for another reason."""
    errors: dict[tuple[str, str], list[str]] = {}
    for result in report.results:
        if result.error:
            errors.setdefault((result.model, result.error), []).append(str(result.condition))
    for verdict in report.verdicts:
        told = any(model == verdict.model and error in verdict.reason for model, error in errors)
        if verdict.status == "error" and not told:
            errors.setdefault((verdict.model, verdict.reason), []).append(verdict.check)
    return [f"Could not be measured on {model}: {_some(names)} ({error})." for (model, error), names in errors.items()]


def _early(report: Report) -> list[str]:
    shown: dict[str, list[int]] = {}
    for result in report.results:
        if not result.error:
            shown.setdefault(result.condition.dataset, []).append(result.images)
    answer = []
    for dataset, counts in shown.items():
        short = [count for count in counts if count < max(counts)]
        if short:
            few = f"{min(short):,}" if min(short) == max(short) else f"{min(short):,} to {max(short):,}"
            many = f"{len(short):,} of {len(counts):,} measurements stopped early, after {few} of {max(counts):,} images"
            answer.append(f"On {dataset}, {many}: enough for their verdicts, but coarse.")
    return answer


def _untouched(report: Report) -> list[str]:
    """The families of questions that no check and no condition asks."""
    if not report.results:
        return []
    kinds = {type(result.condition.perturbation) for result in report.results}
    metrics = {wording.metric_of(verdict) for verdict in report.verdicts}
    datasets = {result.condition.dataset for result in report.results}
    asked = {
        "Nothing was corrupted: how the models fare under noise, blur, weather and compression is not known.": Corrupted in kinds
        or metrics.intersection(SEQUENCE_METRICS),
        "Nothing was attacked: how small a deliberate change deceives the models is not known.": Attacked in kinds,
        "There was one data set: how the models fare on images from other sources is not known.": len(datasets) > 1 or report.groups,
        "No check is on calibration: whether the models' confidence can be trusted was not judged.": report.calibrations
        or any(word in metric for metric in metrics for word in CALIBRATION),
    }
    return [sentence for sentence, touched in asked.items() if not touched]


def _some(names: Iterable[str]) -> str:
    several = list(names)
    more = f" and {len(several) - NAMED} more" if len(several) > NAMED else ""
    return ", ".join(several[:NAMED]) + more


# -------------------------------------------------------------------------------------------------------- examples


@dataclass(frozen=True)
class View:
    """One picture as one or more models saw it. Models that were shown the same picture share a view."""

    perturbation: str
    picture: bytes
    answers: tuple[Example, ...]


@dataclass(frozen=True)
class Strip:
    """One image in all the views that were kept of it."""

    dataset: str
    image: str
    label: str
    views: tuple[View, ...]

    @property
    def clean(self) -> bytes:
        """The picture of the image as it is; empty where none was kept."""
        return next((view.picture for view in self.views if view.perturbation == "clean"), b"")


def strips(report: Report) -> list[Strip]:
    """One for each image: those with the most wrong answers first, then those with the surest wrong one."""
    found: dict[tuple[str, str], dict[tuple[str, bytes], list[Example]]] = {}
    for example in report.examples:
        found.setdefault((example.dataset, example.image), {}).setdefault((example.perturbation, example.picture), []).append(example)
    answer = [
        Strip(
            dataset,
            image,
            next(iter(views.values()))[0].label,
            tuple(View(name, picture, tuple(those)) for (name, picture), those in views.items()),
        )
        for (dataset, image), views in found.items()
    ]
    return sorted(answer, key=_wrongs, reverse=True)


def _wrongs(strip: Strip) -> tuple[int, float]:
    wrong = [one.confidence for view in strip.views for one in view.answers if not one.correct]
    return len(wrong), max(wrong, default=0.0)


# ----------------------------------------------------------------------------------------------------- calibration


@dataclass(frozen=True)
class DriftRow:
    """The mean over corruptions of a calibration error at one severity, before and after recalibration; severity 0 is clean."""

    severity: int
    before: float
    after: float


@dataclass(frozen=True)
class Drift:
    """Whether a recalibration that was fitted on clean images still holds under corruption."""

    model: str
    dataset: str
    recalibration: str
    corruptions: int
    rows: tuple[DriftRow, ...]
    each: Mapping[str, tuple[Calibration, ...]]
    metric: str = "expected_calibration_error"


def clean_calibrations(report: Report) -> list[Calibration]:
    """Those of the images as they are."""
    return [one for one in report.calibrations if not one.perturbation]


def drifts(report: Report) -> list[Drift]:
    """One for each model, data set and recalibration that was also judged under corruption; `each` by corruption and severity."""
    groups: dict[tuple[str, str, str], list[Calibration]] = {}
    for one in report.calibrations:
        groups.setdefault((one.model, one.dataset, one.recalibration), []).append(one)
    found = []
    for (model, dataset, recalibration), each in groups.items():
        severities = sorted({one.severity for one in each})
        if len(severities) < 2:
            continue
        rows = []
        for severity in severities:
            before, after = (
                mean([errors.get(Drift.metric) for one in each if one.severity == severity for errors in [getattr(one, when)]])
                for when in ("before", "after")
            )
            if before is not None and after is not None:
                rows.append(DriftRow(severity, before, after))
        corruptions: dict[str, tuple[Calibration, ...]] = {}
        for one in each:  # by ascending severity
            if one.perturbation:
                name = one.perturbation.replace(f"-{one.severity}", "", 1)
                corruptions[name] = (*corruptions.get(name, ()), one)
        found.append(Drift(model, dataset, recalibration, len(corruptions), tuple(rows), corruptions))
    return found


def selections(report: Report) -> dict[str, list[Selection]]:
    """The risk-coverage curves of every data set."""
    found: dict[str, list[Selection]] = {}
    for one in report.selections:
        found.setdefault(one.dataset, []).append(one)
    return found


def risk_at(selection: Selection, coverage: float) -> float | None:
    """The risk at the smallest coverage on the curve that is at least as large."""
    return next((point.risk for point in selection.points if point.coverage >= coverage - 1e-9), None)
