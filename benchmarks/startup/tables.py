"""The tables of what was measured, and each bar beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import common
from cases import LIBRARIES

COMMANDS = ("--version", "--help", "status")
TOOLS = ("pipekit", "doit", "luigi")


@dataclass(frozen=True)
class Results:
    """`times`: milliseconds by (tool, work), one a round. `memories`: megabytes by tool."""

    times: Mapping[tuple[str, str], Sequence[float]]
    memories: Mapping[str, Sequence[float]]

    def render(self) -> str:
        """All tables, as Markdown."""
        floor = (
            f"The floor: `python -c pass` {self._cell('python', 'pass')}; "
            f'`python -c "import click"` {self._cell("python", "import click")}; '
            f'`python -c "{LIBRARIES}"` {self._cell("python", LIBRARIES)}.'
        )
        return "\n\n".join(
            [common.table(["work", *TOOLS], self._rows()), floor, common.bars(self._bars())]
        )

    def _rows(self) -> Iterator[list[str]]:
        for work, name in (("run", "run three trivial tasks"), *((c, f"`{c}`") for c in COMMANDS)):
            yield [name, *(self._cell(tool, work) for tool in TOOLS)]
        if self.memories:
            used = (f"{median(self.memories[tool]):.1f} MB" for tool in TOOLS)
            yield ["memory of the runner (PSS)", *used]

    def _bars(self) -> Iterator[tuple[str, str, bool]]:
        for tool, most in (("doit", 1.5), ("luigi", 1.1)):
            ratio = self._ms("pipekit", "run") / self._ms(tool, "run")
            yield f"run ≤ {most} × {tool}", f"{ratio:.2f} ×", ratio <= most
        bound = 60 + 1.5 * self._ms("python", "pass")
        for work in COMMANDS:
            took, doit = self._ms("pipekit", work), self._ms("doit", work)
            most = f"{took:.0f} of {bound:.0f} ms"
            yield f"`{work}` ≤ 60 ms + 1.5 × floor", most, took <= bound
            yield f"`{work}` ≤ doit", f"{took / doit:.2f} ×", took <= doit
        if self.memories:
            used = median(self.memories["pipekit"])
            yield "memory ≤ 30 MB", f"{used:.1f} MB", used <= 30

    def _ms(self, tool: str, work: str) -> float:
        return median(self.times[tool, work])

    def _cell(self, tool: str, work: str) -> str:
        """The median and the quartiles."""
        times = self.times.get((tool, work))
        return f"{median(times):.1f} ms ({spread(times)})" if times else "-"


def spread(values: Sequence[float]) -> str:
    """First and third quartile, as text; a single value is both."""
    low, _, high = quantiles(values, n=4) if len(values) > 1 else [*values] * 3
    return f"{low:.0f}-{high:.0f}"
