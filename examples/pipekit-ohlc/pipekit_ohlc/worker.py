"""The stage's worker: for each instrument, read its months and write `{daily}/{I}.parquet`."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipekit.worker import fingerprint, look, publish, report, request
from pipekit_ohlc.request import Request

WANTED = ["timestamp", "open", "high", "low", "close", "volume"]
DAILY = [
    ("open", "first"),
    ("high", "max"),
    ("low", "min"),
    ("close", "last"),
    ("volume", "sum"),
]


def daily(minutes, timezone):
    """Minute bars in order of time → one row for each day in `timezone`: date, OHLC, volume."""
    local = pc.local_timestamp(minutes["timestamp"].cast(pa.timestamp("us", timezone)))
    dated = minutes.append_column("date", local.cast(pa.date32()))
    days = dated.group_by("date", use_threads=False).aggregate(DAILY)  # threads lose the order
    return pa.table({"date": days["date"]} | {c: days[f"{c}_{how}"] for c, how in DAILY})


def main():
    wanted = request(Request)
    for instrument, paths in wanted.jobs.items():
        with report.unit(instrument):
            seen = {path: (look(path), fingerprint(path)) for path in paths}
            minutes = [pq.ParquetFile(path).read(columns=WANTED) for path in sorted(paths)]
            days = daily(pa.concat_tables(minutes), wanted.timezone)
            path = f"{wanted.daily}/{instrument}.parquet"
            with publish(path, detail={"series": instrument}) as file:
                pq.write_table(days, file)
            report.metric("days", days.num_rows)
            for source, (signature, content) in seen.items():
                report.consumed(source, content, signature)


if __name__ == "__main__":
    main()
