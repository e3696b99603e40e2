"""A plot as SVG: panels side by side, each with lines over a common axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from msgspec import Struct

WIDTH: Final = 380  # of a panel, in px, with its axis and labels
HEIGHT: Final = 270
LEFT: Final = 56
RIGHT: Final = 14
TOP: Final = 40
BOTTOM: Final = 46
INK: Final = "#24292f"
GRID: Final = "#d8dee4"
COLOURS: Final = ("#0b6bcb", "#c2410c")  # told apart by all who see colours differently


class Point(Struct, frozen=True):
    """One measured value, and the least and greatest of its rounds."""

    x: float
    y: float
    low: float
    high: float


class Line(Struct, frozen=True):
    """Values that belong together; the name is empty where there is but one line."""

    name: str
    points: Sequence[Point]


class Panel(Struct, frozen=True):
    """One pair of axes; `logarithmic` is the x axis."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    logarithmic: bool = False


def draw(panels: Sequence[Panel], columns: int) -> str:
    """Return an SVG document of all panels, row by row."""
    rows = math.ceil(len(panels) / columns)
    width, height = columns * WIDTH, rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % columns * WIDTH, number // columns * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">')
        parts += _Axes(panel).parts()
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def nice_ticks(greatest: float) -> list[float]:
    """Return round numbers from 0 to at least *greatest*, four to seven of them."""
    raw = max(greatest, 1e-9) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
    return [step * number for number in range(math.ceil(greatest / step - 1e-9) + 1)]


class _Axes:
    """One panel's places on the page."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        points = [point for line in panel.lines for point in line.points]
        self._xs = sorted({point.x for point in points})
        self._y_ticks = nice_ticks(max(point.high for point in points))
        self._low, self._high = self._scale(self._xs[0]), self._scale(self._xs[-1])

    def _scale(self, x: float) -> float:
        return math.log(x) if self._panel.logarithmic else x

    def _x(self, x: float) -> float:
        span = self._high - self._low
        part = (self._scale(x) - self._low) / span if span else 0.5
        inner = WIDTH - LEFT - RIGHT - 24  # no point on the axis itself
        return LEFT + 12 + part * inner

    def _y(self, y: float) -> float:
        return HEIGHT - BOTTOM - y / self._y_ticks[-1] * (HEIGHT - TOP - BOTTOM)

    def parts(self) -> list[str]:
        """Return all elements."""
        panel, middle = self._panel, (LEFT + WIDTH - RIGHT) / 2
        upright = (TOP + HEIGHT - BOTTOM) / 2
        parts = [
            _text(LEFT, 18, panel.title, "start", ' font-size="13" font-weight="bold"'),
            _text(middle, HEIGHT - 10, panel.x_label),
            _text(14, upright, panel.y_label, turned=True),
        ]
        for tick in self._y_ticks:
            y = self._y(tick)
            parts.append(_line(LEFT, y, WIDTH - RIGHT, y, INK if tick == 0 else GRID))
            parts.append(_text(LEFT - 6, y + 4, f"{tick:g}", "end"))
        last = -math.inf
        for tick in self._xs:
            x = self._x(tick)
            parts.append(_line(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 4, INK))
            if x - last > 34:  # px that a number of five digits takes
                parts.append(_text(x, HEIGHT - BOTTOM + 16, f"{tick:,.0f}"))
                last = x
        for number, line in enumerate(panel.lines):
            parts += self._drawn(line, COLOURS[number % len(COLOURS)], number)
        return parts

    def _drawn(self, line: Line, colour: str, number: int) -> list[str]:
        places = " ".join(f"{self._x(p.x):.1f},{self._y(p.y):.1f}" for p in line.points)
        parts = [f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>']
        for p in line.points:
            x = self._x(p.x)
            parts.append(_line(x, self._y(p.low), x, self._y(p.high), colour))
            parts.append(f'<circle cx="{x:.1f}" cy="{self._y(p.y):.1f}" r="3" fill="{colour}"/>')
        if line.name:
            x = LEFT + 70 * number
            parts.append(_line(x, 30, x + 16, 30, colour, 2))
            parts.append(_text(x + 21, 34, line.name, "start"))
        return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(
    x: float, y: float, text: str, anchor: str = "middle", more: str = "", *, turned: bool = False
) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{turn}{more}>{escape(text)}</text>"
