"""What a plugin's own page in the browser is made of: data, which `pipekit dashboard` draws.

A distribution offers a page by an entry point of the group `pipekit.pages`:

    [project.entry-points."pipekit.pages"]
    counts = "pipekit_count.page:page"

The function gets the project and returns a Page; it is called in a process of its own each time the
page is looked at, so that it may import what it likes:

    from pipekit.pages import Page, Table

    def page(project):
        rows = [(each.path, each.run) for each in project.files("count")]
        return Page(title="Counts", blocks=[Table(title="Files", head=("file", "run"), rows=rows)])

Everything is shown as text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, TypeAlias

from attrs import field, frozen

from pipekit.plugins.entrypoints import EntryPoint, entry_points

__all__ = ["Block", "Chart", "Page", "Table", "Text", "installed_pages"]

_GROUP = "pipekit.pages"


@frozen(kw_only=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@frozen(kw_only=True)
class Table:
    """A table with a head; its cells are shown as `str` writes them.

    The first `left` columns are text, the others numbers. `bold`: indices of rows.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: int = 1
    bold: Collection[int] = ()
    kind: ClassVar[str] = "table"


@frozen(kw_only=True)
class Chart:
    """Curves over the same places of the x axis, whose names are `x`; of up to six, by name.

    `unit`: of their values.
    """

    title: str
    x: Sequence[str]
    curves: Mapping[str, Sequence[float]]
    unit: str = ""
    kind: ClassVar[str] = "chart"


Block: TypeAlias = Text | Table | Chart


@frozen(kw_only=True)
class Page:
    """A page: its title and what is on it, from top to bottom."""

    title: str
    blocks: Sequence[Block] = field(factory=list)


def installed_pages() -> dict[str, EntryPoint]:
    """The pages that installed distributions offer, by name; none is imported."""
    return {point.name: point for point in entry_points(_GROUP)}
