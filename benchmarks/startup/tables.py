"""The tables of what was measured, held against the bar; measures nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from measure import middle, spread

COMMANDS = ("--version", "--help", "status")


@dataclass(frozen=True)
class Results:
    """`times`: milliseconds by (tool, work), one a round. `memories`: megabytes by tool."""

    times: dict[tuple[str, str], list[float]]
    memories: dict[str, float]

    def ms(self, tool: str, work: str) -> float | None:
        """The median; None where it was not measured."""
        times = self.times.get((tool, work))
        return middle(times) if times else None

    def cell(self, tool: str, work: str) -> str:
        """The median and the quartiles."""
        times = self.times.get((tool, work))
        return f"{middle(times):.1f} ms ({spread(times)})" if times else "-"


def render(results: Results) -> str:
    """All tables, as Markdown."""
    lines = [*_times(results), "", *_bars(results)]
    return "\n".join(lines)


def _times(results: Results) -> Iterator[str]:
    yield "| work | pipekit | doit | luigi |"
    yield "|---|---|---|---|"
    for work, name in (("run", "run three trivial tasks"), *((c, f"`{c}`") for c in COMMANDS)):
        cells = [results.cell(tool, work) for tool in ("pipekit", "doit", "luigi")]
        yield f"| {name} | {' | '.join(cells)} |"
    if results.memories:
        cells = [_megabytes(results.memories.get(tool)) for tool in ("pipekit", "doit", "luigi")]
        yield f"| memory of the runner (PSS) | {' | '.join(cells)} |"
    yield ""
    yield (
        f"The floor: `python -c pass` {results.cell('python', 'pass')}; "
        f'`python -c "import click"` {results.cell("python", "import click")}.'
    )


def _megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} MB"


def _bars(results: Results) -> Iterator[str]:
    """Each bar as a ratio or a bound; nothing where pipekit was left out."""
    run = results.ms("pipekit", "run")
    if run is None:
        return
    yield "| bar | measured | met |"
    yield "|---|---|---|"
    for tool, most in (("doit", 1.5), ("luigi", 1.1)):
        ratio = run / (results.ms(tool, "run") or run)
        yield _row(f"run ≤ {most} × {tool}", f"{ratio:.2f} ×", ratio <= most)
    bound = 60 + 1.5 * (results.ms("python", "pass") or 0)
    for work in COMMANDS:
        took, doit = results.ms("pipekit", work) or 0, results.ms("doit", work) or 0
        yield _row(
            f"`{work}` ≤ 60 ms + 1.5 × floor", f"{took:.0f} of {bound:.0f} ms", took <= bound
        )
        yield _row(f"`{work}` ≤ doit", f"{took / doit:.2f} ×", took <= doit)
    if "pipekit" in results.memories:
        used = results.memories["pipekit"]
        yield _row("memory ≤ 30 MB", _megabytes(used), used <= 30)


def _row(bar: str, measured: str, met: bool) -> str:
    return f"| {bar} | {measured} | {'yes' if met else '**no**'} |"
