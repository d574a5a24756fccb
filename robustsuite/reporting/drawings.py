"""Pictures as inline SVG, drawn from numbers alone, whose colours come from the page's style sheet, by class; and one from two pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import isfinite

import numpy as np
from markupsafe import Markup
from PIL import Image

from robustsuite.records import ReliabilityBin

SERIES = 6
"""How many series the style sheet has a colour for; further ones repeat the colours."""

DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "1 2")


FEW = 10
"""A bin of fewer images is drawn hollow: its accuracy is mostly chance."""

BAR = 9.0  # SVG units


@dataclass(frozen=True)
class Point:
    """A place in data coordinates, with the words that a reader gets on pointing at it, and the limits on y where there are some."""

    x: float
    y: float
    words: str
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Frame:
    """A plot area in SVG units, and the data range that it shows; y grows upwards in data, downwards in SVG."""

    left: float
    top: float
    width: float
    height: float
    x_most: float = 1.0
    y_most: float = 1.0

    def x(self, value: float) -> float:
        return self.left + self.width * value / self.x_most

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.y_most)

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def right(self) -> float:
        return self.left + self.width


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _svg(title: str, width: float, height: float, body: Markup, kind: str) -> Markup:
    return Markup('<svg class="{}" role="img" viewBox="0 0 {:g} {:g}"><title>{}</title>{}</svg>').format(kind, width, height, title, body)


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "tick", turn: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(kind, x, y, anchor, Markup(turn), words)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<path class="{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(kind, x1, y1, x2, y2)


def _percent_axis(frame: _Frame, step: int) -> Markup:
    """Horizontal grid lines with their percentages."""
    levels = [percent / 100 for percent in range(0, 101, step) if percent / 100 <= frame.y_most + 1e-9]
    return _joined(
        _line("axis" if level == 0 else "grid", frame.left, frame.y(level), frame.right, frame.y(level))
        + _text(frame.left - 6, frame.y(level) + 4, f"{100 * level:.0f}", "end")
        for level in levels
    )


# ---------------------------------------------------------------------------------------------------------- curves


def _mark(series: int, x: float, y: float, words: str = "", hollow: bool = False) -> Markup:
    """A point whose shape, not only its colour, tells the series."""
    shapes = (
        'M{x} {y}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z',
        'M{x} {y}m-3.6 -3.6h7.2v7.2h-7.2z',
        'M{x} {y}m0 -5l4.7 8.2h-9.4z',
        'M{x} {y}m0 -5l5 5l-5 5l-5 -5z',
        'M{x} {y}m0 5l4.7 -8.2h-9.4z',
        'M{x} {y}m-4.6 -1.5h3.1v-3.1h3v3.1h3.1v3h-3.1v3.1h-3v-3.1h-3.1z',
    )  # fmt: skip
    path = shapes[series % len(shapes)].format(x=f"{x:.1f}", y=f"{y:.1f}")
    title = Markup("<title>{}</title>").format(words) if words else ""
    return Markup('<path class="mark{} series-{}" d="{}">{}</path>').format(" hollow" if hollow else "", series % SERIES, path, title)


def _stroke(series: int, path: str) -> Markup:
    return Markup('<path class="curve series-{}" stroke-dasharray="{}" d="{}"/>').format(
        series % SERIES, DASHES[series % len(DASHES)], path
    )


def _whisker(series: int, x: float, low: float, high: float) -> Markup:
    """An upright from the lower limit to the upper, with a bar at each end; in SVG units."""
    return Markup('<path class="whisker series-{}" d="M{:.1f} {:.1f}h6m-3 0V{:.1f}m-3 0h6"/>').format(series % SERIES, x - 3, low, high)


def legend_mark(series: int) -> Markup:
    """The line and point of a series, to stand before its name."""
    return Markup('<svg class="legend" aria-hidden="true" viewBox="0 0 34 14">{}{}</svg>').format(
        _stroke(series, "M1 7H33"), _mark(series, 17.0, 7.0)
    )


def curves(
    title: str,
    series: Sequence[Sequence[Point]],
    ticks: Sequence[tuple[float, str]],
    x_label: str,
    y_label: str = "accuracy, %",
    y_most: float = 1.0,
) -> Markup:
    """Lines of a share (y, 0 to `y_most`) by something that starts at 0 (x); `ticks` are the places on the x axis that have a name."""
    most = max((x for x, _ in ticks), default=0.0) or 1.0
    frame = _Frame(left=44.0, top=12.0, width=360.0, height=216.0, x_most=most, y_most=y_most)
    parts = [
        _percent_axis(frame, 25 if y_most > 0.5 else 10 if y_most > 0.2 else 5),
        _text(14.0, frame.top + frame.height / 2, y_label, kind="label", turn=' transform="rotate(-90 14 120)"'),
    ]
    # The last tick is kept and the others give way from the right, so that names never overlap.
    free = float("inf")
    for x, name in sorted(ticks, reverse=True):
        parts.append(_line("axis", frame.x(x), frame.bottom, frame.x(x), frame.bottom + 4))
        half = 3.6 * len(name) + 3
        if frame.x(x) + half <= free:
            parts.append(_text(frame.x(x), frame.bottom + 18, name))
            free = frame.x(x) - half
    parts.append(_text(frame.left + frame.width / 2, frame.bottom + 38, x_label, kind="label"))
    for place, points in enumerate(series):
        if points:
            parts.append(_stroke(place, "M" + "L".join(f"{frame.x(point.x):.1f} {frame.y(point.y):.1f}" for point in points)))
    for place, points in enumerate(series):
        parts += [
            _whisker(place, frame.x(point.x), *(frame.y(limit) for limit in point.limits)) for point in points if point.limits is not None
        ]
    for place, points in enumerate(series):
        parts += [_mark(place, frame.x(point.x), frame.y(point.y), point.words) for point in points]
    return _svg(title, 424.0, 272.0, _joined(parts), "curves")


# ------------------------------------------------------------------------------------------------------ reliability


def reliability_diagram(title: str, bins: Sequence[ReliabilityBin]) -> Markup:
    """Accuracy by confidence, with the number of images of each bin beneath.

    A point on the diagonal is a bin whose images are as often right as the model says; the stem is the gap. Points and bars
    stand at the mean confidence of their bin; empty bins are left out, and those of few images are hollow and not connected.
    Behind them lies the consistency band: within it a gap may be chance.
    """
    frame = _Frame(left=44.0, top=10.0, width=236.0, height=236.0)
    bars = _Frame(
        left=44.0, top=frame.bottom + 28, width=236.0, height=44.0, y_most=float(max([one.images for one in bins], default=0) or 1)
    )
    filled = [one for one in bins if one.images and isfinite(one.confidence) and isfinite(one.accuracy)]
    solid = [one for one in filled if one.images >= FEW]
    parts = [_percent_axis(frame, 25), _line("diagonal", frame.x(0.0), frame.y(0.0), frame.x(1.0), frame.y(1.0))]
    for one in filled:
        kind = "gap" if one.images >= FEW else "gap few"
        parts.append(_line(kind, frame.x(one.confidence), frame.y(one.confidence), frame.x(one.confidence), frame.y(one.accuracy)))
    if len(filled) > 1:
        upper = [f"{frame.x(one.confidence):.1f} {frame.y(one.high):.1f}" for one in filled]
        lower = [f"{frame.x(one.confidence):.1f} {frame.y(one.low):.1f}" for one in reversed(filled)]
        parts.insert(0, Markup('<path class="band" d="M{}z"/>').format("L".join([*upper, *lower])))
    if solid:
        parts.append(_stroke(0, "M" + "L".join(f"{frame.x(one.confidence):.1f} {frame.y(one.accuracy):.1f}" for one in solid)))
    for one in filled:
        images = f"{one.images:,} image{'' if one.images == 1 else 's'}"
        band = f"a calibrated model's would lie between {100 * one.low:.1f} and {100 * one.high:.1f} %"
        words = f"confidence {100 * one.confidence:.1f} %, accuracy {100 * one.accuracy:.1f} %, {images}; {band}"
        parts.append(_mark(0, frame.x(one.confidence), frame.y(one.accuracy), words, hollow=one.images < FEW))
        # At least a hair's breadth: one image among thousands is still an image.
        height = max(bars.height * one.images / bars.y_most, 0.8)
        left = min(max(bars.x(one.confidence) - BAR / 2, bars.left), bars.right - BAR)
        parts.append(
            Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:g}" height="{:.1f}"><title>{}</title></rect>').format(
                left, bars.bottom - height, BAR, height, images
            )
        )
    parts += [
        _line("axis", bars.left, bars.bottom, bars.right, bars.bottom),
        _text(bars.left - 6, bars.top + 8, f"{max([one.images for one in bins], default=0):,}", "end"),
        _text(bars.left - 6, bars.bottom, "0", "end"),
        *(_text(bars.x(level), bars.bottom + 16, f"{100 * level:.0f}") for level in (0.0, 0.25, 0.5, 0.75, 1.0)),
        _text(bars.left + bars.width / 2, bars.bottom + 34, "confidence, %", kind="label"),
        _text(12.0, frame.top + frame.height / 2, "accuracy, %", kind="label", turn=' transform="rotate(-90 12 128)"'),
        _text(bars.left, bars.top - 6, "images", "start", kind="label"),
    ]
    return _svg(title, 292.0, 358.0, _joined(parts), "reliability")


def small_reliability(title: str, before: Sequence[ReliabilityBin], after: Sequence[ReliabilityBin]) -> Markup:
    """Two lines of accuracy by confidence, before and after, and the diagonal; for a table of many. Bins of few images are left out."""
    frame = _Frame(left=1.0, top=1.0, width=62.0, height=62.0)
    parts = [
        Markup('<rect class="axis" fill="none" x="1" y="1" width="62" height="62"/>'),
        _line("diagonal", frame.x(0.0), frame.y(0.0), frame.x(1.0), frame.y(1.0)),
    ]
    for number, bins in enumerate((before, after)):
        solid = [one for one in bins if one.images >= FEW and isfinite(one.confidence) and isfinite(one.accuracy)]
        if len(solid) == 1:
            parts.append(_mark(number, frame.x(solid[0].confidence), frame.y(solid[0].accuracy), ""))
        elif solid:
            places = (f"{frame.x(one.confidence):.1f} {frame.y(one.accuracy):.1f}" for one in solid)
            parts.append(_stroke(number, "M" + "L".join(places)))
    return _svg(title, 64.0, 64.0, _joined(parts), "small")


# ------------------------------------------------------------------------------------------------------------ gates


def gate_strip(title: str, low: float, value: float, high: float, threshold: float, at_least: bool) -> Markup:
    """A value with its interval on a line, the gate as an upright, and the allowed side of it shaded."""
    ends = [low, value, high, threshold]
    span = (max(ends) - min(ends)) or 1.0
    first, scale = min(ends) - 0.18 * span, 300 / (1.36 * span)
    x_low, x_value, x_high, x_gate = (scale * (end - first) for end in ends)
    allowed = (x_gate, 300 - x_gate) if at_least else (0, x_gate)
    parts = [
        Markup('<rect class="allowed" x="{:.1f}" y="5" width="{:.1f}" height="14"/>').format(*allowed),
        _line("grid", 0.0, 12.0, 300.0, 12.0),
        _line("interval", x_low, 12.0, x_high, 12.0),
        _line("upright", x_gate, 1.0, x_gate, 23.0),
        Markup('<circle class="value" cx="{:.1f}" cy="12" r="4.5"/>').format(x_value),
    ]
    return _svg(title, 300.0, 24.0, _joined(parts), "strip")


# ------------------------------------------------------------------------------------------------------ differences

SHADES = 16
"""Grey levels of a difference: enough to see where it lies, and few enough that noise does not fill the page."""


def amplified_difference(clean: bytes, perturbed: bytes) -> tuple[bytes, int]:
    """Where two pictures differ, as a grey PNG: the largest difference of a pixel's channels, times a power of two, which is returned too.

    The factor is the largest one under which 99 of 100 pixels are not cut off, 64 at most. Nothing (`b""`, 0) where one of them is no
    picture, the sizes are not the same, or the pictures are.
    """
    try:
        one, other = (np.asarray(Image.open(BytesIO(picture)).convert("RGB"), dtype=np.int16) for picture in (clean, perturbed))
    except (OSError, ValueError, Image.DecompressionBombError):
        return b"", 0
    if one.shape != other.shape or (one == other).all():
        return b"", 0
    size = np.abs(one - other).max(axis=2)
    most = max(float(np.quantile(size, 0.99)), 1.0)
    times = max(factor for factor in (1, 2, 4, 8, 16, 32, 64) if factor == 1 or factor * most <= 255)
    image = Image.fromarray((np.clip(size * times, 0, 255) * (SHADES - 1) // 255).astype(np.uint8))
    image.putpalette([shade * 255 // (SHADES - 1) for shade in range(SHADES) for _ in "RGB"])
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue(), times
