"""Plots as inline SVG: lines over months, bars, stacked columns.

Colours are CSS classes of the page, so that a plot follows its light and dark mode; texts are real texts. A plot has a
title for screen readers, and stands beside a table of the same numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 150, 14, 34
_LABEL_GAP = 14  # between two labels at the ends of lines
_BAR, _BAR_GAP, _BAR_LEFT = 20, 8, 220
COLOURS = 7  # of the page's variables --c0 … --c6

_ZEROS = re.compile(r"\.0+(?!\d)")

Value = Decimal | None
Shown = Callable[[Decimal], str]
X = Callable[[int], float]
Y = Callable[[Decimal], float]


@dataclass(frozen=True)
class Line:
    """A line of a plot: a value for each label of the axis, None for a gap."""

    name: str
    values: Sequence[Value]
    is_main: bool = False  # drawn thick, above the others


@dataclass(frozen=True)
class Part:
    """One of the parts that columns are stacked of."""

    name: str
    values: Sequence[int]
    colour: str = "f0"  # a class of the page's styles


def line_chart(title: str, labels: Sequence[str], lines: Sequence[Line], shown: Shown) -> str:
    """Lines over a common axis, each with its name at its last point.

    Args:
        title: read aloud in place of the plot.
        labels: of the axis, one per value.
        lines: at most `COLOURS`.
        shown: a value as text, for the axis and the points' tooltips.
    """
    known = [value for line in lines for value in line.values if value is not None]
    if not known or not labels:
        return _nothing(title)
    ticks = _ticks(max(known))
    x, y = _x_scale(len(labels)), _y_scale(ticks[-1])
    parts = [_grid(ticks, y, shown), _x_axis(labels, x)]
    ends: list[tuple[float, int, str]] = []
    for number, line in sorted(enumerate(lines), key=lambda item: item[1].is_main):
        parts.append(_line(line, number, x, y, labels, shown))
        last = next((value for value in reversed(line.values) if value is not None), None)
        if last is not None:
            ends.append((y(last), number, line.name))
    parts += [
        f'<text class="t{number}" x="{WIDTH - _RIGHT + 10}" y="{place + 4:.1f}">{escape(name)}</text>'
        for place, number, name in _apart(ends)
    ]
    return _svg(title, HEIGHT, parts)


def bar_chart(title: str, bars: Sequence[tuple[str, Value]], shown: Shown) -> str:
    """Horizontal bars, a row each; a row without a value has a dash."""
    known = [value for _, value in bars if value is not None]
    if not known:
        return _nothing(title)
    most = max(*known, Decimal(0)) or Decimal(1)
    room = WIDTH - _BAR_LEFT - 70
    parts = []
    for number, (name, value) in enumerate(bars):
        top = number * (_BAR + _BAR_GAP) + 4
        middle = top + _BAR / 2 + 4
        width = 0.0 if value is None else max(0.0, float(value / most) * room)
        text = "–" if value is None else shown(value)
        parts += [
            f'<text class="axis" x="{_BAR_LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(_short(name))}</text>',
            f'<rect class="f0" x="{_BAR_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"></rect>',
            f'<text class="value" x="{_BAR_LEFT + width + 6:.1f}" y="{middle:.1f}">{escape(text)}</text>',
        ]
    return _svg(title, len(bars) * (_BAR + _BAR_GAP) + 8, parts)


def stacked_columns(title: str, labels: Sequence[str], stack: Sequence[Part]) -> str:
    """Columns of counts, each a stack of parts, with a legend."""
    totals = [sum(part.values[place] for part in stack) for place in range(len(labels))]
    if not labels or max(totals) == 0:
        return _nothing(title)
    ticks = _ticks(Decimal(max(totals)))
    y, step = _y_scale(ticks[-1]), (WIDTH - _LEFT - _RIGHT) / len(labels)
    width, floor_ = min(46.0, step * 0.7), y(Decimal(0))
    parts = [_grid(ticks, y, lambda value: f"{value:,.0f}")]
    for place, label in enumerate(labels):
        left, below = _LEFT + step * place + (step - width) / 2, 0
        for part in stack:
            count = part.values[place]
            if count:
                top, bottom = y(Decimal(below + count)), y(Decimal(below))
                parts.append(
                    f'<rect class="{part.colour}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}"'
                    f' height="{bottom - top:.1f}"><title>{escape(f"{label}, {part.name}: {count:,}")}</title></rect>'
                )
            below += count
        if place % max(1, len(labels) // 9) == 0:
            parts.append(_axis_text(left + width / 2, floor_ + 18, label))
    for number, part in enumerate(reversed(stack)):
        top = _TOP + 10 + number * 20
        parts.append(
            f'<rect class="{part.colour}" x="{WIDTH - _RIGHT + 10}" y="{top - 10}" width="12" height="12"></rect>'
        )
        parts.append(f'<text class="axis" x="{WIDTH - _RIGHT + 28}" y="{top}">{escape(part.name)}</text>')
    return _svg(title, HEIGHT, parts)


def _svg(title: str, height: float, parts: Iterable[str]) -> str:
    body = "".join(parts)
    return f'<svg role="img" viewBox="0 0 {WIDTH} {height:.0f}" aria-label="{escape(title)}">{body}</svg>'


def _nothing(title: str) -> str:
    text = f'<text class="axis" x="{WIDTH / 2}" y="30" text-anchor="middle">nothing to show yet</text>'
    return _svg(f"{title}: nothing to show yet", 50, [text])


def _x_scale(count: int) -> X:
    room = WIDTH - _LEFT - _RIGHT
    return lambda place: _LEFT + (room * place / (count - 1) if count > 1 else room / 2)


def _y_scale(most: Decimal) -> Y:
    room = HEIGHT - _TOP - _BOTTOM
    return lambda value: HEIGHT - _BOTTOM - float(value / most) * room


def _ticks(most: Decimal) -> list[Decimal]:
    """From 0 to the first round number at or above `most`, in 3 to 6 steps of 1, 2, 2.5 or 5 times a power of ten."""
    if most <= 0:
        return [Decimal(0), Decimal(1)]
    size = Decimal(10) ** (floor(log10(most)) - 1)
    steps = (size * factor for factor in map(Decimal, ("1", "2", "2.5", "5", "10", "20", "25")))
    step = next(step for step in steps if most <= step * 5)
    ticks = [Decimal(0)]
    while ticks[-1] < most:
        ticks.append(ticks[-1] + step)
    return ticks


def _grid(ticks: Sequence[Decimal], y: Y, shown: Shown) -> str:
    texts = _as_whole_numbers([shown(tick) for tick in ticks])
    lines = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"></line>'
        f'<text class="axis" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        for tick, text in zip(ticks, texts, strict=True)
    ]
    return "".join(lines)


def _as_whole_numbers(texts: Sequence[str]) -> Sequence[str]:
    """Texts without decimals, if none of them has any but zeros: `20.0 %` becomes `20 %`."""
    return [_ZEROS.sub("", text) for text in texts] if all(map(_ZEROS.search, texts)) else texts


def _x_axis(labels: Sequence[str], x: X) -> str:
    """Every label that there is room for, counted from the last one."""
    every = -(-len(labels) // 8)
    places = range(len(labels) - 1, -1, -every)
    return "".join(_axis_text(x(place), HEIGHT - _BOTTOM + 18, labels[place]) for place in places)


def _axis_text(x: float, y: float, text: str) -> str:
    return f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'


def _line(
    line: Line,
    number: int,
    x: X,
    y: Y,
    labels: Sequence[str],
    shown: Shown,
) -> str:
    path, is_down = [], False
    dots = []
    for place, value in enumerate(line.values):
        if value is None:
            is_down = False
            continue
        path.append(f"{'L' if is_down else 'M'}{x(place):.1f},{y(value):.1f}")
        is_down = True
        tip = escape(f"{line.name}, {labels[place]}: {shown(value)}")
        dots.append(
            f'<circle class="f{number}" cx="{x(place):.1f}" cy="{y(value):.1f}" r="2.5"><title>{tip}</title></circle>'
        )
    main = " main" if line.is_main else ""
    return f'<path class="s{number}{main}" d="{"".join(path)}"></path>{"".join(dots)}'


def _apart(ends: Sequence[tuple[float, int, str]]) -> list[tuple[float, int, str]]:
    """Labels at the ends of lines, moved so that none covers another, within the plot."""
    placed: list[tuple[float, int, str]] = []
    for place, number, name in sorted(ends):
        lowest = placed[-1][0] + _LABEL_GAP if placed else float(_TOP)
        placed.append((max(place, lowest), number, _short(name, 20)))
    over = placed[-1][0] - (HEIGHT - _BOTTOM) if placed else 0
    for at in range(len(placed) - 1, -1, -1):
        if over <= 0:
            break
        room = HEIGHT - _BOTTOM - (len(placed) - 1 - at) * _LABEL_GAP
        placed[at] = (min(placed[at][0], room), *placed[at][1:])
    return placed


def _short(text: str, length: int = 32) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
