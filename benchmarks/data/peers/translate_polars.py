"""Minute exports to sorted, deduplicated Parquet with polars: INPUT OUTPUT."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
from shared import ZSTD, instrument_folder

COLUMNS = ["Date", "Time", "Open", "High", "Low", "Close", "Volume", "Instrument"]
PRICES = [pl.col(name).alias(name.lower()) for name in ("Open", "High", "Low", "Close")]
CLOCK = [(0, 3600), (3, 60), (6, 1)]
TYPES = [pl.String, pl.String, *[pl.Float64] * 5, pl.Categorical]


def translate(source: Path, target: Path) -> None:
    # quicker than to_datetime of both, and than to_time: 28 ms against 64 and 97 for 700,000 rows
    day = pl.col("Date").str.to_date("%Y-%m-%d").cast(pl.Datetime("us"))
    second = sum(number * pl.col("Time").str.slice(at, 2).cast(pl.Int64) for at, number in CLOCK)
    stamp = day + pl.duration(seconds=second)
    bars = (
        pl.scan_csv(source, schema=dict(zip(COLUMNS, TYPES, strict=True)))
        .select(
            stamp.dt.replace_time_zone("UTC").alias("timestamp"),
            *PRICES,
            pl.col("Volume").cast(pl.Int64).alias("volume"),
            pl.col("Instrument").cast(pl.String).alias("instrument"),
            pl.lit("1m").alias("interval"),
        )
        .sort("timestamp", maintain_order=True)
        .unique("timestamp", keep="last", maintain_order=True)
        .with_columns(local=pl.col("timestamp").dt.convert_time_zone("America/Chicago"))
        .with_columns(month=12 * pl.col("local").dt.year() + pl.col("local").dt.month() - 1)
        .drop("local")
        .collect()
    )
    folder = instrument_folder(source, target)
    for (month,), part in bars.partition_by("month", as_dict=True, include_key=False).items():
        name = f"{folder.name}_1m_{month // 12}-{month % 12 + 1:02}.parquet"
        part.write_parquet(folder / name, **ZSTD)


if __name__ == "__main__":
    files = sorted(Path(sys.argv[1]).glob("*.csv"))
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        list(threads.map(translate, files, [Path(sys.argv[2])] * len(files)))
