"""What files must withstand from other processes: no rights, a full disk, several writers."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pytest

from pipekit.run.report_file import ReportReader, TaskReport
from pipekit.worker import Publication

from ..journals import read_journal


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights, which only root can")
def test_a_folder_that_may_not_be_read_is_an_error_and_not_empty(tmp_path):
    for path in ("data/raw/a.csv", "data/open/b.csv"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("text")
    (tmp_path / "data/raw").chmod(0)
    code = (
        "import os, sys; from pathlib import Path;"
        "from pipekit.storage.files import FileManager; os.setuid(65534);"
        "files = FileManager(Path(sys.argv[1]));"
        "print([f.path for f in files.files(['data/**'])]);"
        "files.files(['data/raw/*'])"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['data/open/b.csv']\n"
    assert "PermissionError" in done.stderr


FULL = """
import resource, signal, sys
from pathlib import Path
from pipekit.storage.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
journal = Journal(Path(sys.argv[1]))
for n in range(20):
    journal.append({"n": n, "text": "123456789"})
print(not journal.problem, journal.problem)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append({"n": 99})
print(not journal.problem)
"""


def test_a_full_disk_tears_no_line_of_the_journal_and_is_remembered(tmp_path):
    """Simulated by the limit on file sizes, which gives short writes just as a full disk does."""
    assert hasattr(resource, "RLIMIT_FSIZE")
    assert hasattr(signal, "SIGXFSZ")
    path = tmp_path / "j.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True
    )
    printed = done.stdout.splitlines()
    assert printed[0].startswith("False j.jsonl: ")
    assert printed[1] == "False"
    assert path.read_bytes().endswith(b"\n")
    assert [record["n"] for record in read_journal(path)] == [0, 1, 2, 99]


PUBLISH_FULL = """
import resource, signal, sys
from pipekit.worker import publish
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    publish(sys.argv[1], b"new" * 1000)
except OSError as error:
    print(type(error).__name__, error.errno)
"""


def test_a_full_disk_leaves_the_published_file_and_no_temporary_one(tmp_path):
    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH_FULL, target], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("OSError"), done.stderr
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


PUBLISH_IN_TURN = """
import sys
from pipekit.worker import publish
for letter in (b"a", b"b") * 40:
    publish(sys.argv[1], letter * 200_000)
"""


def test_a_reader_sees_all_of_the_old_file_or_all_of_the_new_one(tmp_path):
    target = tmp_path / "deep/report.json"
    with Publication(target, reported=False) as file:
        file.write(b"a" * 200_000)
    writer = subprocess.Popen([sys.executable, "-c", PUBLISH_IN_TURN, target])
    while writer.poll() is None:
        assert target.read_bytes() in (b"a" * 200_000, b"b" * 200_000)
    assert writer.returncode == 0


WRITER = """
import sys
from pipekit.worker import report
name = sys.argv[1]
for n in range(200):
    with report.unit(f"{name}-{n}"):
        report.metric("n", n)
        report.warning("x" * 5000)
"""


def test_several_processes_write_one_report_without_mixing(tmp_path):
    reader = ReportReader(tmp_path / "t.report")
    env = {**os.environ, "PIPEKIT_REPORT": str(reader.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], env=env) for name in ("a", "b", "c")
    ]
    report = TaskReport()
    while any(writer.poll() is None for writer in writers):
        for record in reader.poll():
            report.add(record)
    for record in reader.poll():
        report.add(record)
    assert not reader.damage
    assert len(report.units) == 600
    assert all(report.units.values())
    assert report.unit_metrics["b-199"] == {"n": 199}


LOOK = """
    from pipekit import StagePlan, StageSpec, hookimpl

    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/rwa/**/*.txt", "data/rwa/deep/*.txt", "data/there/*.txt"))
        return StagePlan.skip(new.sentence("data/rwa"), new)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("look", plan)
"""


def test_a_folder_that_does_not_exist_is_not_taken_for_an_empty_one(project):
    """A misspelt folder is named by what skips the stage, and before that by `config check`."""
    project.plugin("look", LOOK)
    project.config('[pipeline]\nstages = ["look"]\n')
    project.write("data/there/a.csv", "")
    checked = project.pipekit("config", "check")
    assert (checked.code, "warning: look: there is no folder data/rwa\n" in checked.out) == (
        0,
        True,
    )
    assert "deep" not in checked.out  # the outermost one is enough
    run = project.pipekit("run")
    said = "skipped    look: nothing new in data/rwa; there is no folder data/rwa\n"
    assert (run.code, said in run.out) == (0, True), run
    assert "no folder" in project.pipekit("status").out
    project.write("data/rwa/deep/a.csv", "")
    assert "no folder" not in project.pipekit("config", "check").out
    assert "no folder" not in project.pipekit("run").out
