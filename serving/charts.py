"""Charts as SVG, drawn here and readable without colour: every bar carries its figure, and a table stands beside it.

Functions take what is shown and return markup; colours come from the style sheet by class. Lengths are in the units of
the view box, whose width is WIDTH.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 500
_LABEL = 204
_FIGURE = 96
_LONGEST_LABEL = 29
_ROW = 28
_BAR = 14
_HEAD = 22


@dataclass(frozen=True, slots=True)
class Span:
    """A row of a turnaround chart: middle and ninth tenth of what it took, against the target, all in one unit."""

    label: str
    middle: float
    high: float
    target: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart; ``parts`` are stacked, ``figure`` is written behind them."""

    label: str
    parts: tuple[float, ...]
    figure: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a calibration chart: what was said, what came, and the interval of the latter; all from 0 to 1."""

    said: float
    came: float
    low: float
    high: float


def bars(name: str, description: str, rows: Sequence[Bar], parts: Sequence[str] = ()) -> Markup:
    """Horizontal bars, stacked where rows have several parts, which ``parts`` then names in the legend."""
    top = _HEAD if parts else 4
    longest = max((sum(row.parts) for row in rows), default=0) or 1
    room = WIDTH - _LABEL - _FIGURE
    drawn = [_legend(parts)] if parts else []
    for number, row in enumerate(rows):
        y = top + number * _ROW
        drawn.append(_text(_LABEL - 8, y + 18, _fitted(row.label), "chart-label", "end"))
        x = float(_LABEL)
        for part, value in enumerate(row.parts):
            width = value / longest * room
            if width > 0:
                drawn.append(_rect(x, y + 7, max(width, 1.5), _BAR, f"chart-part-{part}"))
            x += width
        drawn.append(_text(x + 6, y + 18, row.figure, "chart-figure"))
    drawn.append(_line(_LABEL, top, _LABEL, top + len(rows) * _ROW, "chart-axis"))
    return _svg(name, description, top + len(rows) * _ROW + 4, drawn)


def spans(name: str, description: str, rows: Sequence[Span], unit: str) -> Markup:
    """One row each: a bar to the ninth tenth, a mark at the middle, a line at the target."""
    longest = max((max(row.high, row.target) for row in rows), default=0) or 1
    room = WIDTH - _LABEL - _FIGURE
    drawn = [_span_legend()]
    for number, row in enumerate(rows):
        y = _HEAD + number * _ROW
        middle, high, target = (_LABEL + value / longest * room for value in (row.middle, row.high, row.target))
        late = "chart-late" if row.high > row.target else "chart-part-0"
        drawn += [
            _text(_LABEL - 8, y + 18, _fitted(row.label), "chart-label", "end"),
            _rect(_LABEL, y + 7, max(high - _LABEL, 1.5), _BAR, late),
            _line(middle, y + 5, middle, y + 7 + _BAR + 2, "chart-middle"),
            _line(target, y + 2, target, y + 7 + _BAR + 5, "chart-target"),
            _text(max(high, target) + 6, y + 18, f"{row.high:.0f} of {row.target:.0f} {unit}", "chart-figure"),
        ]
    bottom = _HEAD + len(rows) * _ROW
    drawn.append(_line(_LABEL, _HEAD, _LABEL, bottom, "chart-axis"))
    return _svg(name, description, bottom + 4, drawn)


def calibration(name: str, description: str, points: Sequence[Point]) -> Markup:
    """What came of cases over what the score said of them, with the line on which both are equal."""
    left, top, side = 48.0, 10.0, 240.0

    def x(value: float) -> float:
        return left + value * (WIDTH - left - 20)

    def y(value: float) -> float:
        return top + (1 - value) * side

    drawn = [_line(x(0), y(0), x(1), y(1), "chart-equal")]
    for step in range(0, 11, 2):
        share = step / 10
        drawn += [
            _line(x(0), y(share), x(1), y(share), "chart-grid"),
            _text(x(0) - 6, y(share) + 4, f"{share:.0%}", "chart-label", "end"),
            _text(x(share), y(0) + 18, f"{share:.1f}", "chart-label", "middle"),
        ]
    for point in points:
        drawn += [
            _line(x(point.said), y(point.low), x(point.said), y(point.high), "chart-interval"),
            Markup('<circle class="chart-point" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x(point.said), y(point.came)),
        ]
    drawn.append(_text(x(0.5), y(0) + 38, "mean score", "chart-label", "middle"))
    return _svg(name, description, int(top + side + 46), drawn)


def _span_legend() -> Markup:
    return Markup("").join(
        [
            _rect(_LABEL, 5, 12, 10, "chart-part-0"),
            _text(_LABEL + 17, 14, "90 % within", "chart-label"),
            _line(_LABEL + 98, 3, _LABEL + 98, 17, "chart-middle"),
            _text(_LABEL + 104, 14, "median", "chart-label"),
            _line(_LABEL + 164, 3, _LABEL + 164, 17, "chart-target"),
            _text(_LABEL + 170, 14, "target", "chart-label"),
        ]
    )


def _legend(parts: Sequence[str]) -> Markup:
    drawn = []
    x = float(_LABEL)
    for number, name in enumerate(parts):
        drawn += [_rect(x, 5, 12, 10, f"chart-part-{number}"), _text(x + 17, 14, name, "chart-label")]
        x += 34 + 7 * len(name)
    return Markup("").join(drawn)


def _fitted(label: str) -> str:
    """A label as long as there is room; the table has it in full."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _svg(name: str, description: str, height: int, drawn: Sequence[Markup]) -> Markup:
    # The title also is the name: not every reader of screens takes an SVG's title for it.
    return Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}">{}{}{}</svg>').format(
        name,
        WIDTH,
        height,
        Markup("<title>{}</title>").format(name),
        Markup("<desc>{}</desc>").format(description),
        Markup("").join(drawn),
    )


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, words)
