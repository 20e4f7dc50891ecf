"""The analyzer's worker process: what it imports, and when it compiles its kernel."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipekit_analyzer.plan import WORKER
from pipekit_analyzer.request import (
    BarFile,
    ConsumedBars,
    InstrumentJob,
    InstrumentRules,
    Parameters,
    Request,
    VariantRules,
)
from pipekit_analyzer.settings import Settings

from pipekit import Command

GOLDEN = Path(__file__).parents[2] / "golden/breakouts"
BARS = "data/processed/XX/1m/2013/XX_1m_2013-03.parquet"
COMPILING = re.compile(r"compiling .*breakouts.* for this machine \(once, about 4 s\)")
# as systemd's MemoryDenyWriteExecute does it
FORBIDDEN = """
import ctypes, runpy, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
sys.argv = ["worker"]
runpy.run_module("pipekit_analyzer.worker", run_name="__main__")
"""
SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("us", "UTC")),
        *((name, pa.float64()) for name in ("open", "high", "low", "close")),
        ("volume", pa.int64()),
    ]
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a month of bars."""
    with open(GOLDEN / "bars.csv", newline="") as file:
        rows = [
            (dt.datetime.fromisoformat(stamp), *map(float, prices), int(volume))
            for stamp, *prices, volume in list(csv.reader(file))[1:]
        ]
    path = tmp_path / BARS
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(list(zip(*rows, strict=True)), schema=SCHEMA), path)
    return tmp_path


def request(variants: int) -> Request:
    """The whole history of that month, under so many variants."""
    job = InstrumentJob(
        name="XX",
        rules=InstrumentRules(
            strategy=Settings().strategy(),
            parameters=Parameters(tick="0.05", target="0.6", decimals=2, usd_per_point="10"),
            variants=tuple(
                VariantRules(
                    name=f"v{number:04}",
                    target=str(0.05 * number),
                    max_stop="3",
                    stop_rule="range",
                    same_bar_tie="stop",
                )
                for number in range(1, variants + 1)
            ),
        ),
        full=True,
        new_variants=(),
        removed_variants=(),
        files=(BarFile(path=BARS, month="2013-03", pending=True, consumed=ConsumedBars()),),
        lost={},
        archived=(),
        last_bar=None,
    )
    return Request(
        run_id="run",
        runs="data/analyzer_runs",
        cache="cache",
        workers=1,
        compile=True,
        strategy=Settings().strategy(),
        dates=None,
        instruments=(job,),
    )


LARGE = request(400)  # minutes in windows count for each variant


def work(root: Path, asked: Request, *words: str, **env: str) -> tuple[list[str], str, str]:
    """Run a worker process; its warnings about kernels, its result's digest, its error output.

    `words`: how to start it, other than as a module.
    """
    report, result = root / "report.jsonl", root / "data/analyzer_runs/run/XX.parquet"
    for file in (report, result):
        file.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *(words or ("-m", WORKER))],
        input=Command.python(WORKER, request=asked).stdin,
        cwd=root,
        env={**os.environ, "PIPEKIT_REPORT": str(report), **env},
        capture_output=True,
        timeout=100,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("needs PR_SET_MDWE (Linux 6.3): it forbids executable memory")
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    warnings = [line["msg"] for line in lines if line["verb"] == "warning"]
    said = [text for text in warnings if not text.startswith("XX: ")]
    return said, hashlib.sha256(result.read_bytes()).hexdigest(), done.stderr.decode()


def test_a_small_job_imports_neither_pandas_nor_numba(root):
    _, _, errors = work(root, request(1), "-X", "importtime", "-m", WORKER)
    lines = [line for line in errors.splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"pyarrow", "pipekit_analyzer"} <= modules
    assert not modules & {"pandas", "numba", "llvmlite"}


def test_a_large_job_compiles_the_kernel_once_says_so_and_changes_no_byte(root, tmp_path):
    kernels = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    said, digest, _ = work(root, LARGE, **kernels)
    assert [bool(COMPILING.fullmatch(text)) for text in said] == [True]
    assert work(root, LARGE, **kernels)[:2] == ([], digest)
    other = {"NUMBA_CACHE_DIR": str(tmp_path / "other")}
    assert work(root, attrs.evolve(LARGE, compile=False), **other)[:2] == ([], digest)
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_MDWE is Linux's")
def test_where_executable_memory_is_forbidden_it_says_so_and_changes_no_byte(root, tmp_path):
    """With compiled code at hand, which must not be loaded either."""
    kernels = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    _, digest, _ = work(root, LARGE, **kernels)
    said, interpreted, _ = work(root, LARGE, "-c", FORBIDDEN, **kernels)
    assert interpreted == digest
    assert [text.startswith("no compiled kernels: ") for text in said] == [True]


def test_planning_imports_no_data_library_and_nothing_of_the_worker():
    code = (
        "import sys, pipekit_analyzer.plugin as p; list(p.pipekit_stages());"
        "from pipekit_analyzer.settings import Settings; Settings();"
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'pyarrow', 'pandas')"
        " or m.startswith('pipekit_analyzer.work')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
