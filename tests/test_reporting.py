import base64
import hashlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from typing import get_args

import pytest
from example_report import example_report, many_conditions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustsuite.errors import UsageError
from robustsuite.records import (
    Attacked,
    Calibration,
    Condition,
    ConditionResult,
    Corrupted,
    Decision,
    Example,
    Measurement,
    Norm,
    ReliabilityBin,
    Report,
    Status,
    ThreatModel,
    Verdict,
)
from robustsuite.reporting import arrangement, wording
from robustsuite.reporting.html import to_html
from robustsuite.reporting.json import from_json, to_json
from robustsuite.reporting.markdown import to_markdown
from robustsuite.reporting.terminal import lines

# Run-time type checks draw samples of a tuple's items with `random`, also while a strategy builds a record.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

HOSTILE = "<script>alert(1)</script>"

texts = st.text(max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**40)
metrics = st.dictionaries(st.sampled_from(["accuracy", "brier_score", "my own"]), floats)
fractions = st.builds(Fraction, st.integers(0, 300), st.integers(1, 255))
options = st.dictionaries(texts, st.one_of(st.integers(), floats, st.booleans(), texts), max_size=2).map(lambda found: tuple(found.items()))
threats = st.builds(ThreatModel, st.sampled_from(get_args(Norm)), fractions)
perturbations = st.one_of(
    st.none(),
    st.builds(Corrupted, texts, st.integers(1, 5)),
    st.builds(Attacked, texts, threats, options),
)
conditions = st.builds(Condition, texts, perturbations)
measurements = st.builds(Measurement, texts, floats, floats, floats, counts)
verdicts = st.builds(
    Verdict,
    texts,
    texts,
    st.sampled_from(get_args(Status)),
    texts,
    st.none() | measurements,
    st.sampled_from(["", "≥ 0.9"]),
    st.none() | floats,
)
bins = st.lists(st.builds(ReliabilityBin, st.floats(0, 1), st.floats(0, 1), counts), max_size=2).map(tuple)
calibrations = st.builds(Calibration, texts, texts, texts, metrics, counts, metrics, metrics, bins, bins, texts)
examples = st.builds(Example, texts, texts, texts, texts, texts, texts, st.floats(0, 1), st.booleans(), st.binary(max_size=20))
provenance = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
decisions = st.builds(Decision, st.sampled_from(["test-set", "population"]), st.floats(0, 0.5), st.sampled_from(["hold", "fail", "warn"]))


def several(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(strategy, max_size=2).map(tuple)


reports = st.builds(
    Report,
    suite=texts,
    title=texts,
    models=several(texts),
    verdicts=several(verdicts),
    results=several(st.builds(ConditionResult, texts, conditions, counts, metrics, texts)),
    calibrations=several(calibrations),
    examples=several(examples),
    provenance=st.dictionaries(texts, provenance, max_size=2),
    notes=several(texts),
    decision=decisions,
    description=texts,
)


def only(*verdicts: Verdict, inconclusive: str = "hold") -> Report:
    names = tuple(dict.fromkeys(verdict.model for verdict in verdicts))
    return Report("suite", "Title", names, verdicts, (), decision=Decision("population", 0.05, inconclusive))


def verdict(status: str = "passed", value: float = 0.97, threshold: float = 0.9, check: str = "clean", **changes: object) -> Verdict:
    return replace(
        Verdict(check, "m", status, "why", Measurement("accuracy", value, value, value, 100), f"≥ {threshold:g}", threshold), **changes
    )


def strict(text: str) -> object:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


# ------------------------------------------------------------------------------------------------------------- JSON


@given(reports)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_report_is_the_same_after_json(report: Report) -> None:
    assert from_json(to_json(report)) == report


def test_the_example_is_the_same_after_json() -> None:
    report = example_report()
    assert from_json(to_json(report)) == report
    assert to_json(from_json(to_json(report))) == to_json(report)


def test_options_keep_their_types_in_json() -> None:
    attacked = Attacked("a", ThreatModel("linf", Fraction(8, 255)), (("a", 1), ("b", 1.0), ("c", True), ("d", "1")))
    report = Report("s", "t", (), (), (ConditionResult("m", Condition("d", attacked), 1),))
    read = from_json(to_json(report)).results[0].condition.perturbation
    assert [type(value) for _, value in read.options] == [int, float, bool, str]


def test_conditions_are_objects_in_json() -> None:
    written = strict(to_json(example_report()))
    conditions = [result["condition"] for result in written["results"]]
    assert conditions[0] == {"dataset": "digits", "perturbation": None}
    assert conditions[1] == {"dataset": "digits", "perturbation": {"corruption": "gaussian_noise", "severity": 1, "as_published": False}}
    assert conditions[21]["perturbation"] == {"attack": "pgd", "norm": "linf", "epsilon": "2/255", "options": {"steps": 20}}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_never_holds_nan(value: float) -> None:
    odd = verdict(measurement=Measurement("accuracy", value, value, value, 1), threshold=value)
    report = replace(only(odd), results=(ConditionResult("m", Condition("d"), 1, {"accuracy": value}),), provenance={"speed": value})
    written = strict(to_json(report))
    assert written["results"][0]["metrics"] == {"accuracy": None}
    assert written["verdicts"][0]["measurement"]["value"] is None
    assert math.isnan(from_json(to_json(report)).results[0].metrics["accuracy"])


@pytest.mark.parametrize("text", ["", "{", "not json", '{"schema_version": NaN}', "[" * 100_000])
def test_text_that_is_not_json_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="got text that is not JSON"):
        from_json(text)


def test_a_newer_report_asks_for_an_upgrade() -> None:
    with pytest.raises(UsageError, match="schema_version at most 2, got 3; upgrade robustsuite"):
        from_json(to_json(replace(example_report(), schema_version=3)))


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"schema_version": "1"}', '{"schema_version": true}'])
def test_json_that_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a report with a schema_version"):
        from_json(text)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda report: report.pop("suite"), "expected 'suite' in report, got nothing"),
        (lambda report: report.update(colour=1), "in report, got 'colour'"),
        (lambda report: report["verdicts"][0].update(status="fine"), r"as report\.verdicts\[0\]\.status, got \"fine\""),
        (
            lambda report: report["verdicts"][0]["measurement"].update(value="high"),
            r"expected float as report\.verdicts\[0\]\.measurement\.value",
        ),
        (
            lambda report: report["results"][21]["condition"]["perturbation"].update(epsilon="8/0"),
            r"expected Fraction as .*epsilon, got \"8/0\"",
        ),
        (lambda report: report["results"][0].update(condition="digits/clean"), r"expected Condition as report\.results\[0\]\.condition"),
        (lambda report: report["examples"][0].update(picture="%%"), r"expected bytes as report\.examples\[0\]\.picture"),
        (lambda report: report["results"][0].update(images=True), r"expected int as report\.results\[0\]\.images, got true"),
    ],
)
def test_a_field_that_does_not_fit_is_named(spoil: Callable[[dict], object], sentence: str) -> None:
    written = json.loads(to_json(example_report()))
    spoil(written)
    with pytest.raises(UsageError, match=sentence):
        from_json(json.dumps(written))


def test_provenance_that_is_not_json_becomes_text() -> None:
    written = strict(to_json(replace(example_report(), provenance={"radius": Fraction(8, 255), "pair": (1, 2)})))
    assert written["provenance"] == {"radius": "8/255", "pair": [1, 2]}


# ---------------------------------------------------------------------------------------------------------- wording


def test_the_verdict_is_one_sentence() -> None:
    report = example_report()
    assert wording.sentence(report, "digits-robust") == "digits-robust passed 11 of 11 checks"
    assert wording.sentence(report, "digits-standard") == (
        "digits-standard FAILED 3 of 11 checks: contrast-worst, pgd-linf-8, pgd-l2-half; 1 ERROR: blur-worst; 1 INCONCLUSIVE: noise-mean"
    )


def test_many_failures_are_counted_not_listed() -> None:
    report = only(*(verdict("failed", check=f"c{number}") for number in range(9)))
    assert wording.sentence(report, "m") == "m FAILED 9 of 9 checks: c0, c1, c2 and 6 more"


def test_a_check_without_a_gate_has_not_passed() -> None:
    report = only(verdict(), replace(verdict(check="just looking"), gate="", threshold=None))
    assert wording.sentence(report, "m") == "m passed 1 of 1 check"
    assert wording.sentence(only(report.verdicts[1]), "m") == "m was measured; no check has a gate"


@pytest.mark.parametrize(("inconclusive", "standing"), [("hold", "inconclusive"), ("fail", "failed"), ("warn", "passed")])
def test_the_suite_decides_what_inconclusive_means(inconclusive: str, standing: str) -> None:
    assert wording.overall(only(verdict(), verdict("inconclusive", check="other"), inconclusive=inconclusive), "m") == standing


def test_an_error_outweighs_a_pass() -> None:
    assert wording.overall(only(verdict(), verdict("error", check="other", measurement=None)), "m") == "error"


@pytest.mark.parametrize(
    ("value", "apart_from", "text"),
    [
        (0.973, None, "97.3 %"),
        (0.89996, 0.9, "89.996 %"),
        (0.9, 0.9, "90.0 %"),
        (0.9999, None, "99.99 %"),
        (1.0, None, "100.0 %"),
        (1e-4, None, "0.01 %"),
    ],
)
def test_rounding_never_hides_the_decision(value: float, apart_from: float | None, text: str) -> None:
    assert wording.number("accuracy", value, apart_from) == text


@pytest.mark.parametrize(("share", "text"), [(0.5, "50.0 %"), (0.9994, "99.9 %"), (0.9999999, "> 99.9 %"), (1.0, "100.0 %")])
def test_confidence_is_short_and_never_falsely_complete(share: float, text: str) -> None:
    assert wording.confidence(share) == text


@pytest.mark.parametrize(
    ("epsilon", "text"), [("0", "0"), ("8/255", "8/255"), ("24/255", "24/255"), ("5/2", "2.5"), ("1/5", "0.2"), ("1/3", "1/3"), ("2", "2")]
)
def test_a_radius_is_written_as_its_field_writes_it(epsilon: str, text: str) -> None:
    assert wording.radius(Fraction(epsilon)) == text


def test_a_relative_gate_shows_what_it_came_to() -> None:
    relative = verdict(value=0.94, threshold=0.9233333, gate="≥ digits/clean -0.05")
    assert wording.gate(relative) == "≥ 92.3 % (digits/clean -0.05)"
    assert wording.gate(verdict()) == "≥ 90 %"


def test_a_mean_over_conditions_that_failed_is_not_shown() -> None:
    assert arrangement.mean([0.5, None]) is None
    assert arrangement.mean([0.5, 1.0]) == 0.75
    standard = arrangement.heatmaps(example_report())[1]
    assert standard.row_means[1] is None
    assert standard.mean is None


def test_a_curve_begins_with_the_clean_accuracy() -> None:
    for curve in arrangement.curves(example_report()):
        radius, cells = curve.rows[0]
        assert radius == 0
        assert [arrangement.accuracy(cell) for cell in cells] == [0.9633, 0.9733]


# ------------------------------------------------------------------------------------------------------------- HTML


class Tags(HTMLParser):
    """Every start tag with its attributes, and whether every element that must be closed was."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile_report() -> Report:
    example = replace(
        example_report().examples[0], label=HOSTILE, prediction=HOSTILE, model=HOSTILE, image=f'"><img src=x onerror=alert(1)>{HOSTILE}'
    )
    return Report(
        suite=HOSTILE,
        title=HOSTILE,
        models=(HOSTILE,),
        verdicts=(
            verdict("failed", check=HOSTILE, model=HOSTILE, reason=HOSTILE),
            verdict("error", check=f"{HOSTILE}-2", model=HOSTILE, reason=HOSTILE, measurement=None, gate=HOSTILE),
        ),
        results=tuple(
            ConditionResult(HOSTILE, condition, 1, {"accuracy": 0.5, HOSTILE: 1.0})
            for condition in (
                Condition(HOSTILE),
                Condition(HOSTILE, Corrupted(HOSTILE, 1)),
                Condition(HOSTILE, Attacked(HOSTILE, ThreatModel("l2", Fraction(1)), ((HOSTILE, HOSTILE),))),
            )
        ),
        calibrations=(
            replace(example_report().calibrations[0], model=HOSTILE, parameters={HOSTILE: 1.0}, before={HOSTILE: 1.0}, note=HOSTILE),
        ),
        examples=(example, replace(example, picture=b"<svg onload=alert(1)>", perturbation=HOSTILE)),
        provenance={HOSTILE: {HOSTILE: [HOSTILE]}},
        notes=(HOSTILE,),
        description=HOSTILE,
    )


def test_html_escapes_hostile_names() -> None:
    page = to_html(hostile_report())
    assert page.lower().count("<script") == 1  # its own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    tags = Tags(page).found
    assert not [attributes for _, attributes in tags for name in attributes if name.startswith("on")]
    assert all(attributes["src"].startswith("data:image/png;base64,") for tag, attributes in tags if tag == "img")


@pytest.mark.parametrize("report", [example_report(), many_conditions(), hostile_report()], ids=["example", "large", "hostile"])
def test_html_refers_to_nothing_outside_itself(report: Report) -> None:
    page = to_html(report)
    tags = Tags(page)
    assert tags.open == []
    addresses = [value for _, attributes in tags.found for name, value in attributes.items() if name in ("src", "href", "srcset", "action")]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "url(" not in page
    assert "@import" not in page
    assert not {"iframe", "object", "embed", "form", "base"} & {tag for tag, _ in tags.found}
    assert [attributes for tag, attributes in tags.found if tag == "script"] == [{}]


def test_html_forbids_everything_but_its_own_style_script_and_pictures() -> None:
    page = to_html(example_report())
    policies = [attributes["content"] for tag, attributes in Tags(page).found if tag == "meta" and "http-equiv" in attributes]
    texts = [re.search(f"<{tag}>(.*?)</{tag}>", page, flags=re.S) for tag in ("style", "script")]
    style, script = (base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode() for text in texts if text)
    allowed = f"img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'"
    assert policies == [f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"]
    assert " style=" not in page


def test_html_links_inside_the_page_lead_somewhere() -> None:
    tags = Tags(to_html(example_report())).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for tag, attributes in tags if tag == "a"} <= set(ids)
    named = [attributes["aria-labelledby"] for _, attributes in tags if "aria-labelledby" in attributes]
    assert set(named) <= set(ids)


def test_html_can_be_read_by_ear() -> None:
    page = to_html(example_report())
    tags = Tags(page).found
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    drawings = [attributes for tag, attributes in tags if tag == "svg"]
    assert all(attributes.get("role") == "img" or attributes.get("aria-hidden") == "true" for attributes in drawings)
    assert all(found.startswith("<title>") for found in re.findall(r'<svg[^>]*role="img"[^>]*>(.{7})', page))
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert dict(tags)["html"] == {"lang": "en"}


def test_html_tells_the_verdict_before_anything_else() -> None:
    page = to_html(example_report())
    body = page[page.index("<body>") :]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))
    assert text.index("digits-robust passed 11 of 11 checks") < 200
    assert "digits-standard FAILED 3 of 11 checks; 1 ERROR; 1 INCONCLUSIVE" in text
    headings = re.findall(r"<h2[^>]*>([^<]+)", body)
    assert headings[:5] == ["What did not pass", "What changed since the baseline", "All checks", "At a glance", "Under corruption"]
    assert headings[5:9] == ["Under attack", "Classes", "Calibration", "Examples"]
    assert headings[9:] == ["What was not measured", "All measurements", "Notes", "Provenance"]


def test_html_without_pictures_stays_under_a_megabyte() -> None:
    page = to_html(many_conditions(models=5, corruptions=19))
    assert len(page.encode()) < 1_000_000
    assert page.count('class="heat h') == 5 * 96


def test_html_of_a_report_without_anything_is_a_page() -> None:
    page = to_html(Report("suite", "", (), (), ()))
    assert "No model was judged." in page
    assert Tags(page).open == []


@given(reports)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_html_of_any_report_is_well_formed(report: Report) -> None:
    assert Tags(to_html(report)).open == []


def test_html_shows_no_number_for_nan() -> None:
    results = tuple(
        ConditionResult("m", Condition("d", perturbation), 1, {"accuracy": math.nan, "expected_calibration_error": math.nan})
        for perturbation in (None, Corrupted("fog", 1), Attacked("pgd", ThreatModel("l2", Fraction(1, 2))))
    )
    odd = verdict("failed", measurement=Measurement("accuracy", math.nan, math.nan, math.nan, 1))
    page = to_html(replace(only(odd), results=results))
    assert not re.search(r"\bnan\b", re.sub(r"<style>.*?</style>", "", page, flags=re.S), flags=re.I)


def test_models_that_saw_the_same_picture_share_it() -> None:
    strip = arrangement.strips(example_report())[0]
    assert [(view.perturbation, len(view.answers)) for view in strip.views] == [
        ("clean", 2),
        ("gaussian_noise-3", 2),
        ("contrast-4", 2),
        ("pgd linf 8/255 steps=20", 1),
        ("pgd linf 8/255 steps=20", 1),
    ]


# --------------------------------------------------------------------------------------------------------- Markdown


def test_markdown_stays_under_60_kb_with_2000_checks() -> None:
    report = only(
        *(verdict("failed" if number % 2 else "passed", check=f"check {number} ≥ ü", reason="because " * 40) for number in range(2000))
    )
    text = to_markdown(replace(report, notes=("ü" * 1000,) * 200))
    assert 40_000 < len(text.encode()) < 60_000
    left_out = re.search(r"(\d+) more of 2000 rows do not fit here", text)
    assert left_out
    assert int(left_out[1]) + len(re.findall(r"^\| [✗✓]", text, flags=re.M)) == 2000
    assert "✓ passed" not in text


def test_markdown_stays_under_60_kb_with_2000_models_and_endless_names() -> None:
    report = only(*(verdict("failed", check="x" * 5000, model=f"{number}" + "ü" * 5000) for number in range(2000)))
    text = to_markdown(replace(report, title="t" * 100_000, notes=("n" * 100_000,)))
    assert len(text.encode()) < 60_000
    assert "lines above the table do not fit here" in text


def test_markdown_begins_with_the_verdict_and_lists_failures_first() -> None:
    text = to_markdown(example_report())
    assert text.startswith("**✓ digits-robust passed 11 of 11 checks**\n")
    marks = re.findall(r"^\| ([✗!?✓·])", text, flags=re.M)
    assert "".join(marks) == "✗✗✗!?" + "✓" * 17 + "··"


def test_markdown_acts_on_no_name() -> None:
    text = to_markdown(hostile_report())
    assert "<" not in text
    row = to_markdown(only(verdict("failed", check="a|b\n# *c* _d_ e_f `g` [h](i)", reason="x\n\n| y |")))
    assert r"a\|b \# \*c\* \_d\_ e_f \`g\` \[h\](i)" in row
    assert r"x \| y \|" in row


# --------------------------------------------------------------------------------------------------------- terminal


def test_terminal_lines_are_at_most_80_columns_wide() -> None:
    wide = only(*(verdict(status, check="長い名前" * 20, model="模型" * 30, reason="理由" * 90) for status in get_args(Status)))
    for report in (example_report(), many_conditions(), hostile_report(), wide):
        assert max(columns(line) for line in lines(report)) <= 80


@given(reports)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_terminal_lines_of_any_report_are_plain(report: Report) -> None:
    for line in lines(report):
        assert columns(line) <= 80
        assert line.isprintable()


def columns(line: str) -> int:
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


def test_terminal_says_what_is_wrong_first_and_in_three_lines() -> None:
    said = lines(example_report())
    start = said.index("✗ FAILED  contrast-worst · digits-standard")
    assert said[:start][0] == "✓ digits-robust passed 11 of 11 checks"
    assert said[start + 1].split("   ") == ["", " accuracy 28.4 %", "interval 27.3 to 29.5 %", "gate ≥ 70 %"]
    assert said[start + 2].strip().startswith("accuracy 0.2845 is below")
    marks = "".join(line[0] for line in said if line[:1] in tuple("✗!?✓·"))
    assert marks == "✓✗" + "✗✗✗!?" + "✓" * 17 + "··"


def test_terminal_shows_twenty_passed_checks_and_counts_the_rest() -> None:
    said = lines(only(*(verdict(check=f"check-{number}") for number in range(50))))
    assert sum(line.startswith("✓ check-") for line in said) == 20
    assert said[-1] == "  ... and 30 more passed"


def test_terminal_cannot_be_steered_by_a_name() -> None:
    said = lines(only(verdict("failed", check="\x1b[31mred\nnext", reason="\x1b]0;title\x07")))
    assert all(line.isprintable() for line in said)


# ------------------------------------------------------------------------------------------------------------ layer


def test_reporting_needs_no_torch() -> None:
    code = (
        "import sys; import robustsuite.reporting.html, robustsuite.reporting.json, robustsuite.reporting.markdown, "
        "robustsuite.reporting.terminal; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
