"""Run files to months with polars: INPUT OUTPUT CORES [onefile]. The last row of each key.

With `onefile` all go to one file, which is less work than a file a month.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
from shared import KEY, ZSTD, month_file, run_files


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    rows = (
        pl.read_parquet(run_files(source))
        .unique(KEY, keep="last", maintain_order=True)
        .sort("stream", *KEY)
    )
    if sys.argv[4:] == ["onefile"]:
        target.mkdir(parents=True, exist_ok=True)
        rows.sort("date", maintain_order=True).write_parquet(target / "all.parquet", **ZSTD)
        return
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
