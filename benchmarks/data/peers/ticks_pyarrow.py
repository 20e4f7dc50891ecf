"""A tick export to a Parquet file a day with pyarrow, as a stream: INPUT OUTPUT [THREADS]."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from shared import ZSTD

COLUMNS = {
    "stamp": pa.string(),
    **dict.fromkeys(("price", "bid", "ask"), pa.float64()),
    "volume": pa.int64(),
}
NS = pa.timestamp("ns", "UTC")
SCHEMA = pa.schema({"timestamp": NS, **COLUMNS, "instrument": pa.string()})
SCHEMA = SCHEMA.remove(SCHEMA.get_field_index("stamp"))


def stamps(texts: pa.Array) -> pa.Array:
    second = pc.strptime(pc.utf8_slice_codeunits(texts, 0, 15), "%Y%m%d %H%M%S", "s")
    fraction = pc.utf8_slice_codeunits(texts, 16, 23).cast(pa.int64())
    whole = pc.multiply(second.cast(pa.int64()), 10**9)
    return pc.add(whole, pc.multiply(fraction, 100)).cast(NS)


def translate(source: str, target: Path, *, threads: bool) -> None:
    reader = csv.open_csv(
        source,
        csv.ReadOptions(column_names=list(COLUMNS), use_threads=threads, block_size=16 << 20),
        csv.ParseOptions(delimiter=";"),
        csv.ConvertOptions(column_types=COLUMNS),
    )
    day, writer = "", None
    for batch in reader:
        texts = batch["stamp"]
        ticks = pa.RecordBatch.from_arrays(
            [stamps(texts), *batch.columns[1:], pa.repeat("ES", len(batch))], schema=SCHEMA
        )
        days = pc.run_end_encode(pc.utf8_slice_codeunits(texts, 0, 8))
        begin = 0
        for end, name in zip(days.run_ends.to_pylist(), days.values.to_pylist(), strict=True):
            if name != day:
                if writer is not None:
                    writer.close()
                path = target / f"ES_tick_{name}.parquet"
                writer = parquet.ParquetWriter(path, SCHEMA, **ZSTD)
                day = name
            writer.write_batch(ticks.slice(begin, end - begin))
            begin = end
    if writer is not None:
        writer.close()


if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    single = sys.argv[3:] == ["1"]
    if single:
        pa.set_cpu_count(1)
    translate(sys.argv[1], target, threads=not single)
