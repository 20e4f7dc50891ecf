"""Whether all tools made the same of the same input, and all readers find it, cell by cell.

python check.py WORK FOLDER FOLDER...
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset, parquet

US = pa.timestamp("us", "UTC")
BARS = {
    "timestamp": US,
    **dict.fromkeys(("open", "high", "low", "close"), pa.float64()),
    "volume": pa.int64(),
    "instrument": pa.string(),
}
TICKS = {
    "timestamp": pa.timestamp("ns", "UTC"),
    **dict.fromkeys(("price", "bid", "ask"), pa.float64()),
    "volume": pa.int64(),
    "instrument": pa.string(),
}
ROWS = {
    "instrument": pa.string(),
    "date": pa.date32(),
    **dict.fromkeys(("slot", "result", "direction"), pa.string()),
    **dict.fromkeys(("entry_time", "exit_time"), US),
    **dict.fromkeys(("entry_price", "exit_price", "peak", "range_high", "range_low"), pa.float64()),
    "profit": pa.float64(),
}
RESULTS = {
    **dict.fromkeys(("variant", "session", "stream"), pa.string()),
    **ROWS,
    **dict.fromkeys(("stop_distance", "target", "range_size", "profit_usd"), pa.float64()),
    "range_bars": pa.int64(),
}
WANTED = {  # the columns of a work's files, and what their rows are sorted by
    "translate": (BARS, ["timestamp"]),
    "ticks": (TICKS, ["timestamp"]),
    "analyse": (ROWS, ["date"]),
    "kernel": (ROWS, ["date"]),
    "merge": (RESULTS, ["stream", "variant", "date", "session", "slot", "instrument"]),
}


def content(work: str, folder: Path) -> pa.Table:
    """All rows of a folder, sorted; a folder whose files are not in order is named."""
    wanted, order = WANTED[work]
    tables, ordered = [], True
    for file in sorted(folder.rglob("*.parquet")):
        if file.stem == "summary":
            continue
        table = parquet.ParquetFile(file).read(columns=list(wanted))
        columns = [_plain(table[name], type) for name, type in wanted.items()]
        tables.append(pa.Table.from_arrays(columns, names=list(wanted)))
        ordered &= in_order(tables[-1], order)
    if not ordered:
        print(f"{folder}: not in order")
    found = pa.concat_tables(tables).combine_chunks()
    return found.sort_by([(name, "ascending") for name in ("instrument", *wanted)])


def in_order(table: pa.Table, by: list[str]) -> bool:
    """Whether no row comes before one that should stand above it."""
    columns = [table[name].combine_chunks() for name in by]
    if len(by) == 1:
        (key,) = columns
        key = key.cast(pa.int32() if key.type == pa.date32() else pa.int64())
    else:
        key = pc.binary_join_element_wise(*(c.cast(pa.string()) for c in columns), "/")
    return not pc.any(pc.less(key[1:], key[:-1])).as_py()


def _plain(column: pa.ChunkedArray, type: pa.DataType) -> pa.ChunkedArray:
    """Of the wanted type; prices to the ninth decimal, since not all round alike."""
    column = column.cast(type)
    return pc.round(column, 9) if type == pa.float64() else column


def by_duckdb(path: Path) -> pa.Table:
    """In UTC, since duckdb shows instants in the zone of its session."""
    connection = duckdb.connect()
    connection.execute("SET timezone = 'UTC'")
    return connection.sql("SELECT * FROM read_parquet(?)", params=[str(path)]).to_arrow_table()


READERS: dict[str, Callable[[Path], pa.Table]] = {
    "pyarrow.dataset": lambda path: dataset.dataset(path).to_table(),
    "pandas": lambda path: pa.Table.from_pandas(pd.read_parquet(path), preserve_index=False),
    "polars": lambda path: pl.read_parquet(path).to_arrow(),
    "lazy polars": lambda path: pl.scan_parquet(path).collect().to_arrow(),
    "duckdb": by_duckdb,
}


def check_readers(path: Path) -> None:
    """Raises SystemExit with the first reader that finds something else than pyarrow."""
    expected = parquet.ParquetFile(path).read()
    for name, read in READERS.items():
        found = read(path)
        if found.column_names != expected.column_names:
            raise SystemExit(f"{path}: {name} finds the columns {found.column_names}")
        for column in found.column_names:
            if not found[column].cast(expected[column].type).equals(expected[column]):
                raise SystemExit(f"{path}: {name} finds other values in {column}")


def main() -> None:
    """Compare all with the first, pipekit's. Exit code 1 and a sentence where one differs."""
    work, first, *others = sys.argv[1:]
    expected = content(work, Path(first))
    for other in others:
        found = content(work, Path(other))
        if not found.equals(expected):
            names = [n for n in expected.column_names if not found[n].equals(expected[n])]
            raise SystemExit(
                f"{other} ({len(found)} rows) differs from {first} ({len(expected)} rows) "
                f"in {', '.join(names)}"
            )
    print(f"{work}: {len(expected)} rows, equal in {1 + len(others)} results")
    if work in ("translate", "ticks"):
        for path in sorted(Path(first).rglob("*.parquet")):
            check_readers(path)
        print(f"equal by {', '.join(READERS)}")


if __name__ == "__main__":
    main()
