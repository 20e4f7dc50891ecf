"""pipekit.worker: silent outside a run, one line a fact within one, and it waits out the tick."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest

from pipekit import worker

SCRIPT = """
import sys
from pipekit.worker import fingerprint, look, report
with report.unit("good"):
    signature = look("in")
    open("out", "w").write("x")
    report.progress(1, 2)
    report.metric("rows", 3)
    report.warning("careful", where="here")
    report.wrote("out", fingerprint("out"))
    report.unchanged("in")
    report.consumed("in", fingerprint("in"), signature, detail={"a": 1})
with report.unit("bad"):
    raise ValueError("torn")
report.rejected("in", "no good")
print("went on")
"""


def run(folder, code=SCRIPT, **env):
    (folder / "in").write_text("text")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PIPEKIT_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("env", [{}, {"PIPEKIT_REPORT": ""}])
def test_outside_of_a_run_everything_works_and_nothing_is_written(tmp_path, env):
    done = run(tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_within_a_run_each_fact_is_one_line(tmp_path):
    done = run(tmp_path, PIPEKIT_REPORT=str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert [line["verb"] for line in lines] == [
        *("unit_start", "progress", "metric", "warning", "wrote", "unchanged", "consumed"),
        *("unit_end", "unit_start", "unit_end", "rejected"),
    ]
    assert [line.get("unit") for line in lines] == ["good"] * 8 + ["bad"] * 2 + [None]
    assert lines[9]["status"] == "failure"
    assert lines[9]["reason"] == "ValueError: torn"
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise KeyboardInterrupt", "os._exit(0)"])
def test_a_unit_that_the_program_leaves_has_no_end(tmp_path, end):
    code = f"import os\nfrom pipekit.worker import report\nwith report.unit('u'):\n    {end}\n"
    run(tmp_path, code, PIPEKIT_REPORT=str(tmp_path / "r"))
    lines = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert [line["verb"] for line in lines] == ["unit_start"]


def test_units_of_threads_do_not_mix(tmp_path):
    code = """
import threading, time
from pipekit.worker import report
def work(name):
    with report.unit(name):
        for _ in range(20):
            report.metric(name, 1)
            time.sleep(0.001)
threads = [threading.Thread(target=work, args=(f"u{i}",)) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
    done = run(tmp_path, code, PIPEKIT_REPORT=str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert len(lines) == 4 * 22
    assert all(line["name"] == line["unit"] for line in lines if line["verb"] == "metric")


GATHERED = """
import os, sys
from pipekit.worker import report
def there():
    return open("r").read().count("\\n")
with report.gathered():
    for number in range(500):
        report.metric("n", number)
    print(there())
    report.temporary("t")
    print(there())
print(there())
"""


def test_gathered_reports_are_appended_some_hundred_at_a_time_and_all_of_them(tmp_path):
    """A temporary file is named before it is made, so that it can be removed after a crash."""
    done = run(tmp_path, GATHERED, PIPEKIT_REPORT=str(tmp_path / "r"))
    assert done.stdout.split() == ["400", "401", "501"], done.stderr
    lines = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert [line["value"] for line in lines if line["verb"] == "metric"] == list(range(500))


def test_a_report_that_cannot_be_written_whole_is_never_the_end_of_a_good_unit(tmp_path):
    """A limit on file sizes gives the short writes that a full disk gives."""
    code = """
import resource
from pipekit.worker import report
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
with report.unit("u"):
    report.metric("n", 1)
    report.wrote("in", "f" * 200)
"""
    done = run(tmp_path, code, PIPEKIT_REPORT=str(tmp_path / "r"))
    assert done.returncode == 1
    assert "the report could not be written" in done.stderr
    assert '"success"' not in (tmp_path / "r").read_text()


def test_look_waits_until_a_change_could_no_longer_keep_the_times(tmp_path):
    """Git's rule: who looks within the tick of a change could miss the next one."""
    file = tmp_path / "a"
    for _ in range(5):
        file.write_text("one")
        changed = file.stat().st_ctime_ns
        signature = worker.look(file)
        assert time.time_ns() - changed >= 20_000_000
        file.write_text("two")
        assert worker.look(file) != signature


def test_look_does_not_wait_for_an_old_file_nor_for_one_from_the_future(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    time.sleep(0.05)
    waits = []
    for age in (1000.5, -3600.5):
        then = time.time() - age
        os.utime(file, (then, then))
        time.sleep(0.05)
        started = time.monotonic()
        worker.look(file)
        waits.append(time.monotonic() - started)
    assert max(waits) < 1.9  # a wait for a coarse clock would take two seconds


def test_the_fingerprint_is_of_the_content_alone(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"same" * 100_000)
    two.write_bytes(b"same" * 100_000)
    assert worker.fingerprint(one) == worker.fingerprint(two)
    made = worker.hasher()
    made.update(b"same" * 50_000)
    made.update(b"same" * 50_000)
    assert made.hexdigest() == worker.fingerprint(one)
    assert made.hexdigest() == hashlib.sha256(one.read_bytes()).hexdigest()
    two.write_bytes(b"same" * 99_999 + b"sane")
    assert worker.fingerprint(one) != worker.fingerprint(two)


LOADING = """
import gc, os
from pipekit.worker import loading
{before}
with loading():
    print(gc.isenabled(), os.environ["OPENBLAS_NUM_THREADS"])
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""


@pytest.mark.parametrize(
    ("before", "env", "said"),
    [
        ("", {}, "False 1\nTrue True\n"),
        ("gc.disable()", {"OPENBLAS_NUM_THREADS": "3"}, "False 3\nFalse True\n"),
    ],
)
def test_imports_are_not_looked_through_for_garbage(tmp_path, before, env, said):
    """While libraries are loaded none is collected, and afterwards as before; a setting stands."""
    assert run(tmp_path, LOADING.format(before=before), **env).stdout == said


def test_after_imports_that_fail_garbage_is_collected_as_before(tmp_path):
    code = """if True:
        import gc
        from pipekit.worker import loading
        try:
            with loading():
                import no_such_module
        except ImportError:
            print(gc.isenabled())
    """
    assert run(tmp_path, code).stdout == "True\n"


LEAVING = """
import atexit, os, sys, threading, time
from pipekit.worker import leave

class Freed:
    def __del__(self): print("freed")

def end():
    time.sleep(0.2)
    print("thread")

freed = Freed()
atexit.register(print, "exit function")
print("buffered")
{before}
leave(7)
"""


def left(before):
    """How a process ends that leaves; no variable says that its output is not buffered."""
    words = [sys.executable, "-E", "-c", LEAVING.format(before=before)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", ["exit function"]),
        ("threading.Thread(target=end).start()", ["thread", "exit function", "freed"]),
        ("threading.Thread(target=time.sleep, args=[9], daemon=True).start()", ["exit function"]),
    ],
    ids=["alone", "with a thread", "with a thread nobody waits for"],
)
def test_a_process_that_leaves_does_what_is_owed_and_no_more(before, said):
    """Its buffers arrive, its exit functions run, its threads end; objects are not freed."""
    done = left(before)
    assert done.returncode == 7
    assert done.stdout.split("\n") == ["buffered", *said, ""]


@pytest.mark.parametrize("before", ["os.close(1)", "sys.stdout = None"])
def test_a_process_whose_output_is_gone_leaves_with_its_own_code(before):
    done = left(before)
    assert (done.returncode, done.stderr) == (7, "")
