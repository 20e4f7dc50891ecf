"""Breakouts with polars: INPUT OUTPUT CORES [kernel | TARGETS].

Each window's bars are listed by their positions, joined, and looked at in one aggregation: there is
no loop over days in Python. TARGETS: so many, a tenth of the first apart; what does not depend on
them is shared.
"""

import sys
from pathlib import Path

import breakouts
import polars as pl
from breakouts import Instrument, files, windows

TARGETS = next((int(word) for word in sys.argv[4:] if word.isdigit()), 1)


def load(source: Path, name: str) -> tuple[pl.DataFrame, list]:
    """Times, and high, low and close in ticks; the windows."""
    tick = breakouts.INSTRUMENTS[name].tick
    prices = [(pl.col(c) / tick).round().cast(pl.Int32).alias(c) for c in ("high", "low", "close")]
    columns = pl.col("timestamp").cast(pl.Int64), *prices
    bars = pl.scan_parquet(files(source, name)).select(columns).collect()
    return bars, windows(bars["timestamp"][0], bars["timestamp"][-1])


def compute(given: tuple[pl.DataFrame, list], rules: Instrument) -> tuple:
    """The windows with a range, and for each target what came of those with an entry."""
    bars, asked = given
    ranged = ranges(bars, asked)
    entered = entries(bars, ranged)
    each = [breakouts.scaled(rules, number) for number in range(TARGETS)]
    return ranged, [(rules, walk(bars, entered, rules)) for rules in each]


def write(given: tuple, found: tuple, rules: Instrument, name: str, path: Path) -> None:
    """The results of all targets."""
    ranged, walks = found
    made = [rows(given[0], ranged, walked, each, name) for each, walked in walks]
    pl.concat(made).write_parquet(path)


def ranges(bars: pl.DataFrame, asked: list) -> pl.DataFrame:
    """A row a window that has a range; positions of its slot, latest entry and expiry."""
    times = bars["timestamp"]
    found = pl.DataFrame(asked, schema=breakouts.Window._fields, orient="row")
    found = found.with_columns(
        start=times.search_sorted(found["start"]).cast(pl.Int64),
        slot_bar=times.search_sorted(found["at"]).cast(pl.Int64),
        latest=times.search_sorted(found["latest"], side="right").cast(pl.Int64),
        end=times.search_sorted(found["expiry"]).cast(pl.Int64),
        expired=pl.col("expiry") <= times[-1],
    )
    found = found.filter(pl.col("start") < pl.col("slot_bar")).with_row_index("w")
    inside = spread(found.select("w", "start", "slot_bar"), "start", "slot_bar")
    range_ = (
        inside.with_columns(h=bars["high"].gather(inside["i"]), l=bars["low"].gather(inside["i"]))
        .group_by("w")
        .agg(range_high=pl.col("h").max(), range_low=pl.col("l").min())
    )
    return found.join(range_, on="w").sort("w")


def spread(frame: pl.DataFrame, first: str, end: str) -> pl.DataFrame:
    """A row for each position `i` in [first, end) of each row."""
    return frame.with_columns(i=pl.int_ranges(first, end)).explode("i").drop_nulls("i")


def entries(bars: pl.DataFrame, ranged: pl.DataFrame) -> pl.DataFrame:
    """The windows with an entry: its position, direction and price."""
    columns = "w", "range_high", "range_low", "slot_bar", "latest", "end", "expired"
    inside = spread(ranged.select(columns), "slot_bar", "latest")
    touched = (
        inside.with_columns(
            up=bars["high"].gather(inside["i"]) > inside["range_high"],
            down=bars["low"].gather(inside["i"]) < inside["range_low"],
        )
        .filter(pl.col("up") | pl.col("down"))
        .group_by("w", maintain_order=True)
        .first()
    )
    long = pl.col("up")
    return touched.filter(pl.col("up") != pl.col("down")).with_columns(
        direction=pl.when(long).then(1).otherwise(-1).cast(pl.Int32),
        entry=pl.when(long).then(pl.col("range_high") + 1).otherwise(pl.col("range_low") - 1),
    )


def walk(bars: pl.DataFrame, entered: pl.DataFrame, rules: Instrument) -> pl.DataFrame:
    """For each entry the first bars that touch stop, T1, target and break-even, and the peak."""
    trades = entered.with_columns(
        stop=pl.min_horizontal(pl.col("range_high") - pl.col("range_low"), 3 * rules.target),
        first=pl.col("i"),
    )
    moves = spread(trades.select("w", "entry", "direction", "stop", "first", "end"), "first", "end")
    long = moves["direction"] > 0
    up = bars["high"].gather(moves["i"]) - moves["entry"]
    down = moves["entry"] - bars["low"].gather(moves["i"])
    best, worst = pl.when(long).then(up).otherwise(down), pl.when(long).then(down).otherwise(up)
    moves = moves.select("w", "stop", "i", best=best, worst=worst)
    i = pl.col("i")
    hit_t1 = i.filter(pl.col("best") >= rules.t1).min()
    hit_stop = i.filter(pl.col("worst") >= pl.col("stop")).min()
    found = moves.group_by("w").agg(
        t1=hit_t1,
        stopped=hit_stop,
        won=i.filter(pl.col("best") >= rules.target).min(),
        back=i.filter((pl.col("worst") >= 1) & (i > hit_t1)).min(),
        peak=pl.col("best").filter(i < hit_stop.fill_null(1 << 60)).max().fill_null(0),
        last=i.max(),
    )
    return trades.drop("i").join(found, on="w")


def choice(*cases: tuple, otherwise: pl.Expr | None = None) -> pl.Expr:
    """The value of the first pair whose condition holds."""
    chosen = pl
    for condition, value in cases:
        chosen = chosen.when(condition).then(value)
    return chosen.otherwise(otherwise)


def rows(
    bars: pl.DataFrame, ranged: pl.DataFrame, walked: pl.DataFrame, rules: Instrument, name: str
) -> pl.DataFrame:
    """The table of results."""
    never = pl.lit(1 << 60)
    t1, stopped = pl.col("t1").fill_null(never), pl.col("stopped").fill_null(never)
    won, back = pl.col("won").fill_null(never), pl.col("back").fill_null(never)
    at = pl.min_horizontal(won, back)
    close = bars["close"].gather(walked["last"])
    walked = walked.with_columns(
        last_close=(close - walked["entry"]) * walked["direction"],
        at=at,
        both=bars["close"].gather(walked.select(pl.min_horizontal("won", "back")).to_series()),
    )
    nearer = (pl.col("both") - pl.col("entry")) * pl.col("direction")
    target_wins = (nearer - rules.target).abs() < (nearer + 1).abs()
    walked = walked.with_columns(
        result=choice(
            (stopped < t1, pl.lit("Loss")),
            ((won < back) | ((won == back) & (won < never) & target_wins), pl.lit("Win")),
            (back < never, pl.lit("BE")),
            (pl.col("expired"), pl.lit("Time")),
            otherwise=pl.lit("Open"),
        )
    )
    ended, stop = pl.col("result"), pl.col("stop")
    lost, gained = ended == "Loss", ended == "Win"
    profits = (gained, rules.target), (ended == "BE", -1), (lost, -stop)
    walked = walked.with_columns(
        profit=choice(*profits, otherwise=pl.col("last_close")),
        exit_bar=choice(
            (lost, pl.col("stopped")),
            (ended.is_in(["Win", "BE"]), pl.col("at")),
            (ended == "Time", pl.col("last")),
        ),
    )
    columns = "w", "direction", "result", "profit", "peak", "entry", "first", "exit_bar"
    table = ranged.join(walked.select(columns), on="w", how="left").sort("w")
    times = bars["timestamp"].cast(pl.Datetime("us", "UTC"))
    price = lambda ticks: (ticks * rules.tick).round(rules.decimals)  # noqa: E731
    return table.select(
        pl.lit(name).alias("instrument"),
        "date",
        "slot",
        result=pl.col("result").fill_null("NoTrade"),
        direction=pl.col("direction").replace_strict({1: "Long", -1: "Short"}, default=None),
        entry_time=times.gather(table["first"]),
        exit_time=times.gather(table["exit_bar"]),
        entry_price=price(pl.col("entry")),
        exit_price=pl.when(pl.col("exit_bar").is_not_null()).then(
            price(pl.col("entry") + pl.col("direction") * pl.col("profit"))
        ),
        peak=price(pl.col("peak")),
        range_high=price(pl.col("range_high")),
        range_low=price(pl.col("range_low")),
        profit=price(pl.col("profit").fill_null(0)),
    )


if __name__ == "__main__":
    breakouts.main(load, compute, write)
