"""The summary's process: what each variant, stream and slot earned, over all merged months.

Knows nothing of run files. pandas is imported only when there is something to compute. Request
(JSON on standard input): `merged`, the folder of the merged results; `known`, the digest of the
months by what the ledger knows, to be remembered with the summary.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipekit.worker import hasher, report, request
from pipekit_merger.months import present, publish, sync_folders
from pipekit_merger.stale import SUMMARY_TABLE, SUMMARY_TEXT, digest

GROUPS = ["variant", "stream", "slot"]
CLOSED = {"Win": "wins", "BE": "break_evens", "Loss": "losses", "Time": "times"}
OTHERS = {"Open": "open", "NoTrade": "no_trade"}
# Sums of points and dollars are rounded here: prices have at most three decimals, and what comes
# behind the sixth is the noise of binary fractions.
DECIMALS = 6
_ORDER = ["date", "session", "slot", "instrument"]  # in which trades are cumulated
TEXTS = [*GROUPS, "session", "instrument", "result"]
COLUMNS = [*GROUPS, "date", "session", "instrument", "result", "profit", "profit_usd"]


class SummaryError(Exception):
    """A merged month that cannot be read: a summary without it would be wrong."""


class Sources(NamedTuple):
    """The months' bytes by path, and the digest of all."""

    data: dict[str, bytes]
    digest: str


def main() -> None:
    """Bring the summary up to date with the months."""
    wanted = request()
    with report.unit("summary"):
        update(wanted["merged"], wanted["known"])


def update(merged: str, known: str) -> None:
    """Write the summary's two files unless they are those of the months. Raises SummaryError."""
    months = _months(merged)
    table, text = f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}"
    current = _current(table, text, months.digest)
    say = report.unchanged
    if current is None:
        say, current = report.wrote, _write(table, text, months)
    detail = {"of": sorted({months.digest, known})}
    say(table, current["table"], sources=sorted(months.data), detail=detail)
    say(text, current["text"], sources=sorted(months.data), detail=detail)


def _months(merged: str) -> Sources:
    data = {}
    for group in present(merged):
        path = f"{merged}/{group.path}"
        try:
            with open(path, "rb") as file:
                data[path] = file.read()
        except OSError as error:
            raise _unusable(path, error) from error
    prints = {path: hasher(content).hexdigest() for path, content in data.items()}
    return Sources(data, digest((p.removeprefix(f"{merged}/"), f) for p, f in prints.items()))


def _unusable(path: str, error: Exception) -> SummaryError:
    return SummaryError(
        f"{path} cannot be read ({error}), so the summary stays as it was: put back a good copy, "
        "or make it anew with `pipekit run --rebuild`"
    )


def _current(table: str, text: str, wanted: str) -> dict[str, str] | None:
    """The fingerprints of the summary's files if they are those of the months, else None."""
    try:
        with open(text, "rb") as file:
            content = file.read()
        with open(table, "rb") as file:
            fingerprint = hasher(file.read()).hexdigest()
        stated = json.loads(content)
    except (OSError, ValueError):
        return None
    if (stated.get("months"), stated.get("table")) != (wanted, fingerprint):
        return None
    return {"table": fingerprint, "text": hasher(content).hexdigest()}


def _write(table: str, text: str, months: Sources) -> dict[str, str]:
    frame = summarise(_frame(months.data)) if months.data else nothing()
    frame = frame.astype(dict.fromkeys(GROUPS, str))
    data = parquet(frame)
    fingerprint = hasher(data).hexdigest()
    stated = {"months": months.digest, "table": fingerprint, "rows": records(frame)}
    content = (json.dumps(stated, indent=1, ensure_ascii=False) + "\n").encode()
    publish(table, data)
    publish(text, content)
    sync_folders([table], os.path.dirname(table))
    return {"table": fingerprint, "text": hasher(content).hexdigest()}


def _frame(months: Mapping[str, bytes]) -> Any:
    """The columns of all months that the summary is made of, as one data frame.

    Texts are categories in their order: numbers are sorted and grouped in a tenth of the time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for path, data in months.items():
        try:
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=TEXTS, pre_buffer=False)
            tables.append(file.read(columns=COLUMNS, use_threads=False).select(COLUMNS))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise _unusable(path, error) from error
    frame = pa.concat_tables(tables).unify_dictionaries().combine_chunks().to_pandas()
    for name in TEXTS:
        frame[name] = frame[name].cat.reorder_categories(sorted(frame[name].cat.categories))
    return frame


def nothing() -> Any:
    """The summary before the first merged month: the same columns, no line."""
    import pandas as pd
    import pyarrow as pa

    return pd.DataFrame({name: [] for name in _schema(pa).names})


def summarise(rows: Any, by: Sequence[str] = GROUPS) -> Any:
    """One line per variant, stream and slot (or per group of the columns `by`), sorted by them.

    `rows`: a data frame of merged rows. Open trades and days without a trade are counted, and left
    out of everything else. `win_rate` is Win / (Win + BE + Loss + Time), `average` the points a
    trade; both are null without a trade. `max_drawdown` (points, positive): the deepest fall of
    the points cumulated in date order from 0.
    """
    import pandas as pd

    by = list(by)
    rows = rows.sort_values(list(dict.fromkeys([*by, *_ORDER])), kind="stable")
    grouped = rows.groupby(by, sort=True, observed=True)
    counts = pd.crosstab([rows[name] for name in by], rows["result"])
    counts = counts.reindex(columns=[*CLOSED, *OTHERS], fill_value=0).astype("int64")
    counts = counts.rename(columns=CLOSED | OTHERS)
    trades = rows[rows["result"].isin(list(CLOSED))].groupby(by, sort=True, observed=True)
    frame = pd.DataFrame(index=grouped.size().index)
    frame["trades"] = counts[list(CLOSED.values())].sum(axis=1)
    frame[counts.columns] = counts
    traded = frame["trades"].where(frame["trades"] > 0)
    frame["win_rate"] = frame["wins"] / traded
    frame["profit"] = _sum(trades, "profit", frame)
    frame["average"] = frame["profit"] / traded
    frame["profit_usd"] = _sum(trades, "profit_usd", frame)
    falls = trades["profit"].apply(lambda points: drawdown(points.to_numpy()))
    frame["max_drawdown"] = falls.reindex(frame.index, fill_value=0.0).astype("float64")
    return frame.reset_index()


def _sum(trades: Any, column: str, frame: Any) -> Any:
    return trades[column].sum().reindex(frame.index, fill_value=0.0).round(DECIMALS) + 0.0


def drawdown(points: Any) -> float:
    """The deepest fall of cumulated points below their highest standing, which is at first 0."""
    import numpy as np

    standing = np.cumsum(points)
    highest = np.maximum(np.maximum.accumulate(standing), 0.0)
    return round(float((highest - standing).max(initial=0.0)), DECIMALS)


def records(frame: Any) -> list[dict[str, Any]]:
    """The lines of a summary as JSON values."""
    records = frame.to_dict("records")
    return [{k: None if v != v else v for k, v in row.items()} for row in records]  # noqa: PLR0124  # a NaN


def parquet(frame: Any) -> Any:
    """A summary as a Parquet file in a buffer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, schema=_schema(pa), preserve_index=False)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, _schema(pa), compression="zstd") as writer:
        writer.write_table(table.replace_schema_metadata(None))
    return sink.getvalue()


def _schema(pa: Any) -> Any:
    numbers = ["trades", *CLOSED.values(), *OTHERS.values()]
    fractions = ["win_rate", "profit", "average", "profit_usd", "max_drawdown"]
    return pa.schema(
        [(name, pa.string()) for name in GROUPS]
        + [(name, pa.int64()) for name in numbers]
        + [(name, pa.float64()) for name in fractions]
    )


if __name__ == "__main__":
    main()
