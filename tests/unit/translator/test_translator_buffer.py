"""Rows that wait to be published, in memory and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.assemble.buffer import RowBuffer
from pipekit_translator.work.read import rawfile
from pipekit_translator.work.table import Table

SOURCE = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC")
FILE = "data/raw/ES 03-20.Last.txt"


def lines(count: int, first: int = 0) -> str:
    """Ticks of one day, 100 a second."""
    return "".join(
        f"20200106 {8 + at // 360_000:02}{at // 6000 % 60:02}{at // 100 % 60:02} {at % 100:02}00000"
        f";{3000 + at % 400 / 4};{2999 + at % 400 / 4};{3001 + at % 400 / 4};{at % 60}\n"
        for at in range(first, first + count)
    )


def test_rows_that_wait_keep_nothing_alive_that_is_much_larger() -> None:
    """A day of one instrument must not buffer the whole block that it was read in."""
    few = _rows(1000).at(slice(0, 10))
    buffer = RowBuffer(1 << 20, "unused")
    kept = buffer.chunk(buffer.add(few)).load()
    assert same(kept, few)
    columns = zip(kept.columns(), few.columns(), strict=True)
    assert not any(np.shares_memory(*both) for both in columns)


def test_rows_wait_in_memory_as_far_as_they_may_and_then_in_a_file(tmp_path: Path) -> None:
    """All of them come back as they were, in whatever order."""
    tables = [_rows(10, at) for at in range(4)]
    buffer = RowBuffer(2 * 10 * 4 * 8, str(tmp_path / "made when it is needed"))
    numbers = [buffer.add(table) for table in tables[:2]]
    assert not list(tmp_path.iterdir())
    numbers += [buffer.add(table) for table in tables[2:]]
    assert list(tmp_path.iterdir())
    for number, table in reversed(list(zip(numbers, tables, strict=True))):
        chunk = buffer.chunk(number)
        assert (chunk.first, chunk.last) == (table.time[0], table.time[-1])
        assert same(chunk.load(), table)
    buffer.close()


def test_a_file_of_many_chunks_is_named_once_as_the_source_of_a_part(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block of the file gives a chunk."""
    monkeypatch.setattr(rawfile, "BLOCK", 4096)
    project.write(FILE, lines(1000))
    run = project.run(Settings(sources=(SOURCE,), final_after=0.0))
    (wrote,) = [line for line in run.lines if line["verb"] == "wrote"]
    assert wrote["sources"] == [FILE]


def _rows(count: int, first: int = 0) -> Table:
    time = np.arange(first, first + count)
    return Table(time, (time * 1.5, time * 2.5), time * 7)


def test_a_truncated_last_line_is_one_bad_row(project: Any) -> None:
    """Even where it stands alone in the last piece that is read."""
    project.write(FILE, lines(1000) + "202")
    run = project.run(Settings(sources=(SOURCE,), final_after=0.0))
    assert run.paths("rejected") == []
    (bad,) = project.quarantine()
    assert (bad["line"], bad["text"]) == (1001, "202")


def same(one: Table, other: Table) -> bool:
    return one.size == other.size and not one.differs(other).any()
