"""A comparison of models as plain lines for a terminal of 80 columns, and as one HTML page that opens from disk."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, isfinite, log10
from pathlib import Path
from textwrap import wrap

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from rich.cells import cell_len, set_cell_size

from robustsuite.records import Comparison, Difference, Flip, Verdict
from robustsuite.reporting import wording
from robustsuite.reporting.plain import inert, plain

COLUMNS = 80
LINES = 8  # of one sentence
NAME_COLUMNS = 12  # at least, of a check's name in a line
HEAD_COLUMNS = 34  # of a model's name within a sentence
FLIPPED_SHOWN = 5
IMAGES_SHOWN, IMAGES_AT_ONCE = 200, 12  # on the page, the others folded
FLIPS_SHOWN = 3  # of one image
LONGEST = 160  # characters of a name on the page
ROW_CONDITIONS = 12
"""A table of more conditions than this is folded."""

SIGNS: dict[wording.Change, str] = {
    "worse": "▼",
    "differs": "◆",
    "not compared": "–",
    "no difference shown": "≈",
    "same": "=",
    "better": "▲",
}
"""What stands before a difference: never colour alone."""


# ------------------------------------------------------------------------------------------------ what belongs together


Pair = tuple[str, str]
"""A model and the one that it is held against."""


@dataclass(frozen=True)
class Flipped:
    """An image and under which conditions it flipped; `gained` and `lost` count these."""

    image: str
    dataset: str
    label: str
    flips: tuple[Flip, ...]
    gained: int
    lost: int


def pairs(comparison: Comparison) -> list[Pair]:
    """Every model with the one that it is held against, in the order of the comparison."""
    return list(dict.fromkeys((one.model, one.baseline) for one in comparison.differences))


def of_pair(differences: Iterable[Difference], pair: Pair) -> list[Difference]:
    """The differences of one pair."""
    return [one for one in differences if (one.model, one.baseline) == pair]


def references(comparison: Comparison) -> list[str]:
    """The models that others are held against."""
    return list(dict.fromkeys(one.baseline for one in comparison.differences))


def candidates(comparison: Comparison, reference: str) -> list[str]:
    """The models that are held against one."""
    return list(dict.fromkeys(one.model for one in comparison.differences if one.baseline == reference))


def change(one: Difference, higher_is_better: Mapping[str, bool]) -> str:
    """What became of a number, in words; of one without limits too."""
    if one.difference is not None and one.low is None:
        return "same" if one.difference == 0 else "no limits"
    return wording.change(one, higher_is_better)


def sign(one: Difference, higher_is_better: Mapping[str, bool]) -> str:
    """The sign of `change`."""
    return SIGNS[wording.change(one, higher_is_better)] if change(one, higher_is_better) != "same" else SIGNS["same"]


def summary(comparison: Comparison, pair: Pair) -> str:
    """What became of the checks of a pair, in numbers: `1 of 10 checks worse, 3 better, 6 no difference shown`."""
    mine = of_pair(comparison.differences, pair)
    found = Counter(change(one, comparison.higher_is_better) for one in mine)
    told = [f"{found.pop(name)} {name}" for name in wording.CHANGES if name in found] + [f"{count} {name}" for name, count in found.items()]
    return f"{len(mine)} check{'' if len(mine) == 1 else 's'}: {', '.join(told)}"


def worst(comparison: Comparison, pair: Pair) -> wording.Standing:
    """How the sentence on a pair is dressed: as failed where any check is worse, as passed where none is and some are better."""
    found = {wording.change(one, comparison.higher_is_better) for one in of_pair(comparison.differences, pair)}
    return "failed" if "worse" in found else "passed" if "better" in found else "measured"


def statuses(comparison: Comparison) -> dict[tuple[str, str], Verdict]:
    """The verdicts, by check and model."""
    return {(verdict.check, verdict.model): verdict for verdict in comparison.verdicts}


def turned(comparison: Comparison, pair: Pair) -> list[str]:
    """Which checks have another verdict on the model than on the other, as in `failed, now passed: pgd-linf, pgd-l2`; the worst first."""
    verdicts, found = statuses(comparison), dict[tuple[wording.Standing, wording.Standing], list[str]]()
    for one in of_pair(comparison.differences, pair):
        was, now = verdicts.get((one.check, one.baseline)), verdicts.get((one.check, one.model))
        if was and now and wording.standing(was) != wording.standing(now):
            found.setdefault((wording.standing(now), wording.standing(was)), []).append(one.check)
    order = sorted(found, key=lambda both: [wording.ORDER.index(each) for each in both])
    return [f"{wording.WORDS[was].lower()}, now {wording.WORDS[now].lower()}: {_listed(found[now, was])}" for now, was in order]


def _listed(names: Sequence[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(short(name) for name in names[:shown]) + more


def checks(comparison: Comparison, reference: str) -> list[tuple[str, list[Difference]]]:
    """Every check with its differences from a reference, those on which some model is worst first."""
    own = [one for one in comparison.differences if one.baseline == reference]
    names = dict.fromkeys(one.check for one in wording.by_change(own, comparison.higher_is_better))
    return [(name, [one for one in own if one.check == name]) for name in names]


def conditions(comparison: Comparison, reference: str) -> list[tuple[str, dict[str, Difference]]]:
    """Every condition with its differences from a reference, by model."""
    own = [one for one in comparison.conditions if one.baseline == reference]
    return [(name, {one.model: one for one in own if one.check == name}) for name in dict.fromkeys(one.check for one in own)]


def counts(comparison: Comparison, pair: Pair) -> str:
    """How many images flipped, over all conditions: `12 gained and 3 lost under 30 conditions`."""
    mine = of_pair(comparison.conditions, pair)
    gained, lost = (sum(getattr(one, name) or 0 for one in mine) for name in ("gained", "lost"))
    return f"{gained:,} gained and {lost:,} lost under {len(mine):,} condition{'' if len(mine) == 1 else 's'}"


def flipped(comparison: Comparison, pair: Pair) -> list[Flipped]:
    """The images that flipped, as they come: those that flipped under most conditions first."""
    by_image: dict[tuple[str, str], list[Flip]] = {}
    for flip in comparison.flips:
        if (flip.model, flip.baseline) == pair:
            by_image.setdefault((flip.condition.dataset, flip.image), []).append(flip)
    return [
        Flipped(image, dataset, found[0].label, tuple(found), sum(map(is_gain, found)), len(found) - sum(map(is_gain, found)))
        for (dataset, image), found in by_image.items()
    ]


def reference_of(comparison: Comparison, model: str) -> str:
    """What was loaded as a model, where its name does not say so."""
    told = comparison.provenance.get(model)
    loaded = str(told.get("model", "")).partition(" (")[0] if isinstance(told, Mapping) else ""
    return "" if model.endswith(loaded) or loaded == "given" else loaded  # "given" by Python code, which has no name for it


def is_gain(flip: Flip) -> bool:
    """Whether the model is right, and the one that it is held against wrong."""
    return flip.prediction == flip.label


def why_without(differences: Iterable[Difference]) -> dict[str, list[str]]:
    """The reasons why there are no numbers or no limits, each with the checks that it is true of."""
    found: dict[str, list[str]] = {}
    for one in differences:
        if one.reason:
            found.setdefault(one.reason, []).append(one.check)
    return found


def caution(comparison: Comparison) -> str:
    """What the limits say, and what so many of them together do not."""
    shown = sum(one.low is not None for one in comparison.differences)
    false = comparison.alpha * shown
    return (
        "Differences are exact for the images that were judged; limits are for the population that they came from, paired image by image. "
        f"They hold one at a time: each is wrong with probability at most (where bootstrapped: about) {comparison.alpha:g}. "
        f"{shown:,} difference{' is' if shown == 1 else 's are'} shown with limits: of models that do not differ at all, "
        f"at most about {false:.2g} of these would look worse by chance."
    )


# ------------------------------------------------------------------------------------------------------- the terminal


def lines(comparison: Comparison) -> list[str]:
    """The comparison as lines without colour codes, each at most 80 columns wide, of which none is a command to a CI service.

    Who is who; then for each pair a sentence, a table of its checks, the worst first, why some have no limits, and the images that
    flipped under most conditions; then what the limits mean, and notes.
    """
    answer = [_shortened(f"{comparison.title or comparison.suite}", COLUMNS)]
    width = min(max(map(cell_len, map(plain, comparison.sources))), HEAD_COLUMNS)
    for name, source in comparison.sources.items():
        answer.append(f"  {_padded(name, width)}  {_end_of(source, COLUMNS - width - 4)}")
        if loaded := reference_of(comparison, name):
            answer.append(f"  {' ' * width}  {_end_of(loaded, COLUMNS - width - 4)}")
    for pair in pairs(comparison):
        answer += ["", *_of_pair(comparison, pair)]
    answer += ["", *_wrapped(caution(comparison), "", "")]
    for note in comparison.notes:
        answer += ["", *_wrapped(f"Note: {note}", "", "      ")]
    return [inert(line) for line in answer]


def _of_pair(comparison: Comparison, pair: Pair) -> list[str]:
    own, reference = (_shortened(name, HEAD_COLUMNS) for name in pair)
    mine = wording.by_change(of_pair(comparison.differences, pair), comparison.higher_is_better)
    answer = _wrapped(f"{own} against {reference}, {summary(comparison, pair)}", "", "  ")
    for told in turned(comparison, pair):
        answer += _wrapped(f"Verdicts: {told}", "", "  ")
    answer += ["", *_table(comparison, pair, mine)]
    for reason, names in why_without(mine).items():
        answer += _wrapped(f"{SIGNS['not compared']} {_listed(names)}: {reason}", "", "  ")
    images = flipped(comparison, pair)
    if comparison.conditions:
        answer += ["", *_wrapped(f"Images that flipped: {counts(comparison, pair)}", "", "  ")]
    for one in images[:FLIPPED_SHOWN]:
        told = f"gained {one.gained}, lost {one.lost}"
        answer.append(f"  {_shortened(f'{one.dataset}/{one.image}', COLUMNS - cell_len(told) - 5)}  {told}")
    return answer


def _table(comparison: Comparison, pair: Pair, differences: Sequence[Difference]) -> list[str]:
    """One line for each check: what changed, its name, the verdicts and values of both, the difference, its limits, gained and lost."""
    verdicts = statuses(comparison)
    rows = [("", "check", "", "reference", "here", "difference", "limits", "flips")]
    for one in differences:
        both = [verdicts.get((one.check, name)) for name in reversed(pair)]
        rows.append(
            (
                sign(one, comparison.higher_is_better),
                one.check,
                "→".join(wording.SYMBOLS[wording.standing(verdict)] if verdict else " " for verdict in both),
                *values(one),
                points(one),
                wording.difference_limits(one).removesuffix(" points"),
                "" if one.gained is None else f"+{one.gained:,} −{one.lost:,}",
            )
        )
    widths = [max(cell_len(plain(row[place])) for row in rows) for place in range(len(rows[0]))]
    widths[1] = max(min(widths[1], COLUMNS - sum(widths) + widths[1] - len(widths) + 1), NAME_COLUMNS)
    answer = []
    for row in rows:
        row = (row[0], _both_ends(row[1], widths[1]), *row[2:])
        cells = [_padded(cell, width, right=place > 2) for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
        answer.append(_shortened(" ".join(cells).rstrip(), COLUMNS))
    return answer


def values(one: Difference) -> tuple[str, str]:
    """The reference's value and the model's, with decimals enough to tell them apart."""
    return (
        wording.number(one.metric, one.baseline_value, one.value),
        wording.number(one.metric, one.value, one.baseline_value),
    )


def points(one: Difference) -> str:
    """The difference without its unit."""
    return wording.signed(one.metric, one.difference).removesuffix(" points")


def _shortened(text: str, columns: int) -> str:
    text = plain(text)
    return text if cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


def _both_ends(text: str, columns: int) -> str:
    """The beginning and the end of a name, which tell those of one family apart."""
    text = plain(text)
    if cell_len(text) <= columns:
        return text
    return f"{_shortened(text, columns - columns // 2)}{_end_of(text, columns // 2 + 1)[1:]}"


def _end_of(text: str, columns: int) -> str:
    """The end of a path, which tells runs apart."""
    text = plain(text)
    if cell_len(text) <= columns:
        return text
    kept = text[-columns:]
    while cell_len(kept) > columns - 1:
        kept = kept[1:]
    return f"…{kept}"


def _padded(text: str, columns: int, right: bool = False) -> str:
    text = _shortened(text, columns)
    space = " " * (columns - cell_len(text))
    return space + text if right else text + space


def _wrapped(text: str, first: str, later: str) -> list[str]:
    text = plain(text)
    # Wide characters take two columns, which `wrap` does not know.
    width = COLUMNS if cell_len(text) == len(text) else COLUMNS // 2
    told = wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False) or [first.rstrip()]
    return told if len(told) <= LINES else [*told[: LINES - 1], f"{later}…"]


# ----------------------------------------------------------------------------------------------------------- the page


def to_html(comparison: Comparison) -> str:
    """The comparison as a self-contained page: every name is escaped, and the page's own policy forbids scripts and requests."""
    page = _template().render(comparison=comparison, verdicts=statuses(comparison))
    # A file name that is not valid Unicode could not be saved as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=lambda value: plain(value) if type(value) is str else value,  # what is Markup was made of text that came this way
    )
    environment.filters["short"] = short
    environment.globals.update(
        wording=wording,
        signs=SIGNS,
        style=Markup((folder / "report.css").read_text("utf-8")),
        pairs=pairs,
        of_pair=of_pair,
        references=references,
        candidates=candidates,
        checks=checks,
        conditions=conditions,
        change=change,
        sign=sign,
        summary=summary,
        worst=worst,
        counts=counts,
        flipped=flipped,
        is_gain=is_gain,
        reference_of=reference_of,
        turned=turned,
        why_without=why_without,
        caution=caution,
        values=values,
        span=span,
        axis=axis,
        strip=strip,
        images_shown=IMAGES_SHOWN,
        images_at_once=IMAGES_AT_ONCE,
        flips_shown=FLIPS_SHOWN,
        row_conditions=ROW_CONDITIONS,
    )
    return environment.get_template("comparison.html.jinja")


def short(text: str) -> str:
    """A name in at most 160 characters, the last ones kept."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[1 - LONGEST // 2 :]}"


def span(differences: Iterable[Difference]) -> float:
    """How far an axis for all of these reaches on both sides of 0: a round number, or 0 where there is nothing to draw."""
    ends = [abs(end) for one in differences for end in (one.low, one.difference, one.high) if end is not None and isfinite(end)]
    most = max(ends, default=0.0)
    if not most:
        return 0.0
    unit = 10.0 ** floor(log10(most))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= most * (1 - 1e-9))


WIDTH, HALF = 240.0, 112.0  # SVG units: of a strip, and of the axis on each side of 0


def _place(value: float, reach: float) -> float:
    return WIDTH / 2 + HALF * max(min(value / reach, 1), -1)


def axis(metric: str, reach: float) -> Markup:
    """The names of both ends of an axis and of its middle."""
    ends = ((-reach, "start", 0.0), (0.0, "middle", WIDTH / 2), (reach, "end", WIDTH))
    names = Markup("").join(
        Markup('<text class="tick" x="{:.1f}" y="13" text-anchor="{}">{}</text>').format(x, anchor, _tick(metric, value))
        for value, anchor, x in ends
    )
    return Markup('<svg class="strip" aria-hidden="true" viewBox="0 0 {:g} 16">{}</svg>').format(WIDTH, names)


def _tick(metric: str, value: float) -> str:
    if value == 0:
        return "0"
    size = f"{100 * abs(value):.6g}" if wording.is_share(metric) else f"{abs(value):.6g}"
    return f"{'+' if value > 0 else '−'}{size}"


def strip(one: Difference, reach: float, higher_is_better: Mapping[str, bool]) -> Markup:
    """A difference with its limits on an axis that reaches as far to both sides of 0; the side where the model is better is shaded."""
    if one.difference is None or not reach:
        return Markup()
    limits = wording.difference_limits(one)
    title = f"{wording.signed(one.metric, one.difference)}{f', limits {limits}' if limits else ', no limits'}"
    way, middle = wording.better(one.metric, higher_is_better), WIDTH / 2
    shaded = Markup('<rect class="allowed" x="{:.1f}" y="5" width="{:.1f}" height="14"/>').format(middle - HALF * (way == "lower"), HALF)
    parts = [
        shaded if way else Markup(),
        Markup('<path class="grid" d="M{:.1f} 12H{:.1f}"/>').format(middle - HALF, middle + HALF),
        Markup('<path class="upright" d="M{:.1f} 1V23"/>').format(middle),
    ]
    if one.low is not None and one.high is not None:
        ends = (_place(one.low, reach), _place(one.high, reach))
        parts.append(Markup('<path class="interval" d="M{:.1f} 12H{:.1f}"/>').format(*ends))
    parts.append(Markup('<circle class="value" cx="{:.1f}" cy="12" r="4.5"/>').format(_place(one.difference, reach)))
    return Markup('<svg class="strip" role="img" viewBox="0 0 {:g} 24"><title>{}</title>{}</svg>').format(
        WIDTH, title, Markup("").join(parts)
    )
