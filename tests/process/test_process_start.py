"""Starting: what a child is given, and the plain sentence for each way in which it cannot start."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipekit.errors import DefinitionError
from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.process import Cancel, ProcessSupervisor


def failed(result: ProcessResult) -> str:
    assert result.outcome is Outcome.SPAWN_FAILED
    assert not result
    assert result.returncode is None
    return result.reason


def test_missing_program_is_named_with_the_path_searched(lab):
    reason = failed(lab.execute(lab.command("no-such-program")))
    assert "no program 'no-such-program' in PATH (" in reason


def test_missing_program_with_a_folder_is_named(lab):
    assert failed(lab.execute(lab.command("./nope"))) == "there is no program './nope'"


def test_file_without_execute_permission_comes_with_the_remedy(lab, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert f"chmod +x {script}" in failed(lab.execute(lab.command(script)))


def test_folder_as_program_is_told(lab, tmp_path):
    assert "is a folder, not a program" in failed(lab.execute(lab.command(tmp_path)))


def test_script_without_first_line_is_told(lab, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    assert "is its first line '#!...' missing?" in failed(lab.execute(lab.command(script)))


def test_bad_interpreter_is_named_and_not_confused_with_a_missing_program(lab, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter -x\n")
    script.chmod(0o755)
    reason = failed(lab.execute(lab.command(script)))
    assert "exists" in reason
    assert "'/no/such/interpreter -x'" in reason


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_bad_working_folder_is_not_confused_with_a_missing_program(lab, tmp_path, kind):
    folder = tmp_path / "folder"
    if kind == "file":
        folder.touch()
    reason = failed(lab.execute(lab.command("true", cwd=folder)))
    assert reason.startswith("its working folder ")
    assert str(folder) in reason


def test_too_long_arguments_are_told_with_their_sizes(lab):
    reason = failed(lab.execute(lab.command("echo", "x" * 200_000)))
    assert "the longest 200001" in reason
    assert "standard input" in reason


def test_too_large_environment_names_the_variable(lab):
    reason = failed(lab.execute(lab.command("echo", env={"HUGE": "x" * 200_000})))
    assert "most of it in HUGE" in reason


def test_text_that_no_program_can_be_given_is_a_result_and_no_exception(lab):
    assert "cannot be passed to a program" in failed(lab.execute(lab.command("echo", "\ud800")))


def test_out_of_descriptors_is_told_with_the_limit_to_raise(lab):
    held = [os.open(os.devnull, os.O_RDONLY)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 2, limits[1]))
    try:
        result = lab.supervisor.execute(lab.bad("exit", 0))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(held[0])
    assert "ulimit -n" in failed(result)


@pytest.mark.parametrize("spare", range(1, 16))
def test_however_few_descriptors_are_left_the_result_is_true(lab, spare):
    """It starts or it says why not; an exit code is never made up, and nothing is left."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, limits[1]))
    try:
        result = lab.supervisor.execute(lab.bad("exit", 3, grace=0.2, linger=0.2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not result
    assert (result.outcome, result.returncode) in [
        (Outcome.SPAWN_FAILED, None),
        (Outcome.EXITED, 3),
    ]
    assert not lab.alive()


def test_guardian_that_cannot_hold_all_it_is_given_starts_nothing(lab):
    """The system drops descriptors without a word: the last would be stderr, or a run's lock."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 16, limits[1]))
    try:
        lab.supervisor = ProcessSupervisor(hold_fds=[lowest] * 40)
        result = lab.execute(lab.bad("both"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(lowest)
    assert "ulimit -n" in failed(result)


def _slow_after_start(_frame, event, what):
    if event == "c_return" and what.__name__ == "posix_spawn":
        time.sleep(0.1)


def test_interpreter_that_cannot_guard_is_a_result_and_no_exception(lab, monkeypatch):
    """It ends at once, each time, before it could be asked for anything."""
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    sys.setprofile(_slow_after_start)
    try:
        result = lab.execute(lab.command("true"))
    finally:
        sys.setprofile(None)
    assert "exited before it could be asked" in failed(result)


def test_command_of_a_host_whose_folder_was_removed_runs_there_all_the_same(lab, tmp_path):
    """And not where the host was when it started its first command."""
    before = os.getcwd()
    gone = tmp_path / "gone"
    gone.mkdir()
    assert lab.run("exit", 0)
    os.chdir(gone)
    gone.rmdir()
    try:
        told = lab.execute(lab.command("readlink", "/proc/self/cwd")).stdout.tail
    finally:
        os.chdir(before)
    assert told == f"{gone} (deleted)\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": []},
        {"argv": "one string"},
        {"argv": ["a\0b"]},
        {"argv": ["a"], "env": {"A=": "b"}},
        {"argv": ["a"], "env": {"A": "\0"}},
        {"argv": ["a"], "timeout": -1},
        {"argv": ["a"], "grace": float("nan")},
        {"argv": ["a"], "done_pattern": "("},
        {"argv": ["a"], "encoding": "no-such"},
        {"argv": ["a"], "encoding": "hex"},
        {"argv": ["a"], "redact": "secret"},
        {"argv": ["a"], "cwd": Path("a\0")},
    ],
)
def test_what_can_never_be_right_is_refused_when_it_is_defined(wrong):
    with pytest.raises(DefinitionError):
        Command(**wrong)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\0"])
def test_a_name_that_would_leave_the_spool_folder_is_refused(lab, name):
    with pytest.raises(DefinitionError):
        lab.supervisor.execute(lab.command("true"), name=name)


def test_command_that_ends_at_once_is_a_success(lab):
    result = lab.execute(lab.command("true"))
    assert result
    assert (result.outcome, result.returncode, result.reason) == (
        Outcome.EXITED,
        0,
        "exited with code 0",
    )


def test_exit_code_is_kept_and_is_no_success(lab):
    result = lab.run("exit", 3)
    assert not result
    assert (result.outcome, result.returncode, result.reason) == (
        Outcome.EXITED,
        3,
        "exited with code 3",
    )


def test_standard_input_is_given_whole_and_ends(lab):
    data = b"line\n" * 100_000
    assert lab.execute(lab.bad("echo", stdin=data)).stdout.size == len(data)


def test_standard_input_is_at_its_end_by_default(lab):
    result = lab.run("echo")
    assert result
    assert result.stdout.size == 0


def test_child_sees_the_allow_list_and_its_own_variables_only(lab, monkeypatch):
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "hunter2")
    monkeypatch.setenv("LC_TIME", "C")
    seen = json.loads(lab.run("environment", env={"MINE": "1"}).stdout.tail)
    assert "A_SECRET_OF_THE_HOST" not in seen
    assert seen["PATH"] == os.environ["PATH"]
    assert (seen["LC_TIME"], seen["MINE"], seen["PYTHONUNBUFFERED"]) == ("C", "1", "1")


def test_child_runs_in_its_folder_and_in_a_session_of_its_own(lab, tmp_path):
    assert lab.run("folder", cwd=tmp_path).stdout.tail == str(tmp_path)
    pid, session, group = json.loads(lab.run("session").stdout.tail)
    assert pid == session == group


def test_child_gets_no_descriptor_of_ours_also_not_an_inheritable_one_or_a_held_one(lab):
    inheritable = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    lab.supervisor = ProcessSupervisor(lab.spools, hold_fds=[inheritable])
    try:
        with Cancel() as cancel:
            result = lab.execute(lab.bad("descriptors"), None, cancel)
    finally:
        os.close(inheritable)
    assert result.stdout.tail == "[]"


IGNORES_SIGCHLD = """
import signal, sys
from pipekit.model.command import Command
from pipekit.process import ProcessSupervisor
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for code in "01":
    result = ProcessSupervisor().execute(Command(argv=["sh", "-c", "exit " + code]))
    print(result.outcome, result.success, result.returncode)
"""


def test_host_that_ignores_sigchld_gets_the_true_status():
    """With SIGCHLD ignored the kernel throws statuses away, and `Popen.wait` then reads 0.

    Here it is the guardian who reaps, and it ignores nothing.
    """
    host = subprocess.run(
        [sys.executable, "-c", IGNORES_SIGCHLD], capture_output=True, text=True, check=True
    )
    assert host.stdout.splitlines() == ["exited True 0", "exited False 1"]
    assert host.stderr == ""


def test_tree_is_ended_where_the_host_ignores_sigchld(lab):
    code = IGNORES_SIGCHLD.partition("for code")[0] + (
        "command = Command(argv=sys.argv[2:], linger=0.2, grace=0.2, env={'LAB_MARK': sys.argv[1]})"
        "\nresult = ProcessSupervisor().execute(command)\nprint(result.outcome, result.survivors)"
    )
    for way in ("orphan 60 silent stubborn", "daemon silent"):
        argv = [sys.executable, "-c", code, lab.mark, *lab.bad(*way.split()).argv]
        host = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert host.stdout == "exited 1\n"
        assert not lab.alive()
