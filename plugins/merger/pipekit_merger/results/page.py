"""An answer as one static page: tables, charts, and the library that draws them; no network.

The same rows and question give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import PackageLoader
from pipekit_html import file_page
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
_TEMPLATES = PackageLoader("pipekit_merger.results", "")


class Figure(NamedTuple):
    """A picture that the script draws: its number, and that of its dates, if it has some."""

    number: int
    caption: str
    dates: int | None = None


class Cell(NamedTuple):
    """A cell of a table; `sort`: the number that it is sorted by, None for a text."""

    text: str
    sort: str | None = None
    is_minus: bool = False


class Table(NamedTuple):
    """A table. `linked`: the first cell of each row is the name of a section."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    linked: bool = False


class Stream(NamedTuple):
    """The section of a stream. `pictures` and `tables`: by variant."""

    name: str
    curve: Figure | None
    pictures: Sequence[tuple[str, Figure]]
    tables: Sequence[tuple[str, Table]]


class Page:
    """Collects the parts of the page, and the figures that its script draws."""

    def __init__(self, answer: Answer, question: Question) -> None:
        self._answer = answer
        self._question = question
        self._rows = frame(answer)
        self._trades = closed(self._rows)
        names = set(self._rows["variant"])
        self._variants = sorted(names, key=lambda name: (name != DEFAULT, name))
        self._colours = charts.colours(self._variants)
        self._figures: list[Any] = []
        self._dates: list[list[str]] = []

    def text(self) -> str:
        """The page as HTML."""
        streams = sorted(set(self._rows["stream"]))
        overview = self._overview()
        sections = [self._stream(name) for name in streams]
        return file_page(
            "page.html",
            _TEMPLATES,
            title=TITLE,
            more_style=_resource("page.css"),
            about=self._about(),
            unreadable=self._answer.unreadable,
            variants=self._variants,
            overview=overview,
            streams=sections,
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
        return "; ".join(phrases)

    # --- the sections ---------------------------------------------------------------------------

    def _overview(self) -> dict[str, Any] | None:
        """The curve of all streams, a table of the variants, and one of the streams for each."""
        if not len(self._trades):
            return None
        figure, dates = charts.equity(self._trades, _USD, "USD", self._colours)
        curve = self._figure(figure, "Profit and drawdown, USD", dates)
        lines = self._lines(self._rows, "variant") if len(self._variants) > 1 else []
        by_stream = _by_variant(self._lines(self._rows, "variant", "stream"))
        return {
            "curve": curve,
            "variants": _table("variant", lines, points=False, sortable=True) if lines else None,
            "streams": [
                (variant, _table("stream", lines, sortable=True, linked=True))
                for variant, lines in by_stream
            ],
        }

    def _stream(self, stream: str) -> Stream:
        rows = self._rows[self._rows["stream"] == stream]
        trades = closed(rows)
        curve, pictures = None, []
        if len(trades):
            figure, dates = charts.equity(trades, "profit", "points", self._colours)
            curve = self._figure(figure, "Profit and drawdown, points", dates)
        for variant, of in trades.groupby("variant", sort=False):
            rates = self._figure(charts.win_rates(of), "Win rate by slot and weekday")
            peaks = self._figure(charts.peaks(of), "Trades by their peak, in targets")
            pictures += [(variant, rates), (variant, peaks)]
        by_slot = _by_variant(self._lines(rows, "variant", "stream", "slot"))
        tables = [(variant, _table("slot", lines)) for variant, lines in by_slot]
        return Stream(stream, curve, pictures, tables)

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

    def _figure(self, figure: Any, caption: str, dates: list[str] | None = None) -> Figure:
        number = len(self._figures)
        self._figures.append(json.loads(figure.to_json()))
        if dates is None:
            return Figure(number, caption)
        self._dates.append(dates)
        return Figure(number, caption, len(self._dates) - 1)


def closed(rows: Any) -> Any:
    """The closed trades among rows."""
    return rows[rows["result"].isin(charts.RESULTS)]


def frame(answer: Answer) -> Any:
    """The rows in date order, with the columns that the charts need."""
    frame = answer.table.select([*_COLUMNS, *_NUMBERS]).to_pandas()
    frame = frame.sort_values(["variant", "date", "session", "slot", "instrument"], kind="stable")
    for name in _WORDS:  # a chooser and a curve that belong together have one text
        frame[name] = [escaped(word) for word in frame[name]]
    frame["weekday"] = [date.weekday() for date in frame["date"]]
    return frame


def cumulated(trades: Any, most: int) -> tuple[list[str], dict[str, list[float]]]:
    """The dates of closed trades, and the dollars earned up to each, by variant: `most` of them."""
    dates = sorted(trades["date"].unique())
    curves = {}
    for variant, of in list(trades.groupby("variant", sort=True))[:most]:
        profit = of.groupby("date")[_USD].sum().reindex(dates, fill_value=0.0).cumsum()
        curves[str(variant)] = [float(each) for each in profit]
    return [f"{date:%Y-%m-%d}" for date in dates], curves


def _by_variant(lines: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    for variant in dict.fromkeys(line["variant"] for line in lines):
        yield variant, [line for line in lines if line["variant"] == variant]


def _json(value: Any) -> str:
    """For the inside of a script element, in which no `<` can begin a tag or a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _resource(name: str) -> str:
    return resources.files("pipekit_merger.results").joinpath(name).read_text("utf-8")


def _table(
    first: str,
    lines: Sequence[dict[str, Any]],
    *,
    points: bool = True,
    sortable: bool = False,
    linked: bool = False,
) -> Table:
    """Lines of a summary, each named by its value of `first`.

    `points`: each line is of one stream, so that its points can be added up; otherwise only dollars
    are shown. `linked`: the name is a link to the section with that id.
    """
    amounts = {**_POINTS, "profit_usd": "USD"} if points else _DOLLARS
    names = [first, *COUNT_HEADS, "win_rate", *amounts]
    head = [first, *COUNT_HEADS.values(), "win rate", *amounts.values()]
    decimals = _DECIMALS if points else {}
    rows = [list(_row(names, line, decimals)) for line in lines]
    return Table(head, rows, sortable, linked)


def _row(names: Sequence[str], line: dict[str, Any], decimals: dict[str, int]) -> Iterator[Cell]:
    yield Cell(str(line[names[0]]))
    for name in names[1:]:
        yield _cell(line[name], None if name == "win_rate" else decimals.get(name, 0))


def _cell(value: float | None, decimals: int | None) -> Cell:
    """A number; a percentage if `decimals` is None."""
    if value is None:
        return Cell("-", "-1")
    text = f"{value:.1%}" if decimals is None else number(value, decimals)
    return Cell(text, repr(value), value < 0)
