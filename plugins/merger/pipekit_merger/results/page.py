"""An answer as one static page: tables, charts, and the library that draws them; no network.

The same rows and question give the same bytes.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from importlib import resources
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs

from pipekit.commands import escaped
from pipekit_merger.results import charts
from pipekit_merger.results.export import COUNT_HEADS, number
from pipekit_merger.results.question import Question
from pipekit_merger.results.select import Answer
from pipekit_merger.work.summary import Line, max_drawdown, summarise

TITLE = "Breakout results"
DEFAULT = "default"  # the variant that comes first
_COLUMNS = ("variant", "stream", "slot", "date", "session", "instrument", "result")
_WORDS = ("variant", "stream", "slot")
_NUMBERS = ("profit", "profit_usd", "peak", "target")
_USD = "profit_usd"
_POINTS = {"profit": "points", "average": "average", "max_drawdown": "drawdown"}
_DOLLARS = {"max_drawdown": "drawdown, USD", "profit_usd": "USD"}
_DECIMALS = {"profit": 2, "average": 3, "max_drawdown": 2}


class Page:
    """Collects the parts of the page, and the figures that its script draws."""

    def __init__(self, answer: Answer, question: Question) -> None:
        self._answer = answer
        self._question = question
        self._rows = _frame(answer)
        self._trades = closed(self._rows)
        names = set(self._rows["variant"])
        self._variants = sorted(names, key=lambda name: (name != DEFAULT, name))
        self._colours = charts.colours(self._variants)
        self._figures: list[Any] = []
        self._dates: list[list[str]] = []

    def text(self) -> str:
        """The page as HTML."""
        streams = sorted(set(self._rows["stream"]))
        body = "\n".join([*self._overview(), *(self._stream(name) for name in streams)])
        links = [f'<a href="#{_text(name)}">{_text(name)}</a>' for name in streams]
        return Template(_resource("page.html")).substitute(
            title=TITLE,
            style=_resource("page.css"),
            about=self._about(),
            notes="\n".join(self._notes()),
            chooser=self._chooser(),
            links=" ".join(links) if len(links) > 1 else "",
            body=body,
            figures=_json({"figures": self._figures, "dates": self._dates}),
            library=get_plotlyjs(),
            script=_resource("page.js"),
        )

    # --- the header -----------------------------------------------------------------------------

    def _about(self) -> str:
        rows, trades = self._rows, self._trades
        if not len(rows):
            return "No rows."
        open_trades, no_trade = ((rows["result"] == name).sum() for name in ("Open", "NoTrade"))
        phrases = [
            f"{min(rows['date'])} to {max(rows['date'])}",
            f"{len(trades):,} closed trade{'s' * (len(trades) != 1)}",
            f"left out: {open_trades:,} open, {no_trade:,} slots without a trade",
            *self._question.phrases(dates=False),
        ]
        return _text("; ".join(phrases))

    def _notes(self) -> Iterator[str]:
        for month in self._answer.unreadable:
            text = f"Not shown: {month.path} cannot be read ({month.reason})."
            yield f'<p class="note">{_text(text)}</p>'

    def _chooser(self) -> str:
        if len(self._variants) < 2:
            return ""
        options = "".join(f"<option>{_text(name)}</option>" for name in self._variants)
        return (
            '<div class="chooser"><label>Variant <select id="variant">'
            f"{options}</select></label></div>"
        )

    # --- the sections ---------------------------------------------------------------------------

    def _overview(self) -> Iterator[str]:
        if not len(self._trades):
            return
        figure, dates = charts.equity(self._trades, _USD, "USD", self._colours)
        yield '<section id="overview"><h2>All streams</h2>'
        yield self._figure(figure, "Profit and drawdown, USD", dates)
        if len(self._variants) > 1:
            lines = self._lines(self._rows, "variant")
            variants = _table("variant", lines, points=False, sortable=True)
            yield f'<div class="scroll">{variants}</div>'
        yield "</section>"
        yield "<section><h2>Streams</h2>"
        for variant, lines in _by_variant(self._lines(self._rows, "variant", "stream")):
            yield self._of(variant, _table("stream", lines, sortable=True, linked=True))
        yield "</section>"

    def _stream(self, stream: str) -> str:
        rows = self._rows[self._rows["stream"] == stream]
        trades = closed(rows)
        parts = [f'<section class="card" id="{_text(stream)}"><h2>{_text(stream)}</h2>']
        if len(trades):
            figure, dates = charts.equity(trades, "profit", "points", self._colours)
            parts.append(self._figure(figure, "Profit and drawdown, points", dates))
        for variant, of in trades.groupby("variant", sort=False):
            rates = self._figure(charts.win_rates(of), "Win rate by slot and weekday")
            peaks = self._figure(charts.peaks(of), "Trades by their peak, in targets")
            parts += [self._of(variant, rates, "part"), self._of(variant, peaks, "part")]
        for variant, lines in _by_variant(self._lines(rows, "variant", "stream", "slot")):
            parts.append(self._of(variant, _table("slot", lines)))
        return "\n".join([*parts, "</section>"])

    def _lines(self, rows: Any, *by: str) -> list[Line]:
        """The summary of some rows; its drawdown is in dollars if streams are mixed."""
        lines = summarise(self._answer.rows.take(rows.index.to_numpy()), by)
        lines = [line | {name: escaped(line[name]) for name in by} for line in lines]
        if "stream" not in by:
            trades = closed(rows).groupby(by[0])[_USD]
            drawdowns = {name: max_drawdown(usd.to_numpy()) for name, usd in trades}
            for line in lines:
                line["max_drawdown"] = drawdowns.get(line[by[0]], 0.0)
        return lines

    def _figure(self, figure: Any, caption: str, dates: list[str] | None = None) -> str:
        number = len(self._figures)
        self._figures.append(json.loads(figure.to_json()))
        kind = ""
        if dates is not None:
            kind = f' data-dates="{len(self._dates)}"'
            self._dates.append(dates)
        css = ' class="curve"' if kind else ""
        name = f'role="img" aria-label="{caption}"'
        plot = f'<div class="plot" {name} data-figure="{number}"{kind}></div>'
        return f"<figure{css}><figcaption>{caption}</figcaption>{plot}</figure>"

    def _of(self, variant: str, part: str, css: str = "scroll") -> str:
        """A part of the page that is shown while its variant is selected."""
        choice = f' data-variant="{_text(variant)}"' if len(self._variants) > 1 else ""
        return f'<div class="{css}"{choice}>{part}</div>'


def closed(rows: Any) -> Any:
    """The closed trades among rows."""
    return rows[rows["result"].isin(charts.RESULTS)]


def _frame(answer: Answer) -> Any:
    """The rows in date order, with the columns that the charts need."""
    frame = answer.table.select([*_COLUMNS, *_NUMBERS]).to_pandas()
    frame = frame.sort_values(["variant", "date", "session", "slot", "instrument"], kind="stable")
    for name in _WORDS:  # a chooser and a curve that belong together have one text
        frame[name] = [escaped(word) for word in frame[name]]
    frame["weekday"] = [date.weekday() for date in frame["date"]]
    return frame


def _by_variant(lines: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    for variant in dict.fromkeys(line["variant"] for line in lines):
        yield variant, [line for line in lines if line["variant"] == variant]


def _json(value: Any) -> str:
    """For the inside of a script element, in which no `<` can begin a tag or a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _text(text: str) -> str:
    """Text of a page: it is neither a tag nor an invisible or reversed character."""
    return html.escape(escaped(text))


def _resource(name: str) -> str:
    return resources.files("pipekit_merger.results").joinpath(name).read_text("utf-8")


def _table(
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
    title = _text(str(line[names[0]]))
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
