"""Run files to months with duckdb: INPUT OUTPUT [THREADS]. One statement."""

import sys
from pathlib import Path

import duckdb
from results import KEY, files

MERGE = """
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
    source, target, *threads = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute("set TimeZone = 'UTC'")
    if threads:
        database.execute(f"set threads = {int(threads[0])}")
    paths = [str(path) for path in files(Path(source))]
    database.execute(MERGE.format(files=paths, key=", ".join(KEY), target=target))
