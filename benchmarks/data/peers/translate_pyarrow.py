"""Minute exports to sorted, deduplicated Parquet with pyarrow: INPUT OUTPUT [THREADS]."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from shared import ZSTD, instrument_folder

TYPES = {
    "Date": pa.date32(),
    "Time": pa.time32("s"),
    **dict.fromkeys(("Open", "High", "Low", "Close", "Volume"), pa.float64()),
    "Instrument": pa.string(),
}
OPTIONS = csv.ConvertOptions(column_types=TYPES)
US = pa.timestamp("us", "UTC")


def translate(source: Path, target: Path, *, threads: bool) -> None:
    table = csv.read_csv(source, csv.ReadOptions(use_threads=threads), convert_options=OPTIONS)
    days = table["Date"].cast(pa.int32()).cast(pa.int64())
    seconds = pc.add(pc.multiply(days, 86400), table["Time"].cast(pa.int32()).cast(pa.int64()))
    stamps = pc.multiply(seconds, 1_000_000).cast(US).combine_chunks()
    bars = {
        "timestamp": stamps,
        **{name.lower(): table[name] for name in ("Open", "High", "Low", "Close")},
        "volume": table["Volume"].cast(pa.int64()),
        "instrument": table["Instrument"],
        "interval": pa.repeat("1m", len(table)),
    }
    bars = pa.table(bars).take(pc.sort_indices(stamps))  # stable
    utc = bars["timestamp"].cast(pa.int64()).to_numpy()
    bars = bars.filter(pa.array(np.append(utc[1:] != utc[:-1], True)))
    local = pc.local_timestamp(bars["timestamp"].cast(pa.timestamp("us", "America/Chicago")))
    month = local.to_numpy().astype("M8[M]").astype(np.int64)
    begins = np.flatnonzero(np.diff(month, prepend=-1))
    folder = instrument_folder(source, target)
    for begin, end in zip(begins, [*begins[1:], len(month)], strict=True):
        name = f"{folder.name}_1m_{np.datetime64(int(month[begin]), 'M')}.parquet"
        parquet.write_table(bars.slice(begin, end - begin), folder / name, **ZSTD)


if __name__ == "__main__":
    single = sys.argv[3:] == ["1"]
    if single:
        pa.set_cpu_count(1)
    for file in sorted(Path(sys.argv[1]).glob("*.csv")):
        translate(file, Path(sys.argv[2]), threads=not single)
