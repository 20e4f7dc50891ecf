"""Run files as the analyzer leaves them behind, a week a run; cut from one real analysis of all.

Each run looks again at its last days before the week, as the analyzer does for trades that were
still open: rows of several runs have one key, and the last run's counts. The files are written by
the analyzer's own function, with the scope that it states.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pipekit_analyzer.work import rows
from pyarrow import parquet

WEEK, AGAIN = 5, 2  # days that are new in a run, and days before them that it computes again


def cut(analysis: Path, folder: Path, runs: int, first: int = 0) -> None:
    """Write the files of `runs` runs from number `first` on."""
    for file in sorted(analysis.glob("*.parquet")):
        opened = parquet.ParquetFile(file)
        whole = opened.read().replace_schema_metadata()
        metadata = {
            name.decode().removeprefix("pipekit."): json.loads(value)
            for name, value in opened.metadata.metadata.items()
            if name.startswith(b"pipekit.")
        }
        metadata["inputs"] = dict(list(metadata["inputs"].items())[:2])
        for number, days in _weeks(whole, runs, first):
            part = _still_open(whole.filter(pc.is_in(whole["date"], days)), days[-1])
            path = folder / f"01900000-0000-7000-8000-{number:012}" / file.name
            stated = {**metadata, "scope": _scope(file.stem, whole, days)}
            rows.publish_table(str(path), part, metadata=stated, sources=[], detail={})


def _weeks(whole: pa.Table, runs: int, first: int) -> Iterator[tuple[int, pa.Array]]:
    days = pc.unique(whole["date"]).sort()
    for number in range(first, first + runs):
        end = AGAIN + WEEK * (number + 1)
        if end > len(days):
            return
        yield number, days[end - AGAIN - WEEK : end]


def _scope(instrument: str, whole: pa.Table, days: pa.Array) -> dict[str, object]:
    slots = whole.select(["session", "slot"]).group_by(["session", "slot"]).aggregate([])
    part = {
        "variants": sorted(pc.unique(whole["variant"]).to_pylist()),
        "slots": sorted([row["session"], row["slot"]] for row in slots.to_pylist()),
        "dates": [[str(days[0]), str(days[-1])]],
    }
    return {"version": 1, "instrument": instrument, "parts": [part]}


def _still_open(part: pa.Table, day: pa.Scalar) -> pa.Table:
    """The trades of the last day have not ended when the run looks at them."""
    traded = pc.and_(pc.equal(part["date"], day), pc.not_equal(part["result"], "NoTrade"))
    news = {
        "result": "Open",
        "exit_time": pa.scalar(None, part["exit_time"].type),
        "exit_price": pa.scalar(None, pa.float64()),
        "peak": pc.divide(part["peak"], 2.0),
    }
    for name, value in news.items():
        at = part.column_names.index(name)
        column = pc.if_else(traded, value, part[name])
        part = part.set_column(at, part.schema.field(name), column)
    return part
