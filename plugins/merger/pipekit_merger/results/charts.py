"""Charts of trades: plotly figures made from data frames.

Colours that depend on the reader's screen (text, grid, background) are left to the page. Long
series are rounded to four bytes; curves share the dates of their figure, which stand in the page
once, and say so by their `meta`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale
from plotly.graph_objects import Bar, Figure, Heatmap
from plotly.subplots import make_subplots

T1 = 0.65  # of the target: the move at which the stop is raised (docs/reference/data.md, rule 5a)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")
RESULTS = ("Win", "BE", "Loss", "Time")  # in the order of the stack
DATES = "dates"  # the `meta` of a trace whose x are the dates of its figure

# The palette of Okabe and Ito, which readers of any colour vision can tell apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_OF_RESULT = {"Win": "#009e73", "BE": "#e69f00", "Loss": "#d55e00", "Time": "#56b4e9"}
_DRAWDOWN, _DRAWDOWN_FILL = "#d55e00", "rgba(213,94,0,0.18)"
_SHADES = [[0.0, "rgba(0,114,178,0.04)"], [1.0, "rgba(0,114,178,0.62)"]]
_ABOVE = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}  # a legend
_RATES = (0.2, 0.7)  # win rates of the lightest and the darkest shade
_BIN, _LAST = 0.1, 3.0  # peak / target: the width of a bar, and the start of the last one


def colours(variants: Sequence[str]) -> dict[str, str]:
    """A colour for each variant: distinct ones for a few, a scale for a sweep of many."""
    if len(variants) <= len(_COLOURS):
        return dict(zip(variants, _COLOURS, strict=False))
    places = [0.05 + 0.85 * i / (len(variants) - 1) for i in range(len(variants))]
    return dict(zip(variants, sample_colorscale("viridis", places), strict=True))


def equity(trades: Any, column: str, unit: str, colour: dict[str, str]) -> tuple[Any, list[str]]:
    """Cumulated profit and its drawdown, a curve for each variant; and the dates of the x axis.

    `trades`: closed trades in date order, with `variant`, `date` and `column`, the profit in
    `unit`. The drawdown of a day is the largest one after any of its trades.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    dates = sorted(trades["date"].unique())
    alone = len(colour) == 1
    hover = f"%{{y:{',.0f' if unit == 'USD' else ',.2f'}}} {unit}"
    for variant, of in trades.groupby("variant", sort=True):
        profit, drawdown = _curves(of, column, dates)
        shared = {"name": variant, "meta": DATES, "legendgroup": variant, "mode": "lines"}
        line = {"color": colour[variant], "width": 1.6, "shape": "hv"}
        below = {"color": _DRAWDOWN if alone else colour[variant], "width": 1, "shape": "hv"}
        figure.add_scatter(**shared, y=profit, line=line, hovertemplate=hover, row=1, col=1)
        figure.add_scatter(
            **shared,
            y=-drawdown,
            line=below,
            fill="tozeroy" if alone else None,
            fillcolor=_DRAWDOWN_FILL,
            showlegend=False,
            hovertemplate=f"{hover} below the highest",
            row=2,
            col=1,
        )
    figure.update_layout(hovermode="x unified", showlegend=not alone, legend=_ABOVE)
    figure.update_xaxes(type="date", hoverformat="%a %Y-%m-%d")
    figure.update_yaxes(tickformat=",~r" if unit == "USD" else ",", zeroline=True)
    figure.update_yaxes(nticks=3, rangemode="tozero", row=2, col=1)
    return _plain(figure), [f"{date:%Y-%m-%d}" for date in dates]


def _curves(trades: Any, column: str, dates: list[Any]) -> tuple[Any, Any]:
    """The cumulated profit at the end of each date, and the drawdown of the date."""
    profit = trades[column].cumsum()
    highest = np.maximum(profit.cummax(), 0.0)
    days = trades["date"]
    ends = profit.groupby(days).last().reindex(dates).ffill().fillna(0.0)
    drawdowns = (highest - profit).groupby(days).max().reindex(dates).fillna(0.0)
    return ends.to_numpy(np.float32), drawdowns.to_numpy(np.float32)


def win_rates(trades: Any) -> Any:
    """Share of wins by slot and weekday, with the number of trades below it."""
    wins = (trades["result"] == "Win").groupby([trades["slot"], trades["weekday"]])
    rates = wins.mean().unstack().reindex(columns=range(len(WEEKDAYS)))
    counts = wins.size().unstack().reindex(columns=range(len(WEEKDAYS)))
    slots = list(rates.index)
    texts = [
        ["" if np.isnan(n) else f"{rate:.0%}<br>{n:.0f}" for rate, n in zip(*row, strict=True)]
        for row in zip(rates.to_numpy(), counts.to_numpy(), strict=True)
    ]
    figure = Figure(
        Heatmap(
            x=WEEKDAYS,
            y=slots,
            z=rates.round(4).astype(object).where(rates.notna(), None).to_numpy().tolist(),
            text=texts,
            texttemplate="%{text}",
            colorscale=_SHADES,
            zmin=_RATES[0],
            zmax=_RATES[1],
            textfont={"size": 12},
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y} %{x}: %{z:.1%} won<extra></extra>",
        )
    )
    figure.update_xaxes(side="top", fixedrange=True, showgrid=False, ticks="")
    figure.update_yaxes(autorange="reversed", type="category", fixedrange=True, showgrid=False)
    return _plain(figure)


def peaks(trades: Any) -> Any:
    """Trades by their peak, the largest favourable move as a share of the target, and result."""
    edges = np.append(np.arange(0, _LAST + _BIN / 2, _BIN), np.inf)
    share = (trades["peak"] / trades["target"]).to_numpy() + 1e-9  # 0.65 / 0.05 is 12.999...
    figure = Figure()
    names = [f"{low:.1f} to {low + _BIN:.1f}" for low in edges[:-2]] + [f"{_LAST:g} and more"]
    for result in RESULTS:
        counts, _ = np.histogram(share[(trades["result"] == result).to_numpy()], edges)
        if counts.any():
            figure.add_trace(
                Bar(
                    x=np.round(edges[:-1] + _BIN / 2, 3),
                    y=counts,
                    name=result,
                    customdata=names,
                    marker={"color": _OF_RESULT[result], "line": {"width": 0}},
                    hovertemplate=f"{result}: %{{y:,}} at %{{customdata}}<extra></extra>",
                )
            )
    figure.update_layout(barmode="stack", bargap=0.08, legend={**_ABOVE, "traceorder": "normal"})
    for at, text, side in ((T1, "T1", "left"), (1.0, "target", "right")):
        line, place = {"width": 1, "dash": "dot"}, f"top {side}"
        figure.add_vline(at, line=line, annotation_text=text, annotation_position=place)
    ticks = {f"{share:g}": share for share in np.arange(0, _LAST, 0.5)}
    ticks[f"{_LAST:g}+"] = _LAST + _BIN / 2
    figure.update_xaxes(tickvals=list(ticks.values()), ticktext=list(ticks), fixedrange=True)
    figure.update_yaxes(tickformat=",", fixedrange=True, rangemode="tozero")
    return _plain(figure)


def _plain(figure: Any) -> Any:
    """Remove plotly's own theme, 7 kB in each figure; the page has one."""
    figure.update_layout(template={}, margin={"l": 8, "r": 8, "t": 24, "b": 8})
    return figure
