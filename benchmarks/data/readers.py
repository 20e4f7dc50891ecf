"""Whether every reader finds the same values in what the translator wrote, cell by cell.

python readers.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import dataset, parquet


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


def check(path: Path) -> int:
    """The rows of a file; raises SystemExit with the first reader that finds something else."""
    file = parquet.ParquetFile(path)
    expected = file.read()
    schema = file.schema_arrow
    plain = pa.schema([pa.field(field.name, field.type) for field in schema])
    for name, read in READERS.items():
        found = read(path)
        if found.column_names != expected.column_names:
            raise SystemExit(f"{path}: {name} finds the columns {found.column_names}")
        for column in found.column_names:
            if found[column].cast(plain.field(column).type).equals(expected[column]):
                continue
            raise SystemExit(f"{path}: {name} finds other values in {column}")
    return int(expected.num_rows)


def encodings(path: Path) -> str:
    """How the columns of a file are written."""
    group = parquet.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    return ", ".join(
        f"{c.path_in_schema} {'+'.join(e for e in c.encodings if e != 'RLE')} {c.compression}"
        for c in columns
    )


def main() -> None:
    """Exit code 1 and a sentence where a reader differs."""
    files = sorted(Path(sys.argv[1]).rglob("*.parquet"))
    if not files:
        raise SystemExit(f"nothing to read in {sys.argv[1]}")
    rows = sum(check(path) for path in files)
    print(f"{rows} rows of {len(files)} files, equal by {', '.join(READERS)}")
    print(f"written as {encodings(files[0])}")


if __name__ == "__main__":
    main()
