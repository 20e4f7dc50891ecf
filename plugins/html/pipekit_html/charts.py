"""Curves as SVG: points, ticks and labels, by numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipekit.pages import Chart

_WIDTH, _HEIGHT = 900, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 6, 10, 24
_MOST_POINTS = 600  # of a curve, which is wider than a screen shows
_MOST_CURVES = 6


class Drawing(NamedTuple):
    """A chart, drawn: all numbers in units of its SVG. `label`: for those who hear the page."""

    width: int
    height: int
    left: int
    label: str
    ticks: Sequence[tuple[float, str]]
    dates: Sequence[tuple[float, str, str]]
    curves: Sequence[tuple[str, str]]


def drawing(chart: Chart) -> Drawing:
    """Draw a chart. What is no finite number is left out."""
    curves = {name: list(map(float, values)) for name, values in chart.curves.items()}
    curves = dict(list(curves.items())[:_MOST_CURVES])
    known = [each for values in curves.values() for each in values if math.isfinite(each)]
    step = _step(min([0.0, *known]), max([0.0, *known]))
    low = math.floor(min([0.0, *known]) / step)
    high = max(math.ceil(max([0.0, *known]) / step), low + 1)

    def place(value: float) -> float:
        share = (value / step - low) / (high - low)
        return round(_TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM), 1)

    ticks = [(place(n * step), f"{n * step:,.10g}") for n in range(low, high + 1)]
    points = {
        name: " ".join(f"{x},{place(y)}" for x, y in _points(values) if math.isfinite(y))
        for name, values in curves.items()
    }
    ends = (chart.x[0], chart.x[-1]) if chart.x else ("", "")
    last = ", ".join(
        f"{name} ends at {values[-1]:,.10g}" for name, values in curves.items() if values
    )
    return Drawing(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        label=f"{chart.title}, {ends[0]} to {ends[1]}: {last} {chart.unit}".strip(),
        ticks=ticks,
        dates=[(_LEFT, "start", ends[0]), (_WIDTH - _RIGHT, "end", ends[1])],
        curves=list(points.items()),
    )


def _points(values: Sequence[float]) -> list[tuple[float, float]]:
    """At most so many points of a curve, the last one among them."""
    count = len(values)
    every = max(1, math.ceil(count / _MOST_POINTS))
    chosen = sorted({*range(0, count, every), count - 1} if count else ())
    width = _WIDTH - _LEFT - _RIGHT
    return [(round(_LEFT + width * at / max(count - 1, 1), 1), values[at]) for at in chosen]


def _step(low: float, high: float) -> float:
    """A round distance of ticks, so that there are three to seven of them."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span))
    return next(power * each for each in (0.2, 0.5, 1.0, 2.0) if span / (power * each) <= 6)
