"""The run lock: one holder, never stolen, never stale, and its life is that of the processes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from pipekit.errors import LockHeldError, StorageError
from pipekit.storage.holder import process_start
from pipekit.storage.lock import RunLock

HOLD = """
import sys, time
from pathlib import Path
from pipekit.storage.lock import RunLock
with RunLock(Path(sys.argv[1]), "run-of-the-child"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path, holding):
    """Another process that holds the lock until its stdin is closed."""
    return holding(HOLD, tmp_path)


def test_a_second_holder_is_refused_with_the_first_one_named(tmp_path, child):
    with pytest.raises(LockHeldError, match=rf"run-of-the-child, process {child.pid}\)"):
        RunLock(tmp_path, "second").__enter__()
    assert RunLock(tmp_path, "").held()


def test_within_one_process_too_there_is_one_holder(tmp_path):
    with RunLock(tmp_path, "one"), pytest.raises(LockHeldError), RunLock(tmp_path, "two"):
        pass


def test_the_lock_is_free_after_its_holder_has_ended_or_was_killed(tmp_path, child):
    child.kill()
    child.wait()
    with RunLock(tmp_path, "next") as lock:
        assert lock.holder().run_id == "next"
        assert lock.holder().alive
    assert not RunLock(tmp_path, "").held()


def test_a_duplicate_of_the_descriptor_keeps_it_when_the_holder_has_closed_its_own(tmp_path):
    with RunLock(tmp_path, "parent") as lock:
        heir = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=(lock.descriptor,),
        )
    assert RunLock(tmp_path, "").held()
    heir.communicate()
    assert not RunLock(tmp_path, "").held()


def test_what_a_vanished_holder_left_is_named_as_such(tmp_path):
    """The holder is gone, an heir of its descriptor lives on."""
    code = HOLD.replace(
        "sys.stdin.read()",
        "import subprocess; p = subprocess.Popen(['sleep', '60'], pass_fds=(lock.descriptor,),"
        " stdout=subprocess.DEVNULL); print(p.pid, flush=True); sys.stdin.read()",
    ).replace('child"):', 'child") as lock:')
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    heir = int(process.stdout.readline())
    process.kill()
    process.communicate()
    try:
        with pytest.raises(
            LockHeldError, match="programs of a run that died are still being stopped"
        ):
            RunLock(tmp_path, "next").__enter__()
    finally:
        os.kill(heir, 9)


def test_a_holder_that_has_not_written_its_record_yet_is_not_taken_for_the_last_run(tmp_path):
    with RunLock(tmp_path, "ended") as lock:
        lock.exit_code = 0
    with open(tmp_path / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockHeldError, match="another run is just beginning or ending"):
            RunLock(tmp_path, "next").__enter__()


@pytest.mark.parametrize(
    "side_file", ["", "{", "null", "[]", "5", '{"pid": 1}', '{"pid": "x", "start": null}', "\0\xff"]
)
def test_a_damaged_side_file_hides_only_the_name(tmp_path, child, side_file):
    (tmp_path / "lock.json").write_bytes(side_file.encode("latin-1"))
    with pytest.raises(LockHeldError, match="another run is going on"):
        RunLock(tmp_path, "second").__enter__()


def test_a_holder_on_another_machine_is_not_taken_for_dead(tmp_path, child):
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": 2**30, "host": "elsewhere"}))
    with pytest.raises(
        LockHeldError, match=r"going on .* on elsewhere\): nothing was started; wait for it$"
    ):
        RunLock(tmp_path, "second").__enter__()


def test_a_process_id_that_was_given_away_again_is_not_its_holder(tmp_path, child):
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "start": 1}))
    with pytest.raises(LockHeldError, match="of a run that died"):
        RunLock(tmp_path, "second").__enter__()


def test_looking_whether_it_is_held_refuses_no_run(tmp_path):
    """A look takes the lock for an instant, and must not make the scheduler's run exit 75."""
    with RunLock(tmp_path, "first"):
        pass
    look = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(look, fcntl.LOCK_EX | fcntl.LOCK_NB)
    threading.Timer(0.02, os.close, [look]).start()
    with RunLock(tmp_path, "run") as lock:
        assert lock.holder().run_id == "run"


def test_the_refusal_names_the_number_of_the_run_and_how_to_stop_it(tmp_path):
    with RunLock(tmp_path, "run") as lock:
        lock.write_holder(24)
        with pytest.raises(LockHeldError, match=r"\(run 24, .*stop it with `pipekit stop`"):
            RunLock(tmp_path, "second").__enter__()


def test_the_descriptor_is_to_be_had_only_while_it_is_held(tmp_path):
    lock = RunLock(tmp_path, "run")
    with pytest.raises(StorageError, match="not held"):
        _ = lock.descriptor
    with lock:
        assert lock.descriptor >= 0


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="check the permissions"):
        RunLock(tmp_path / "file/state", "run").__enter__()


def test_the_start_of_a_process_tells_it_from_a_dead_one(child):
    assert process_start(os.getpid()) == process_start(os.getpid()) > 0
    child.kill()
    child.wait()
    assert process_start(child.pid) == 0
