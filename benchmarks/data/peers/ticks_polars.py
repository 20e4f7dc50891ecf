"""A tick export to a Parquet file a day with polars: INPUT OUTPUT.

The file is in order, and polars keeps that order: it is spared the sorting. The fraction has seven
digits, which `%f` reads wrongly: here it is a number.
"""

import sys
from pathlib import Path

import polars as pl
from shared import ZSTD

COLUMNS = ["stamp", "price", "bid", "ask", "volume"]
TYPES = [pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int64]
CLOCK = [(9, 3600), (11, 60), (13, 1)]


def translate(source: Path, target: Path) -> None:
    stamp = pl.col("stamp")
    day = stamp.str.slice(0, 8).str.to_date("%Y%m%d").cast(pl.Datetime("ns"))
    second = sum(number * stamp.str.slice(at, 2).cast(pl.Int64) for at, number in CLOCK)
    fraction = stamp.str.slice(16, 7).cast(pl.Int64) * 100
    local = day + pl.duration(nanoseconds=second * 1_000_000_000 + fraction, time_unit="ns")
    reader = pl.scan_csv(
        source, has_header=False, separator=";", schema=dict(zip(COLUMNS, TYPES, strict=True))
    )
    target.mkdir(parents=True, exist_ok=True)
    reader.select(
        local.dt.replace_time_zone("UTC").alias("timestamp"),
        "price",
        "bid",
        "ask",
        "volume",
        pl.lit("ES").alias("instrument"),
        stamp.str.slice(0, 8).alias("day"),
    ).sink_parquet(
        pl.PartitionBy(target, key="day", include_key=False),
        **ZSTD,
        mkdir=True,
    )


if __name__ == "__main__":
    translate(Path(sys.argv[1]), Path(sys.argv[2]))
