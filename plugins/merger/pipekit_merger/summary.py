"""The summary's process: what each variant, stream and slot earned, over all merged months.

Knows nothing of run files. pandas stays out: importing it takes longer than all of this. Request
(JSON on standard input): `merged`, the folder of the merged results; `known`, the digest of the
months by what the ledger knows, to be remembered with the summary.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
import pyarrow as pa  # noqa: TID253  # as above
import pyarrow.parquet as pq  # noqa: TID253  # as above

from pipekit.worker import hasher, report, request
from pipekit_merger.months import present, publish, sync_folders
from pipekit_merger.rows import Ints, Rows, Words, ordered
from pipekit_merger.stale import SUMMARY_TABLE, SUMMARY_TEXT, digest
from pipekit_merger.table import matrix, texts

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
    lines = summarise(_rows(months.data)) if months.data else []
    data = parquet(lines)
    fingerprint = hasher(data).hexdigest()
    stated = {"months": months.digest, "table": fingerprint, "rows": lines}
    content = (_text(stated) + "\n").encode()
    publish(table, data)
    publish(text, content)
    sync_folders([table], os.path.dirname(table))
    return {"table": fingerprint, "text": hasher(content).hexdigest()}


def _text(stated: Mapping[str, Any]) -> str:
    """JSON with a line for each of the rows; indented, it would take ten times as long."""
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in stated["rows"])
    head = json.dumps({**stated, "rows": []}, ensure_ascii=False)
    return f"{head.removesuffix(']}')}\n{rows}\n]}}"


def _rows(months: Mapping[str, bytes]) -> Rows:
    """The columns of all months that the summary is made of."""
    words, tables = Words(), []
    for path, data in months.items():
        try:
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=TEXTS, pre_buffer=False)
            tables.append(file.read(columns=COLUMNS, use_threads=False).select(COLUMNS))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise _unusable(path, error) from error
    return ordered(matrix(tables, words, COLUMNS), words, COLUMNS)


def summarise(rows: Rows, by: Sequence[str] = GROUPS) -> list[dict[str, Any]]:
    """A line per variant, stream and slot (or per group of the columns `by`), sorted by them.

    Open trades and days without a trade are counted, and left out of everything else. `win_rate` is
    Win / (Win + BE + Loss + Time), `average` the points a trade; both are None without a trade.
    `max_drawdown` (points): the deepest fall of the points cumulated in date order from 0.
    """
    code = np.zeros(len(rows), np.int64)
    for name in by:
        code = code * len(rows.words[name]) + rows[name]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    counts = _counts(rows, group, len(first))
    closed = np.isin(rows["result"], _ranks(rows, CLOSED))
    trades = rows.take(np.flatnonzero(closed))
    order = np.lexsort([*(trades[name] for name in reversed(_ORDER)), group[closed]])
    trades, of = trades.take(order), group[closed][order]
    points, dollars = (trades[name].view(np.float64) for name in ("profit", "profit_usd"))
    sums = [np.bincount(of, values, len(first)) for values in (points, dollars)]
    ends = np.searchsorted(of, np.arange(len(first) + 1)).tolist()
    lines = []
    for number, row in enumerate(first.tolist()):
        line = {name: rows.words[name][int(rows[name][row])] for name in by}
        fall = drawdown(points[ends[number] : ends[number + 1]])
        profit, usd = (round(float(values[number]), DECIMALS) + 0.0 for values in sums)
        lines.append(line | _line(counts[number].tolist(), profit, usd, fall))
    return lines


def _counts(rows: Rows, group: Ints, groups: int) -> Ints:
    """How many rows of each group have each result, in the order of CLOSED and OTHERS."""
    kinds = [*CLOSED, *OTHERS]
    counts = np.zeros((groups, len(kinds)), np.int64)
    for column, kind in enumerate(kinds):
        found = group[np.isin(rows["result"], _ranks(rows, [kind]))]
        counts[:, column] = np.bincount(found, minlength=groups)
    return counts


def _ranks(rows: Rows, words: Iterable[str]) -> list[int]:
    there = rows.words["result"]
    return [there.index(word) for word in words if word in there]


def _line(counts: list[int], profit: float, usd: float, fall: float) -> dict[str, Any]:
    trades = sum(counts[: len(CLOSED)])
    named = dict(zip([*CLOSED.values(), *OTHERS.values()], counts, strict=True))
    return {
        "trades": trades,
        **named,
        "win_rate": named["wins"] / trades if trades else None,
        "profit": profit,
        "average": profit / trades if trades else None,
        "profit_usd": usd,
        "max_drawdown": fall,
    }


def drawdown(points: Any) -> float:
    """The deepest fall of cumulated points below their highest standing, which is at first 0."""
    standing = np.cumsum(points)
    highest = np.maximum(np.maximum.accumulate(standing), 0.0)
    return round(float((highest - standing).max(initial=0.0)), DECIMALS)


def parquet(lines: Sequence[Mapping[str, Any]]) -> Any:
    """A summary as a Parquet file in a buffer."""
    arrays = [_array(field.type, [line[field.name] for line in lines]) for field in SCHEMA]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
    return sink.getvalue()


def _array(kind: Any, values: Sequence[Any]) -> Any:
    """Built of buffers: `pa.array` imports pandas where it is installed."""
    if kind == pa.string():
        return texts(values)
    there = np.array([value is not None for value in values], np.bool_)
    plain = np.array([value or 0 for value in values], kind.to_pandas_dtype())
    valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(plain)])


_NUMBERS = ("trades", *CLOSED.values(), *OTHERS.values())
_FRACTIONS = ("win_rate", "profit", "average", "profit_usd", "max_drawdown")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in GROUPS]
    + [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.float64()) for name in _FRACTIONS]
)


if __name__ == "__main__":
    main()
