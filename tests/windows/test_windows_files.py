"""Files on Windows: appended to by several processes, replaced while they are open."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.place import is_on_share
from pipekit.storage.files import FileManager
from pipekit.storage.holder import process_start
from pipekit.storage.lock import RunLock, running
from pipekit.worker import publish
from pipekit.worker._files import open_own

REPORTING = """
import sys
from pipekit.worker import report
print("ready", flush=True)
sys.stdin.readline()  # until all are ready
for number in range(2000):
    report.metric(f"{sys.argv[1]}.{number}", number)
"""


def test_reports_of_several_processes_lose_no_line(tmp_path):
    path = tmp_path / "report"
    env = {**os.environ, "PIPEKIT_REPORT": str(path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writers = [
        subprocess.Popen([sys.executable, "-c", REPORTING, str(number)], env=env, **pipes)
        for number in range(4)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 4
    for writer in writers:
        writer.stdout.close()
    names = {json.loads(line)["name"] for line in path.read_bytes().splitlines()}
    assert len(names) == 8000


def test_a_file_that_is_open_for_an_instant_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    reader = open(path)  # noqa: SIM115  # closed by a timer
    threading.Timer(0.5, reader.close).start()
    publish(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_stays_open_is_named_and_keeps_its_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    began = time.monotonic()
    with open(path), pytest.raises(PermissionError, match="another program has it open") as raised:
        publish(path, b"new")
    assert time.monotonic() - began >= 5
    assert raised.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_bytes_are_written_and_read_as_they_are(tmp_path):
    given = b"a\r\nb\n\x1ac\r\n"
    for flags, path in ((os.O_WRONLY | os.O_CREAT, tmp_path / "a"),):
        descriptor = open_own(path, flags)
        os.write(descriptor, given)
        os.close(descriptor)
        descriptor = open_own(path, os.O_RDONLY)
        assert os.read(descriptor, 100) == given
        os.close(descriptor)
    publish(tmp_path / "b", given)
    assert (tmp_path / "b").read_bytes() == given


def test_a_path_of_more_than_260_characters_can_be_published(tmp_path):
    path = tmp_path.joinpath(*["a" * 50] * 5, "b" * 50)
    try:
        os.makedirs(path.parent)
    except OSError:
        pytest.skip("long paths are not enabled on this Windows")
    publish(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_folder_that_is_a_junction_is_not_entered(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("x")
    subprocess.run(
        ["cmd", "/c", "mklink", "/j", str(tmp_path / "data" / "again"), str(tmp_path / "data")],
        check=True,
        capture_output=True,
    )
    assert [f.path for f in FileManager(tmp_path).files(["data/**"])] == ["data/a.txt"]


def test_a_placeholder_is_skipped_and_noted(tmp_path):
    offline = 0x1000  # FILE_ATTRIBUTE_OFFLINE
    path = tmp_path / "a.txt"
    path.write_text("x")
    ctypes.windll.kernel32.SetFileAttributesW(str(path), offline)
    assert os.stat(path).st_file_attributes & offline
    files = FileManager(tmp_path)
    assert files.files(["*.txt"]) == []
    assert files.remote == {"a.txt"}


@pytest.mark.parametrize(
    "reported",
    [
        "data/raw/Äb.TXT",
        "DATA\\RAW\\ÄB.txt",
        "data/./raw/äb.txt",
        "data./raw/äb.txt. ",
        "{root}\\Data\\Raw\\äB.Txt",
    ],
)
def test_a_path_in_another_case_is_that_of_the_file(tmp_path, reported):
    (tmp_path / "Data/raw").mkdir(parents=True)
    (tmp_path / "Data/raw/Äb.TXT").write_text("x")
    files = FileManager(tmp_path)
    assert files.relative(reported.format(root=str(tmp_path).upper())) == "Data/raw/Äb.TXT"
    assert [file.path for file in files.files(["dATA/Raw/*.TXT"])] == ["Data/raw/Äb.TXT"]


def test_a_path_that_does_not_exist_stays_as_it_is(tmp_path):
    (tmp_path / "Data").mkdir()
    files = FileManager(tmp_path)
    assert files.relative("data\\New\\x.txt") == "Data/New/x.txt"
    (tmp_path / "Data/NEW").mkdir()
    assert files.relative("data\\New\\x.txt") == "Data/NEW/x.txt"


def test_a_network_drive_is_noticed(tmp_path):
    assert is_on_share(Path(r"\\server\share\project"))
    assert not is_on_share(tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from pipekit.storage.lock import RunLock
with RunLock(Path(sys.argv[1]), "the run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_is_held_seen_and_gone_with_its_process(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline().strip() == b"held"
        there = running(tmp_path)
        assert there is not None
        assert (there.pid, there.run_id) == (holder.pid, "the run")
        assert there.alive
        assert there.start == process_start(holder.pid)
        holder.kill()
        holder.wait()
        assert not there.alive
    assert running(tmp_path) is None
    with RunLock(tmp_path, "the next run"):
        pass


def test_asking_for_a_process_loads_no_library():
    code = "import os, sys; from pipekit.storage.holder import process_start; "
    code += "print(process_start(os.getpid()) > 0, 'psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"True", b"False"]


def test_a_raw_file_that_another_program_holds_is_busy(tmp_path):
    held = pytest.importorskip("pipekit_translator.work.read.held")
    import _winapi

    path = tmp_path / "a.txt"
    path.write_text("x")
    handle = _winapi.CreateFile(str(path), _winapi.GENERIC_READ, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
    try:
        with pytest.raises(held.BusyError, match="another program"):
            held.open_raw(str(path))
    finally:
        _winapi.CloseHandle(handle)
    held.open_raw(str(path)).close()
