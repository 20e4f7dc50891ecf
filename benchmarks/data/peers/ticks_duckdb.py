"""A tick export to a Parquet file a day with duckdb: INPUT OUTPUT CORES.

The file is in order: duckdb is spared the sorting. With two threads it does not keep the order,
with or without `order by`.
"""

from shared import copy_with_duckdb

TRANSLATE = """
copy (
    select strptime(stamp, '%Y%m%d %H%M%S %n') as timestamp, price, bid, ask, volume,
           'ES' as instrument, stamp[:8] as day
    from read_csv('{source}', header = false, delim = ';', columns = {{
        'stamp': 'VARCHAR', 'price': 'DOUBLE', 'bid': 'DOUBLE', 'ask': 'DOUBLE',
        'volume': 'BIGINT'}})
) to '{target}' (format parquet, partition_by (day), compression zstd, compression_level 1)
"""

if __name__ == "__main__":
    copy_with_duckdb(TRANSLATE)
