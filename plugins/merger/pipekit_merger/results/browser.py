"""The merged results as a page of `pipekit dashboard`: curves, and a table for each variant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipekit.pages import Block, Chart, Page, Table, Text
from pipekit_merger.results.question import Question
from pipekit_merger.settings import Settings

if TYPE_CHECKING:
    from pipekit.reading import ProjectReader
    from pipekit_merger.results.select import Answer

_MOST_CURVES = 6


def page(project: ProjectReader) -> Page:
    """What `pipekit results` shows of a project."""
    return Page(title="Results", blocks=list(_blocks(project)))


def _blocks(project: ProjectReader) -> Iterator[Block]:
    from pipekit_merger.results import export  # loads numpy and pyarrow
    from pipekit_merger.results.select import ask

    merged = project.stage_settings("merger", Settings).merged
    answer = ask(project.root, merged, Question())
    if not answer.months:
        yield Text(text="No results yet: the merger has had nothing to merge.")
        return
    found = export.Sums(answer)
    first, last = found.span
    yield Text(
        text=f"{first} to {last}, {answer.months:,} months of {len(answer.streams)} streams."
    )
    for month in answer.unreadable:
        yield Text(text=f"Not shown: {month.path} cannot be read ({month.reason}).")
    yield from _curves(answer)
    for variant, lines in export.by_variant(found.slots, found.streams):
        head, cells, bold = export.sums_table(lines)
        name = f"variant {variant}" if variant != "default" else "all slots"
        yield Table(title=f"Sums, {name}", head=head, rows=cells, left=2, bold=bold)


def _curves(answer: Answer) -> Iterator[Chart]:
    """The profit of all streams, added up day by day, for the first variants."""
    from pipekit_merger.results.page import closed, cumulated, frame  # loads plotly

    trades = closed(frame(answer))
    if len(trades):
        dates, curves = cumulated(trades, _MOST_CURVES)
        yield Chart(title="Profit of all streams", x=dates, curves=curves, unit="USD")
