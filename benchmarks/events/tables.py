"""The table of what was measured, held against the bar; measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

BAR = 1.5
OURS, STANDARD = "pipekit", "logging"


class Sample(NamedTuple):
    """What one telling took: seconds, seconds of the processor, writes and events."""

    seconds: float
    cpu: float
    writes: int
    told: int


def render(samples: Mapping[str, Sequence[Sample]]) -> str:
    """All tables, as Markdown."""
    standard = _each(samples[STANDARD], "seconds")
    lines = ["| tool | events a second | one event | its CPU | writes | × logging |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [_row(tool, found, standard) for tool, found in samples.items()]
    if OURS in samples:
        lines += ["", *_bars(*(_ratio(samples, name) for name in ("seconds", "cpu")))]
    return "\n".join(lines)


def _row(tool: str, found: Sequence[Sample], standard: float) -> str:
    took, cpu, writes = (_each(found, name) for name in ("seconds", "cpu", "writes"))
    return (
        f"| {tool} | {1 / took:,.0f} | {took * 1e6:.1f} µs | {cpu * 1e6:.1f} µs | {writes:.2g} "
        f"| {standard / took:.2f} |"
    )


def _ratio(samples: Mapping[str, Sequence[Sample]], name: str) -> float:
    """How often ours goes into what the standard library takes."""
    return _each(samples[STANDARD], name) / _each(samples[OURS], name)


def _bars(ratio: float, by_cpu: float) -> Iterator[str]:
    yield "| bar | measured | met |"
    yield "|---|---|---|"
    met = "yes" if ratio >= BAR else "**no**"
    yield f"| events: ≥ {BAR} × logging with JSON | {ratio:.2f} ×, {by_cpu:.2f} × by CPU | {met} |"


def _each(found: Sequence[Sample], name: str) -> float:
    """The median of a column, for one event."""
    return statistics.median(getattr(sample, name) / sample.told for sample in found)
