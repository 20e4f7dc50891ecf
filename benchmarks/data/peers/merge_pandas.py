"""Run files to months with pandas: INPUT OUTPUT. All in one frame, the last of each key kept."""

import sys
from pathlib import Path

import pandas as pd
from shared import KEY, ZSTD, month_file, run_files

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    rows = pd.concat([pd.read_parquet(path, engine="pyarrow") for path in run_files(source)])
    rows = rows.drop_duplicates(KEY, keep="last").sort_values(["stream", *KEY], ignore_index=True)
    date = pd.to_datetime(rows["date"])
    for (stream, year, month), part in rows.groupby(["stream", date.dt.year, date.dt.month]):
        path = month_file(target, stream, year, month)
        part.to_parquet(path, index=False, **ZSTD)
