"""Minute exports to sorted, deduplicated Parquet with duckdb: INPUT OUTPUT CORES."""

from shared import copy_with_duckdb

TRANSLATE = """
set TimeZone = 'UTC';
copy (
    select timezone('UTC', utc) as timestamp, open, high, low, close, volume, instrument,
           '1m' as interval, instrument as i,
           date_trunc('month', timezone('America/Chicago', timezone('UTC', utc)))::date as month
    from (
        select distinct on (instrument, utc) * from (
            select (Date + Time)::timestamp as utc, Open as open, High as high, Low as low,
                   Close as close, Volume::bigint as volume, Instrument as instrument
            from read_csv('{source}/*.csv', header = true, columns = {{
                'Date': 'DATE', 'Time': 'TIME', 'Open': 'DOUBLE', 'High': 'DOUBLE',
                'Low': 'DOUBLE', 'Close': 'DOUBLE', 'Volume': 'DOUBLE', 'Instrument': 'VARCHAR'}})
        )
    )
    order by i, utc
) to '{target}' (format parquet, partition_by (i, month), compression zstd, compression_level 1)
"""  # a window function instead of `distinct on` takes as long, and `group by` twice as long

if __name__ == "__main__":
    copy_with_duckdb(TRANSLATE)
