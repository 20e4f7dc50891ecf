"""The worker as a process: its memory, its imports, and what it leaves when it is killed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pipekit_translator.settings import Source
from pyarrow.parquet import ParquetFile

TICKS = Source(glob="*", dialect="N", timezone="UTC")
BARS = Source(glob="*", dialect="D")
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
def test_a_large_file_takes_no_more_memory_than_it_may(worker: Any) -> None:
    """200 MB of ticks, whose rows would be 170 MB beside what any worker needs (200 MB).

    The first worker compiles the kernel, which takes some 40 MB more for a moment: that is the
    slack, and the first of the two here.
    """
    limit, slack = 256, 44
    small, peaks = lines(300_000), []
    root = worker(TICKS)
    for number, days in ((1, 2), (2, 14)):
        text = [small.replace("20200106", f"2020{number:02}{6 + day:02}") for day in range(days)]
        name = root.write(f"ES 0{number}-20.Last.txt", "".join(text))
        done = root.run(name, code=PEAK, memory=limit * 1_000_000)
        assert done.returncode == 0, done.stderr.decode()
        peaks.append(int(done.stdout))
    assert peaks[1] <= limit + slack, peaks
    (day,) = (root.root / "processed").rglob("ES_tick_2020-02-19.parquet")
    assert ParquetFile(day).metadata.num_rows == small.count("\n")


KILL = """
import os, sys
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
def test_a_worker_killed_between_days_leaves_each_old_or_new(worker: Any, after: int) -> None:
    """And a rerun ends in the bytes of a run that was not killed."""
    old = lines(50) + lines(50).replace("20200106", "20200107")
    more = lines(100) + "".join(lines(100).replace("20200106", f"2020010{n}") for n in (7, 8))
    for each in (killed := worker(TICKS), other := worker(TICKS, "other")):
        each.run(each.write("ES 03-20.txt", old))
        each.write("ES 06-20.txt", more)
    before = killed.tree()
    other.run("ES 06-20.txt")
    done = killed.run("ES 06-20.txt", code=KILL, words=(str(after),), workers=1)
    assert done.returncode == 9
    for name, data in killed.tree().items():
        assert data in (before.get(name), other.tree()[name])
    killed.run("ES 06-20.txt")
    assert killed.tree() == other.tree()


def test_temporary_files_are_reported_before_they_exist(worker: Any) -> None:
    """So that the run removes them when a worker was killed."""
    root = worker(TICKS)
    root.run(root.write("ES 03-20.txt", lines(50)), code=KILL, words=("0",))
    (reported,) = (line["path"] for line in root.lines() if line["verb"] == "temporary")
    assert [str(path) for path in root.root.rglob(".*.tmp")] == [reported]


def test_workers_import_neither_pandas_nor_numba_for_small_input(worker: Any) -> None:
    """And they work by hand, without a run."""
    code = (
        "import sys; from pipekit_translator.worker import main; main([]); "
        "sys.exit(bool({'pandas', 'numba', 'llvmlite'} & set(sys.modules)))"
    )
    root = worker(BARS)
    header = "timestamp_utc,open,high,low,close,volume\n"
    name = root.write("ES_1m.csv", f"{header}2020-01-06T09:30:00Z,10,12,9,11,5\n")
    assert root.run(name, code=code).returncode == 0
    assert list(root.tree()) == ["ES_1m_2020-01.parquet"]


def test_planning_imports_no_data_library() -> None:
    code = (
        "import sys, pipekit_translator.plugin; "
        "sys.exit(bool({'numpy', 'pyarrow', 'pandas', 'numba'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("stage", ["translator", "analyzer", "merger"])
def test_a_self_check_reads_no_request(stage: str) -> None:
    words = [sys.executable, "-m", f"pipekit_{stage}.worker", "--check"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode == 0
