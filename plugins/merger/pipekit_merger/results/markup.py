"""Tables of a page as HTML; knows neither the page nor where its numbers come from."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pipekit_merger.results.text import number

_COUNTS = {"trades": "trades", "wins": "win", "break_evens": "BE", "losses": "loss"}
_COUNTS |= {"times": "time", "open": "open", "no_trade": "no trade"}
_POINTS = {"profit": "points", "average": "a trade", "max_drawdown": "drawdown"}
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
    """Lines of a summary, named by their value of `first`.

    `points`: they are of one stream each, so that points can be added up. `linked`: the name leads
    to the section that bears it.
    """
    sums = {**_POINTS, "profit_usd": "USD"} if points else _DOLLARS
    names = [first, *_COUNTS, "win_rate", *sums]
    head = [first, *_COUNTS.values(), "win rate", *sums.values()]
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
        _cell(line[name], "rate" if name == "win_rate" else decimals.get(name, 0))
        for name in names[1:]
    )


def _cell(value: float | None, decimals: int | str) -> str:
    if value is None:
        return '<td data-sort="-1">-</td>'
    text = f"{value:.1%}" if isinstance(decimals, str) else number(value, decimals)
    kind = ' class="minus"' if value < 0 else ""
    return f'<td data-sort="{value!r}"{kind}>{text}</td>'


def escaped(text: str) -> str:
    """As HTML's text or attribute."""
    return html.escape(text, quote=True)
