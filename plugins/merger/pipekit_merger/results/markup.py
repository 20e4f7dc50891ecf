"""The tables of the page, as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pipekit_merger.results.text import COUNT_HEADS, number

_POINTS = {"profit": "points", "average": "average", "max_drawdown": "drawdown"}
_DOLLARS = {"max_drawdown": "drawdown, USD", "profit_usd": "USD"}
_DECIMALS = {"profit": 2, "average": 3, "max_drawdown": 2}


def table(
    first: str,
    lines: Sequence[dict[str, Any]],
    *,
    points: bool = True,
    sortable: bool = False,
    linked: bool = False,
) -> str:
    """Lines of a summary, each named by its value of `first`.

    `points`: each line is of one stream, so that its points can be added up; otherwise only dollars
    are shown. `linked`: the name is a link to the section with that id.
    """
    amounts = {**_POINTS, "profit_usd": "USD"} if points else _DOLLARS
    names = [first, *COUNT_HEADS, "win_rate", *amounts]
    head = [first, *COUNT_HEADS.values(), "win rate", *amounts.values()]
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    decimals = _DECIMALS if points else {}
    rows = "\n".join(f"<tr>{_row(names, line, decimals, linked=linked)}</tr>" for line in lines)
    kind = ' class="sortable"' if sortable else ""
    return f"<table{kind}><thead><tr>{cells}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"


def _row(
    names: Sequence[str], line: dict[str, Any], decimals: dict[str, int], *, linked: bool
) -> str:
    title = escaped(str(line[names[0]]))
    shown = f'<a href="#{title}">{title}</a>' if linked else title
    return f"<td>{shown}</td>" + "".join(
        _cell(line[name], None if name == "win_rate" else decimals.get(name, 0))
        for name in names[1:]
    )


def _cell(value: float | None, decimals: int | None) -> str:
    """A number; a percentage if `decimals` is None."""
    if value is None:
        return '<td data-sort="-1">-</td>'
    text = f"{value:.1%}" if decimals is None else number(value, decimals)
    kind = ' class="minus"' if value < 0 else ""
    return f'<td data-sort="{value!r}"{kind}>{text}</td>'


def escaped(text: str) -> str:
    """For an HTML text or attribute."""
    return html.escape(text, quote=True)
