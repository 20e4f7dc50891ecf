"""Run files to months with polars: INPUT OUTPUT. The last row of each key, a file a month."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
from shared import KEY, ZSTD, month_file, run_files


def merged(source: Path) -> pl.DataFrame:
    return (
        pl.read_parquet(run_files(source))
        .unique(KEY, keep="last", maintain_order=True)
        .sort("stream", *KEY)
    )


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    rows = merged(source)
    date = pl.col("date").dt
    parts = rows.with_columns(year=date.year(), month=date.month()).partition_by(
        "stream", "year", "month", as_dict=True, include_key=True
    )

    def write(part: tuple[tuple[str, int, int], pl.DataFrame]) -> None:
        name, frame = part
        frame.drop("year", "month").write_parquet(month_file(target, *name), **ZSTD)

    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        list(threads.map(write, parts.items()))


if __name__ == "__main__":
    main()
