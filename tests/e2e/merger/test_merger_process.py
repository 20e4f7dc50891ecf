"""The merger's worker as a process of its own: its exit code, its imports, its memory."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def start(project, code=None, **flags):
    """Run the worker of a plan, or this code with the request on standard input."""
    (task,) = project.plan(**flags).tasks
    command = [sys.executable, "-c", code] if code else task.command.argv
    return subprocess.run(
        command,
        input=task.command.stdin,
        cwd=project.root,
        env={**os.environ, "PIPEKIT_REPORT": ""},
        capture_output=True,
        check=False,
    )


def test_the_worker_exits_with_0_when_a_unit_failed(project, kit):
    """What failed is in the report; the other streams are merged."""
    for instrument in ("ES", "NQ"):
        rows = [kit.row("2020-01-06", instrument=instrument)]
        project.run_file(rows, kit.scope(kit.always, instrument=instrument))
    (project.root / kit.merged / "ES1").mkdir(parents=True)
    (project.root / kit.merged / "ES1/2020").write_text("in the way")
    done = start(project)
    assert done.returncode == 0
    assert b"cannot be written" in done.stderr
    assert list(project.months()) == ["NQ1/2020/NQ1_2020_01.parquet"]


def test_neither_merge_nor_summary_imports_pandas(project, kit):
    """It takes longer to import than all of their work."""
    project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
    code = (
        "import sys; from pipekit_merger import worker\n"
        "worker.main([]); sys.exit('pandas' in sys.modules)"
    )
    done = start(project, code)
    assert done.returncode == 0, done.stderr
    assert (project.root / kit.merged / "summary.json").exists()


def history(path, variants, days):
    """A run file of many rows, a row for each variant and day."""
    count = variants * days
    day = np.tile(np.arange(days, dtype=np.int32) + 14_610, variants)
    names = pa.array([f"v{number:03}" for number in range(variants)])
    number = pa.array(np.arange(count) % 97 / 4)

    def column(name, kind):
        if name == "variant":
            return names.take(pa.array(np.repeat(np.arange(variants), days)))
        if name == "date":
            return pa.array(day).cast(kind)
        if pa.types.is_timestamp(kind):
            return pa.array(day.astype("M8[D]").astype("M8[us]")).cast(kind)
        if pa.types.is_string(kind):
            word = {"stream": "ES1", "instrument": "ES", "session": "S1"}.get(name, "07:30")
            return pa.repeat(word, count)
        return number.cast(kind, safe=False)

    schema = pq.ParquetFile(path).schema_arrow
    columns = [column(field.name, field.type) for field in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux does")
def test_memory_does_not_grow_with_the_length_of_history(tmp_path, kit):
    """Four times the years take the memory of one: months are merged a few at a time."""
    peaks = []
    for name, days in (("short", 1000), ("long", 4000)):
        project = kit.project(tmp_path / name)
        path = project.run_file([kit.row("2020-01-06")], kit.scope(kit.always))
        history(project.root / path, 300, days)
        code = (
            "from pipekit_merger import worker\n"
            "worker.main([])\n"
            "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
        )
        done = start(project, code, cores=1)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)
        assert sum(len(pq.ParquetFile(m).read(["date"])) for m in
                   (project.root / kit.merged).glob("*/*/*.parquet")) == 300 * days  # fmt: skip
        project.ledger.__exit__(None, None, None)
    short, long = peaks
    assert long < short + 60, peaks
