"""Memory stays bounded, and what a killed worker leaves is old or new, never half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipekit_translator.work.assemble.buffer import RowBuffer
from pipekit_translator.settings import Settings, Source
from pipekit_translator.work.table import Table
from pyarrow.parquet import ParquetFile

SOURCE = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC")
FILE = "data/raw/ES 03-20.Last.txt"
PEAK = (
    "import re; from pipekit_translator.worker import main; main([]); "
    # not ru_maxrss, which goes on from what the process was before it became this program
    "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
)


def lines(count: int, first: int = 0) -> str:
    """Ticks of one day, 100 a second."""
    return "".join(
        f"20200106 {8 + at // 360_000:02}{at // 6000 % 60:02}{at // 100 % 60:02} {at % 100:02}00000"
        f";{3000 + at % 400 / 4};{2999 + at % 400 / 4};{3001 + at % 400 / 4};{at % 60}\n"
        for at in range(first, first + count)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="memory as Linux counts it")
def test_a_large_file_takes_no_more_memory_than_it_may(project: Any) -> None:
    """200 MB of ticks, whose rows would be 170 MB beside what any worker needs (200 MB).

    The first worker of a project compiles the kernel, which takes some 40 MB more for a moment:
    that is the slack, and the first of the two here.
    """
    limit, slack = 256, 44
    settings = Settings(sources=(SOURCE,), memory=f"{limit}MB")
    small = lines(300_000)
    peaks = []
    for number, days in ((1, 2), (2, 14)):
        path = f"data/raw/ES 0{number}-20.Last.txt"
        with project.write(path, "").open("w") as file:
            for day in range(days):
                file.write(small.replace("20200106", f"2020{number:02}{6 + day:02}"))
        os.utime(project.root / path, (1_700_000_000, 1_700_000_000))
        (task,) = project.plan(settings).tasks
        request = json.loads(task.command.stdin)
        request["files"] = [file for file in request["files"] if file["path"] == path]
        done = subprocess.run(
            [sys.executable, "-c", PEAK],
            cwd=project.root,
            input=json.dumps(request).encode(),
            capture_output=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] <= limit + slack, peaks
    day = project.day("ES", "2020-02-19")
    assert ParquetFile(day).metadata.num_rows == small.count("\n")


def test_rows_that_wait_keep_nothing_alive_that_is_much_larger() -> None:
    """A day of one instrument must not hold the whole block that it was read in."""
    whole = _rows(1000)
    few = whole.at(slice(0, 10)).own()
    assert few.same(whole.at(slice(0, 10)))
    assert all(column.base is None for column in few.columns())
    most = whole.at(slice(0, 950))
    assert most.own() is most


def test_rows_wait_in_memory_as_far_as_they_may_and_then_in_a_file(tmp_path: Path) -> None:
    """All of them come back as they were, in whatever order."""
    tables = [_rows(10, at) for at in range(4)]
    hold = RowBuffer(2 * 10 * 4 * 8, str(tmp_path / "made when it is needed"))
    chunks = [hold.add(table) for table in tables[:2]]
    assert not list(tmp_path.iterdir())
    chunks += [hold.add(table) for table in tables[2:]]
    assert list(tmp_path.iterdir())
    for chunk, table in reversed(list(zip(chunks, tables, strict=True))):
        assert (chunk.first, chunk.last) == (table.time[0], table.time[-1])
        assert chunk.load().same(table)
    hold._file.close()  # which else goes with the process


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


KILL = """
import os, sys
import pipekit_translator.store as store
from pipekit_translator.worker import main
real, left = os.replace, [int(sys.argv[1])]
def replace(source, target):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    real(source, target)
os.replace = replace
main([])
"""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_worker_killed_between_days_leaves_each_old_or_new(
    project: Any, new_project: Any, after: int
) -> None:
    """And a rerun ends in the bytes of a run that was not killed."""
    settings = Settings(sources=(SOURCE,), memory=1_000_000)
    old = lines(50) + lines(50).replace("20200106", "20200107")
    more = lines(100) + "".join(lines(100).replace("20200106", f"2020010{n}") for n in (7, 8))
    for each in (project, other := new_project()):
        each.write(FILE, old)
        each.run(settings)
    before = project.tree()
    other.write("data/raw/ES 06-20.Last.txt", more)
    other.run(settings)
    project.write("data/raw/ES 06-20.Last.txt", more)
    (task,) = project.plan(settings, workers=1).tasks
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(after)],
        cwd=project.root,
        input=task.command.stdin,
        check=False,
    )
    assert done.returncode == 9
    now = {
        name: data for name, data in project.tree().items() if not Path(name).name.startswith(".")
    }
    for name, data in now.items():
        assert data in (before.get(name), other.tree()[name])
    assert project.plan(settings)
    project.run(settings)
    assert project.tree() == other.tree()
