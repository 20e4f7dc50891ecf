"""Compiled kernels in a worker: announced, used again, switched off, and forbidden."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import pytest
from pipekit_translator.settings import Source

SOURCE = Source(glob="*", dialect="D")
FIRST = dt.datetime(2019, 1, 1)
USES_NUMBA = (
    "import sys; from pipekit_translator.worker import main; main([]); "
    "print('numba' in sys.modules)"
)
LARGE = {"size": 16 << 20}  # as the plan counted it; so the test needs no such file


def export(minutes: int) -> str:
    stamps = (FIRST + dt.timedelta(minutes=at) for at in range(minutes))
    rows = [f"{at:%Y-%m-%dT%H:%M:%S}Z,10.25,12,9,11.5,{n}\n" for n, at in enumerate(stamps)]
    return "".join(["timestamp_utc,open,high,low,close,volume\n", *rows])


def test_the_first_worker_says_that_it_compiles_and_the_second_does_not(
    worker: Any, tmp_path: Path
) -> None:
    root = worker(SOURCE, cache=tmp_path / "cache")
    name = root.write("ES_1m.csv", export(100))
    assert root.run(name, code=USES_NUMBA, **LARGE).stdout == b"True\n"
    (warning,) = root.warnings()
    assert warning.startswith("compiling the kernel 'scan' for this machine (once, about ")
    assert root.run(name, code=USES_NUMBA, **LARGE).stdout == b"True\n"
    assert root.warnings() == []


def test_kernels_can_be_switched_off(worker: Any) -> None:
    """The bytes are the same."""
    trees = []
    for kernels in ("auto", "off"):
        root = worker(SOURCE, kernels)
        name = root.write("ES_1m.csv", export(3000))
        done = root.run(name, code=USES_NUMBA, kernels=kernels, **LARGE)
        assert done.stdout == (b"True\n" if kernels == "auto" else b"False\n")
        trees.append(root.tree())
    assert trees[0] == trees[1]


def test_many_small_files_need_no_kernel(worker: Any) -> None:
    """They are read together, so numba would only cost its memory."""
    root = worker(SOURCE)
    names = [root.write(f"ES_1m_{at}.csv", export(2)) for at in range(1000)]
    assert root.run(*names, code=USES_NUMBA).stdout == b"False\n"


def test_a_file_without_rows_is_empty_for_the_kernel_too(worker: Any) -> None:
    """Also where each row would name its instrument."""
    root = worker(Source(glob="*", dialect="A", timezone="UTC"))
    name = root.write("export.csv", "Date,Time,Open,High,Low,Close,Volume,Instrument\n")
    assert root.run(name, code=USES_NUMBA, **LARGE).stdout == b"True\n"
    (line,) = (line for line in root.lines() if line["verb"] == "consumed")
    assert line["detail"]["empty"]


FORBIDDEN = """
import ctypes, os, sys
PR_SET_MDWE = 65
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, 1, 0, 0, 0):
    print(os.strerror(ctypes.get_errno()))
    os._exit(77)
from pipekit_translator.worker import main
main([])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_MDWE is Linux's")
def test_where_executable_memory_is_forbidden_numpy_reads(worker: Any) -> None:
    """As systemd's MemoryDenyWriteExecute does it, with a filled cache, on a really large file."""
    trees = []
    for folder in ("allowed", "forbidden"):
        root = worker(SOURCE, folder)
        name = root.write("ES_1m.csv", export(400_000))
        assert (root.root / name).stat().st_size > 16 << 20
        done = root.run(name, **({"code": FORBIDDEN} if folder == "forbidden" else {}))
        if done.returncode == 77:
            pytest.skip(f"this kernel has no PR_SET_MDWE: {done.stdout.decode()}")
        assert done.returncode == 0, done.stderr.decode()
        trees.append(root.tree())
    (warning,) = (text for text in root.warnings() if "kernels" in text)
    assert warning.startswith("no compiled kernels: ")
    assert trees[0] == trees[1] != {}


def test_a_small_and_a_large_file_come_out_the_same(worker: Any) -> None:
    """Also where a header names a needed column twice: both are rejected."""
    text = export(500).replace(",volume\n", ",Volume,volume\n").replace("Z,", "Z,")
    twice = "".join(f"{line},7\n" if n else f"{line}\n" for n, line in enumerate(text.splitlines()))
    reasons = []
    for folder, more in (("small", {}), ("large", LARGE)):
        root = worker(SOURCE, folder)
        root.run(root.write("ES_1m.csv", twice), **more)
        (line,) = (line for line in root.lines() if line["verb"] == "rejected")
        reasons.append(line["reason"])
        assert root.tree() == {}
        assert (root.root / "ES_1m.csv").exists()
    assert reasons[0] == reasons[1]
    assert "several columns named volume" in reasons[0]
