"""Whether two tools made the same of the same input, cell by cell; run in an environment with pyarrow.

    python check.py WORK FOLDER FOLDER...
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

BARS = {
    "timestamp": pa.timestamp("us", "UTC"),
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
WANTED = {"translate": BARS, "ticks": TICKS}


def content(work: str, folder: Path) -> pa.Table:
    """All rows of a folder, in order of time; a folder whose files are not in order is named."""
    wanted = WANTED[work]
    tables, ordered = [], True
    for file in sorted(folder.rglob("*.parquet")):
        table = parquet.ParquetFile(file).read(columns=list(wanted))
        columns = [table[name].cast(type) for name, type in wanted.items()]
        tables.append(pa.Table.from_arrays(columns, names=list(wanted)))
        time = tables[-1]["timestamp"].cast(pa.int64()).combine_chunks()
        ordered &= not pc.any(pc.less(time[1:], time[:-1])).as_py()
    tables.sort(key=lambda table: (table["instrument"][0].as_py(), table["timestamp"][0].value))
    found = pa.concat_tables(tables).combine_chunks()
    if not ordered:
        print(f"{folder}: not in order")
    if work == "ticks" or not ordered:  # ticks of one instant in any order: not all can keep that
        found = found.sort_by([(name, "ascending") for name in ("instrument", *wanted)])
    return found


def main() -> None:
    """Compare all with the first. Exit code 1 and a sentence where one differs."""
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


if __name__ == "__main__":
    main()
