"""The summary: what each variant, stream and slot earned, over all merged months.

Only functions of pyarrow that do not import pandas are used: that import takes longer than this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipekit.worker import hasher, publish, report
from pipekit_merger.layout import SUMMARY_TABLE, SUMMARY_TEXT, StreamMonth, digest, find_months
from pipekit_merger.work.published import set_aside
from pipekit_merger.work.rows import Ints, Rows, Vocabulary, sort_key, with_sorted_words
from pipekit_merger.work.table import text_array, to_matrix

# Sums of points and dollars are rounded here: prices have at most three decimals, and digits
# after the sixth are floating-point noise.
DECIMALS = 6
GROUPS = ("variant", "stream", "slot")
CLOSED = {"Win": "wins", "BE": "break_evens", "Loss": "losses", "Time": "times"}
COUNTS = {**CLOSED, "Open": "open", "NoTrade": "no_trade"}  # by result
MONTHS_TOGETHER = 12  # read before they are summed up
_AMOUNTS = ("points", "highest", "drawdown", "dollars")  # points: cumulated from 0
_ORDER = ["date", "session", "slot", "instrument"]  # in which trades are cumulated
_TEXTS = [*GROUPS, "session", "instrument", "result"]
_COLUMNS = [*GROUPS, "date", "session", "instrument", "result", "profit", "profit_usd"]

Floats = NDArray[np.float64]
Line = dict[str, Any]  # of the summary: the words of its group, counts and amounts, by column


class SummaryError(Exception):
    """A merged month cannot be read; a summary without it would be wrong."""


class SummedMonths:
    """The sums over months, to which each month is added once: in memory, or else from its file.

    The months of a stream are added in date order. Thread-safe. `fingerprints`: of the files of
    the months added.
    """

    def __init__(self) -> None:
        self.fingerprints: dict[StreamMonth, str] = {}
        self._sums = Sums(GROUPS)
        self._lock = Lock()

    def add(self, rows: Rows, fingerprints: Mapping[StreamMonth, str]) -> None:
        """Add months: their rows, in any order, and the fingerprints of their files."""
        with self._lock:
            self._sums.add(rows)
            self.fingerprints |= fingerprints

    def add_others(self, merged: str, workers: int) -> None:
        """Add the months in the folder `merged` that are not added yet. Raises SummaryError."""
        months = [month for month in find_months(merged) if month not in self.fingerprints]
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(months), MONTHS_TOGETHER):
                some, words = months[start : start + MONTHS_TOGETHER], Vocabulary()
                paths = [f"{merged}/{month.path}" for month in some]
                tables, found = zip(*pool.map(_read_month, paths), strict=True)
                rows = with_sorted_words(to_matrix(tables, words, _COLUMNS), words, _COLUMNS)
                self.add(rows, dict(zip(some, found, strict=True)))

    def lines(self) -> list[Line]:
        """The lines of the summary."""
        return self._sums.lines()


def update_summary(summed: SummedMonths, merged: str, ledger_digest: str, workers: int) -> None:
    """Publish the summary of the months in the folder `merged`, as a unit of its own.

    `summed`: has those that were merged just now. `ledger_digest`, `workers`: see Request.
    """
    with report.unit("summary"):
        summed.add_others(merged, workers)
        lines = summed.lines()
        months = {month.path: found for month, found in summed.fingerprints.items()}
        of = digest(months.items())
        sources = sorted(f"{merged}/{path}" for path in months)
        detail = {"of": sorted({of, ledger_digest})}
        table = bytes(parquet(lines))
        text = _json({"months": of, "table": hasher(table).hexdigest()}, lines)
        for path in (f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}"):
            if os.path.isdir(path):
                report.warning(f"{path} is a folder; it was kept as {set_aside(path)}")
        publish(f"{merged}/{SUMMARY_TABLE}", table, sources=sources, detail=detail)
        publish(f"{merged}/{SUMMARY_TEXT}", text, sources=sources, detail=detail)


def _read_month(path: str) -> tuple[Any, str]:
    """The columns of a month that a summary is made of, and its fingerprint."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        month = pq.ParquetFile(
            pa.BufferReader(data),
            read_dictionary=_TEXTS,
            pre_buffer=False,
            page_checksum_verification=True,
        )
        table = month.read(columns=_COLUMNS, use_threads=False).select(_COLUMNS)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise SummaryError(
            f"{path} cannot be read ({error}), so the summary was left as it is: restore a "
            "good copy, or rebuild it with `pipekit run --rebuild`"
        ) from error
    return table, hasher(data).hexdigest()


def _json(head: dict[str, str], lines: Sequence[Line]) -> bytes:
    """JSON with each of the lines on a line of its own."""
    start = json.dumps({**head, "rows": []}).removesuffix("]}")
    rows = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    return f"{start}\n{rows}\n]}}\n".encode()


def summarise(rows: Rows, by: Sequence[str] = GROUPS) -> list[Line]:
    """The summary of rows: a line for each variant, stream and slot, or for other groups `by`."""
    sums = Sums(by)
    sums.add(rows)
    return sums.lines()


class Sums:
    """Totals of rows, by the words of the columns `by`; each group's number is its column."""

    def __init__(self, by: Sequence[str]) -> None:
        self._by = by
        self._numbers: dict[tuple[str, ...], int] = {}
        self._counts = np.zeros((len(COUNTS), 0), np.int64)
        self._amounts = np.zeros((len(_AMOUNTS), 0))

    def add(self, rows: Rows) -> None:
        """Add rows in any order; the rows of a group added before must all be older."""
        if not len(rows):
            return
        numbers, group = self._groups(rows)
        size, words, result = len(numbers), rows.words["result"], rows["result"]
        found = np.bincount(group * len(words) + result, minlength=size * len(words))
        for count, word in zip(self._counts, COUNTS, strict=True):
            if word in words:
                count[numbers] += found[words.index(word) :: len(words)]
        trades = np.flatnonzero(np.array([word in CLOSED for word in words])[result])
        trades = trades[np.lexsort([sort_key(rows, _ORDER)[trades], group[trades]])]
        profit, usd = (rows[name][trades].view(np.float64) for name in ("profit", "profit_usd"))
        points, highest, drawdown, dollars = self._amounts[:, numbers]
        changes = _side_by_side(profit, group[trades], size)
        curve = np.cumsum(np.column_stack([points, changes]), axis=1)
        peaks = np.maximum(np.maximum.accumulate(curve, axis=1), highest[:, None])
        drawdown = np.maximum(drawdown, (peaks - curve).max(axis=1))
        np.add.at(dollars, group[trades], usd)  # one by one: the sum of any split is the same
        self._amounts[:, numbers] = curve[:, -1], peaks[:, -1], drawdown, dollars

    def _groups(self, rows: Rows) -> tuple[Ints, Ints]:
        """The numbers of the groups that rows are of, and for each row its place among these."""
        code = np.zeros(len(rows), np.int64)
        for name in self._by:
            code = code * len(rows.words[name]) + rows[name]
        _, first, group = np.unique(code, return_index=True, return_inverse=True)
        texts = [[rows.words[name][at] for at in rows[name][first]] for name in self._by]
        known = self._numbers
        numbers = [known.setdefault(words, len(known)) for words in zip(*texts, strict=True)]
        new = ((0, 0), (0, len(known) - self._counts.shape[1]))
        self._counts, self._amounts = np.pad(self._counts, new), np.pad(self._amounts, new)
        return np.array(numbers, np.int64), group

    def lines(self) -> list[Line]:
        """A line for each group, sorted by their words.

        Open trades and slots without a trade are counted, and left out of everything else.
        `win_rate` is Win / (Win + BE + Loss + Time); `average` is the points of a trade; both are
        None without a trade. `max_drawdown`: of the points, cumulated in date order from 0.
        """
        return [
            {**dict(zip(self._by, words, strict=True)), **self._line(number)}
            for words, number in sorted(self._numbers.items())
        ]

    def _line(self, number: int) -> Line:
        counts = dict(zip(COUNTS.values(), self._counts[:, number].tolist(), strict=True))
        trades = sum(counts[name] for name in CLOSED.values())
        profit, _, drawdown, dollars = map(_rounded, self._amounts[:, number].tolist())
        return {
            "trades": trades,
            **counts,
            "win_rate": counts["wins"] / trades if trades else None,
            "profit": profit,
            "average": profit / trades if trades else None,
            "profit_usd": dollars,
            "max_drawdown": drawdown,
        }


def _side_by_side(values: Floats, of: Ints, groups: int) -> Floats:
    """A line for each group: its values in order, padded with zeros; `of` (the group) ascends."""
    place = np.arange(len(of)) - np.searchsorted(of, of)
    lines = np.zeros((groups, int(place.max(initial=0)) + 1))
    lines[of, place] = values
    return lines


def _rounded(amount: float) -> float:
    return round(amount, DECIMALS) + 0.0  # turns -0.0 into 0.0


def max_drawdown(amounts: Floats) -> float:
    """The maximum drawdown of amounts, cumulated from 0."""
    curve = np.append(0.0, np.cumsum(amounts))
    return _rounded(float((np.maximum.accumulate(curve) - curve).max()))


def parquet(lines: Sequence[Line]) -> Any:
    """A summary as a Parquet file in a buffer."""
    arrays = [_array(field.type, [line[field.name] for line in lines]) for field in SCHEMA]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
    return sink.getvalue()


def _array(kind: Any, values: Sequence[Any]) -> Any:
    """An Arrow array, made of buffers: `pa.array` imports pandas if it is installed."""
    if kind == pa.string():
        return text_array(values)
    there = np.array([value is not None for value in values], np.bool_)
    plain = np.array([value or 0 for value in values], kind.to_pandas_dtype())
    valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(plain)])


_NUMBERS = ("trades", *COUNTS.values())
_FRACTIONS = ("win_rate", "profit", "average", "profit_usd", "max_drawdown")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in GROUPS]
    + [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.float64()) for name in _FRACTIONS]
)
