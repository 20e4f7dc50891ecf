"""However a history is cut into files and runs, the published bytes are the same."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_translator.settings import Source

FIRST = dt.datetime(2020, 10, 30, 20, tzinfo=dt.UTC)  # the clocks change, and a month ends
SOURCE = Source(glob="raw/*.csv", dialect="A", timezone="UTC")

Row = tuple[int, str, int]  # minute, instrument, volume


def export(rows: list[Row]) -> str:
    lines = ["Date,Time,Open,High,Low,Close,Volume,Instrument"]
    for minute, instrument, volume in rows:
        at = FIRST + dt.timedelta(minutes=minute)
        price = 100 + minute % 7 / 4
        lines.append(
            f"{at:%Y-%m-%d,%H:%M:%S},{price},{price + 1},{price - 1},{price},{volume},{instrument}"
        )
    return "\r\n".join(lines) + "\r\n"


def write(root: Path, files: dict[str, list[Row]]) -> list[str]:
    """The names of raw files with these rows."""
    (root / "raw").mkdir(exist_ok=True)
    for name, rows in files.items():
        (root / name).write_text(export(rows))
    return list(files)


def tree(root: Path) -> dict[str, bytes]:
    files = (root / "processed").rglob("*.parquet")
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


ROWS = st.lists(
    st.tuples(st.integers(0, 4 * 1440), st.sampled_from(["ES", "GC"]), st.integers(0, 10**9)),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=ROWS, data=st.data())
def test_the_bytes_do_not_depend_on_files_runs_workers_or_order(
    translate: Any, rows: list[Row], data: st.DataObject
) -> None:
    """All at once in order, against any split into files and runs, some rows given twice."""
    count = data.draw(st.integers(1, 4))
    cut: dict[str, list[Row]] = {}
    for row in data.draw(st.permutations(rows)):
        for place in data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2)):
            cut.setdefault(f"raw/{place}.csv", []).append(row)
    runs = data.draw(st.integers(1, 2))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        translate(Path(one), SOURCE, write(Path(one), {"raw/all.csv": sorted(rows)}))
        names = data.draw(st.permutations(sorted(cut)))
        for run in range(runs):
            now = {name: cut[name] for name in names[run::runs]}
            if now:
                workers = data.draw(st.integers(1, 3))
                translate(Path(other), SOURCE, write(Path(other), now), workers=workers)
        assert tree(Path(one)) == tree(Path(other))
