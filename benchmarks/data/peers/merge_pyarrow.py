"""Run files to months with pyarrow: INPUT OUTPUT. Sorted by key and file, the last of each kept."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from os import sched_getaffinity
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from shared import KEY, ZSTD, month_file, run_files


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    threads = ThreadPoolExecutor(len(sched_getaffinity(0)))
    read = threads.map(
        lambda path: parquet.ParquetFile(path).read(use_threads=False), run_files(source)
    )
    rows = pa.concat_tables(table.replace_schema_metadata(None) for table in read).combine_chunks()
    months = np.asarray(rows["date"]).astype("M8[M]").astype(np.int64)
    rows = rows.append_column("month", pa.array(months))
    rows = rows.append_column("row", pa.array(np.arange(len(rows))))
    by = ["stream", "month", *KEY]
    rows = rows.sort_by([(name, "ascending") for name in (*by, "row")]).combine_chunks()
    same = None
    for name in by:
        column = rows[name].chunk(0)
        equal = pc.equal(column[1:], column[:-1])
        same = equal if same is None else pc.and_(same, equal)
    last = np.append(~np.asarray(same), True)
    rows = rows.filter(pa.array(last)).drop_columns(["row", "month"]).combine_chunks()
    stream = rows["stream"].chunk(0).dictionary_encode()
    months = np.asarray(rows["date"]).astype("M8[M]").astype(np.int64)
    group = np.asarray(stream.indices).astype(np.int64) * 10**6 + months
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(rows)]

    def write(edge: tuple[int, int]) -> None:
        first, end = edge
        month = int(months[first]) + 1970 * 12
        path = month_file(target, stream[first].as_py(), month // 12, month % 12 + 1)
        part = rows.slice(first, end - first)
        parquet.write_table(part, path, **ZSTD)

    list(threads.map(write, pairwise(edges)))


if __name__ == "__main__":
    main()
