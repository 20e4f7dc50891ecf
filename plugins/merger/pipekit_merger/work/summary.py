"""The summary: what each variant, stream and slot earned, over all merged months.

Only those functions of pyarrow are used that do not import pandas, which takes longer than this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipekit.worker import hasher, publish, report
from pipekit_merger.layout import SUMMARY_TABLE, SUMMARY_TEXT, digest, find_months
from pipekit_merger.work.aggregate import CLOSED, COUNTS, aggregate, columns, equity, total
from pipekit_merger.work.rows import Ints, Rows, Vocabulary, with_sorted_words
from pipekit_merger.work.table import text_array, to_matrix

# Sums of points and dollars are rounded here: prices have at most three decimals, and what comes
# behind the sixth is the noise of binary fractions.
DECIMALS = 6
GROUPS = ("variant", "stream", "slot")
MONTHS_TOGETHER = 12  # read before they are summed up
_TEXTS = [*GROUPS, "session", "instrument", "result"]
_COLUMNS = [*GROUPS, "date", "session", "instrument", "result", "profit", "profit_usd"]

Line = dict[str, Any]
"""A line of the summary: the words of its group, counts and amounts, by column."""


class SummaryError(Exception):
    """A merged month cannot be read; a summary without it would be wrong."""


def update_summary(merged: str, ledger_digest: str) -> None:
    """Publish the summary of the months that are in the folder `merged`; a unit of its own.

    `ledger_digest`: see Request.
    """
    with report.unit("summary"):
        months, aggregates = _read_months(merged)
        of = digest((path.removeprefix(f"{merged}/"), found) for path, found in months.items())
        lines = to_lines(aggregates, GROUPS)
        sources, detail = sorted(months), {"of": sorted({of, ledger_digest})}
        table = bytes(parquet(lines))
        text = _json({"months": of, "table": hasher(table).hexdigest()}, lines)
        publish(f"{merged}/{SUMMARY_TABLE}", table, sources=sources, detail=detail)
        publish(f"{merged}/{SUMMARY_TEXT}", text, sources=sources, detail=detail)


def _read_months(merged: str) -> tuple[dict[str, str], Rows]:
    """The fingerprint of each month by its path, and the aggregates of all."""
    months = [f"{merged}/{month.path}" for month in find_months(merged)]
    fingerprints: dict[str, str] = {}
    vocabulary = Vocabulary()
    parts = [np.empty((len(columns(GROUPS)), 0), np.int64)]
    for start in range(0, len(months), MONTHS_TOGETHER):
        tables = []
        for path in months[start : start + MONTHS_TOGETHER]:
            table, fingerprints[path] = _read_month(path)
            tables.append(table)
        parts.append(_aggregates(tables, vocabulary))
    values = np.concatenate(parts, axis=1)
    return fingerprints, with_sorted_words(values, vocabulary, columns(GROUPS))


def _read_month(path: str) -> tuple[Any, str]:
    """The columns of a month that a summary is made of, and its fingerprint."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        month = pq.ParquetFile(pa.BufferReader(data), read_dictionary=_TEXTS, pre_buffer=False)
        table = month.read(columns=_COLUMNS, use_threads=False).select(_COLUMNS)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise SummaryError(
            f"{path} cannot be read ({error}), so the summary was left as it is: restore a "
            "good copy, or make it again with `pipekit run --rebuild`"
        ) from error
    return table, hasher(data).hexdigest()


def _aggregates(tables: Sequence[Any], vocabulary: Vocabulary) -> Ints:
    """The aggregates of some months, coded by `vocabulary`."""
    own = Vocabulary()
    found = aggregate(with_sorted_words(to_matrix(tables, own, _COLUMNS), own, _COLUMNS), GROUPS)
    for line, name in enumerate(GROUPS, columns(GROUPS).index(GROUPS[0])):
        found.values[line] = vocabulary.codes(name, found.words[name])[found.values[line]]
    return found.values


def _json(head: dict[str, str], lines: Sequence[Line]) -> bytes:
    """JSON with each of the lines on a line of its own."""
    start = json.dumps({**head, "rows": []}).removesuffix("]}")
    rows = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    return f"{start}\n{rows}\n]}}\n".encode()


def summarise(rows: Rows, by: Sequence[str] = GROUPS) -> list[Line]:
    """The summary of rows: a line for each variant, stream and slot, or for other groups `by`."""
    return to_lines(aggregate(rows, by), by)


def to_lines(aggregates: Rows, by: Sequence[str]) -> list[Line]:
    """The summary of months, by group, sorted by the words of the groups.

    Open trades and slots without a trade are counted, and left out of everything else. `win_rate`
    is Win / (Win + BE + Loss + Time); `average` is the points of a trade; both are None where there
    is no trade. `max_drawdown`: of the points, cumulated in date order from 0.
    """
    groups = total(aggregates, by)
    words = [[groups.words[name][code] for code in groups[name].tolist()] for name in by]
    counts = [groups[name].tolist() for name in COUNTS]
    points, dollars, drawdowns = (
        groups[name].view(np.float64).tolist() for name in ("points", "dollars", "drawdown")
    )
    return [
        {
            **{name: word[at] for name, word in zip(by, words, strict=True)},
            **_line([count[at] for count in counts], points[at], dollars[at], drawdowns[at]),
        }
        for at in range(len(groups))
    ]


def _line(counts: Sequence[int], points: float, dollars: float, drawdown: float) -> Line:
    trades = sum(counts[: len(CLOSED)])
    named = dict(zip(COUNTS, counts, strict=True))
    profit = _rounded(points)
    return {
        "trades": trades,
        **named,
        "win_rate": named["wins"] / trades if trades else None,
        "profit": profit,
        "average": profit / trades if trades else None,
        "profit_usd": _rounded(dollars),
        "max_drawdown": _rounded(drawdown),
    }


def _rounded(amount: float) -> float:
    return round(amount, DECIMALS) + 0.0  # turns -0.0 into 0.0


def max_drawdown(amounts: Any) -> float:
    """The maximum drawdown of amounts (an array), cumulated from 0."""
    (drawdown,) = equity(np.append(amounts, 0.0)[None]).drawdown.tolist()
    return _rounded(drawdown)


def parquet(lines: Sequence[Line]) -> Any:
    """A summary as a Parquet file in a buffer."""
    arrays = [_array(field.type, [line[field.name] for line in lines]) for field in SCHEMA]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
    return sink.getvalue()


def _array(kind: Any, values: Sequence[Any]) -> Any:
    """An Arrow array, made of buffers: `pa.array` imports pandas where it is installed."""
    if kind == pa.string():
        return text_array(values)
    there = np.array([value is not None for value in values], np.bool_)
    plain = np.array([value or 0 for value in values], kind.to_pandas_dtype())
    valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(plain)])


_NUMBERS = ("trades", *COUNTS)
_FRACTIONS = ("win_rate", "profit", "average", "profit_usd", "max_drawdown")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in GROUPS]
    + [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.float64()) for name in _FRACTIONS]
)
