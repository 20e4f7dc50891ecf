"""The summary: what each variant, stream and slot earned, over all merged months.

The merge makes it at its end; where there is nothing to merge it has a process of its own. Knows
nothing of run files. pandas stays out: importing it takes longer than all of this. Request (JSON on
standard input): `merged`, the folder of the merged results; `known`, the digest of the months by
what the ledger knows, to be remembered with the summary; `tallies`, where those of the months are
kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
import pyarrow as pa  # noqa: TID253  # as above
import pyarrow.parquet as pq  # noqa: TID253  # as above

from pipekit.worker import hasher, leave, report, request
from pipekit_merger.months import present, publish, sync_folders
from pipekit_merger.rows import Rows, Words, ordered
from pipekit_merger.stale import SUMMARY_TABLE, SUMMARY_TEXT, digest
from pipekit_merger.table import matrix, texts
from pipekit_merger.tallies import GROUPS, Tallies, tally_of
from pipekit_merger.tally import CLOSED, COUNTS, course, tally, total

# Sums of points and dollars are rounded here: prices have at most three decimals, and what comes
# behind the sixth is the noise of binary fractions.
DECIMALS = 6
_TEXTS = [*GROUPS, "session", "instrument", "result"]
_COLUMNS = [*GROUPS, "date", "session", "instrument", "result", "profit", "profit_usd"]


class SummaryError(Exception):
    """A merged month that cannot be read: a summary without it would be wrong."""


def main() -> None:
    """Bring the summary up to date with the months."""
    wanted = request()
    update(wanted["merged"], wanted["known"], Tallies(wanted["tallies"]))


def update(merged: str, known: str, tallies: Tallies) -> None:
    """Write the summary's two files unless they are those of the months; a unit.

    `tallies`: of months by their fingerprints, as many as are known; those missing are added.
    """
    with report.unit("summary"):
        prints = _fingerprints(merged, tallies)
        of = digest((path.removeprefix(f"{merged}/"), print_) for path, print_ in prints.items())
        table, text = f"{merged}/{SUMMARY_TABLE}", f"{merged}/{SUMMARY_TEXT}"
        current = _current(table, text, of)
        say = report.unchanged
        if current is None:
            found = lines(tallies.of(prints.values()), GROUPS)
            say, current = report.wrote, _write(table, text, found, of)
        tallies.keep(prints.values())
        detail = {"of": sorted({of, known})}
        say(table, current["table"], sources=sorted(prints), detail=detail)
        say(text, current["text"], sources=sorted(prints), detail=detail)


def _fingerprints(merged: str, tallies: Tallies) -> dict[str, str]:
    """The fingerprint of each month by its path; each one's tallies are there then."""
    prints = {}
    for group in present(merged):
        path = f"{merged}/{group.path}"
        try:
            with open(path, "rb") as file:
                data = file.read()
            prints[path] = hasher(data).hexdigest()
            if prints[path] not in tallies:
                tallies.add(prints[path], tally_of(_rows(data)))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise _unusable(path, error) from error
    return prints


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


def _write(table: str, text: str, rows: Sequence[Mapping[str, Any]], of: str) -> dict[str, str]:
    data = parquet(rows)
    fingerprint = hasher(data).hexdigest()
    stated = {"months": of, "table": fingerprint, "rows": rows}
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


def _rows(data: bytes) -> Rows:
    """The columns of a month that its tallies are made of."""
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=_TEXTS, pre_buffer=False)
    table = file.read(columns=_COLUMNS, use_threads=False).select(_COLUMNS)
    words = Words()
    return ordered(matrix([table], words, _COLUMNS), words, _COLUMNS)


def summarise(rows: Rows, by: Sequence[str] = GROUPS) -> list[dict[str, Any]]:
    """A line per variant, stream and slot (or per group of the columns `by`), sorted by them."""
    return lines(tally(rows, by), by)


def lines(tallies: Rows, by: Sequence[str]) -> list[dict[str, Any]]:
    """What tallies of months come to, by group.

    Open trades and days without a trade are counted, and left out of everything else. `win_rate` is
    Win / (Win + BE + Loss + Time), `average` the points a trade; both are None without a trade.
    `max_drawdown` (points): the deepest fall of the points cumulated in date order from 0.
    """
    groups = total(tallies, by)
    words = [[groups.words[name][rank] for rank in groups[name].tolist()] for name in by]
    counts = [groups[name].tolist() for name in COUNTS]
    amounts = [groups[name].view(np.float64).tolist() for name in ("points", "dollars", "fall")]
    return [
        dict(zip(by, names, strict=True)) | _line(numbers, *map(_rounded, sums))
        for names, numbers, sums in zip(
            zip(*words, strict=True), zip(*counts, strict=True), zip(*amounts, strict=True),
            strict=True,
        )
    ]  # fmt: skip


def _line(counts: Sequence[int], profit: float, usd: float, fall: float) -> dict[str, Any]:
    trades = sum(counts[: len(CLOSED)])
    named = dict(zip(COUNTS, counts, strict=True))
    return {
        "trades": trades,
        **named,
        "win_rate": named["wins"] / trades if trades else None,
        "profit": profit,
        "average": profit / trades if trades else None,
        "profit_usd": usd,
        "max_drawdown": fall,
    }


def _rounded(amount: float) -> float:
    return round(amount, DECIMALS) + 0.0  # which makes a zero of -0.0


def drawdown(amounts: Any) -> float:
    """The deepest fall of cumulated amounts below their highest standing, which is at first 0."""
    (fall,) = course(np.append(amounts, 0.0)[None]).fall.tolist()
    return _rounded(fall)


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


_NUMBERS = ("trades", *COUNTS)
_FRACTIONS = ("win_rate", "profit", "average", "profit_usd", "max_drawdown")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in GROUPS]
    + [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.float64()) for name in _FRACTIONS]
)


if __name__ == "__main__":
    main()
    leave()
