"""Run files to one file with polars: INPUT OUTPUT. Less work than a file a month."""

import sys
from pathlib import Path

from merge_polars import merged
from shared import ZSTD

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    merged(source).sort("date", maintain_order=True).write_parquet(target / "all.parquet", **ZSTD)
