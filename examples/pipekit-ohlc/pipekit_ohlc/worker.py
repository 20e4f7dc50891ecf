"""The stage's process: one unit an instrument; reads its months, writes `{daily}/{I}.parquet`."""

import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipekit.worker import fingerprint, look, report, request

WANTED = ["timestamp", "open", "high", "low", "close", "volume"]
DAILY = [
    ("open", "first"),
    ("high", "max"),
    ("low", "min"),
    ("close", "last"),
    ("volume", "sum"),
]


def daily(minutes, timezone):
    """Minute bars in order of time → one row a day of `timezone`: date, OHLC, volume."""
    local = pc.local_timestamp(minutes["timestamp"].cast(pa.timestamp("us", timezone)))
    dated = minutes.append_column("date", local.cast(pa.date32()))
    days = dated.group_by("date", use_threads=False).aggregate(DAILY)  # threads lose the order
    return pa.table({"date": days["date"]} | {c: days[f"{c}_{how}"] for c, how in DAILY})


def publish(table, path):
    """Write a file in one step, so that a reader finds the old one or the new one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(table, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


def main():
    wanted = request()
    for instrument, paths in wanted["jobs"].items():
        with report.unit(instrument):
            seen = {path: (look(path), fingerprint(path)) for path in paths}
            minutes = [pq.ParquetFile(path).read(columns=WANTED) for path in sorted(paths)]
            days = daily(pa.concat_tables(minutes), wanted["timezone"])
            path = f"{wanted['daily']}/{instrument}.parquet"
            publish(days, path)
            report.metric("days", days.num_rows)
            report.wrote(path, fingerprint(path), detail={"series": instrument})
            for source, (signature, content) in seen.items():
                report.consumed(source, content, signature)


if __name__ == "__main__":
    main()
