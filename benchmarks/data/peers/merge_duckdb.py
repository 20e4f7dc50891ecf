"""Run files to months with duckdb: INPUT OUTPUT CORES. One statement."""

import sys
from pathlib import Path

from shared import KEY, copy_with_duckdb, run_files

MERGE = """
set TimeZone = 'UTC';
copy (
    select * exclude (filename, file_row_number),
           stream as of, year(date) as year, month(date) as month
    from read_parquet({files}, filename = true, file_row_number = true)
    qualify row_number() over (partition by {key} order by filename desc) = 1
    order by stream, {key}
) to '{target}' (format parquet, partition_by (of, year, month), compression zstd,
                 compression_level 1)
"""

if __name__ == "__main__":
    files = [str(path) for path in run_files(Path(sys.argv[1]))]
    copy_with_duckdb(MERGE, files=files, key=", ".join(KEY))
