"""The supervisor's promises on Windows, with real processes."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import threading

import psutil
import pytest

from pipekit import Command
from pipekit.process import Cancel, ProcessSupervisor

DETACHED, NEW_GROUP, BREAKAWAY, NEW_CONSOLE, NO_WINDOW = 0x8, 0x200, 0x1000000, 0x10, 0x8000000
SLEEP = "import time; time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
null = subprocess.DEVNULL
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], creationflags=int(sys.argv[1]),
                         stdin=null, stdout=null, stderr=null)
print(child.pid, flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def supervisor(tmp_path):
    return ProcessSupervisor(spool_dir=tmp_path / "spool ü")


@pytest.fixture
def python(supervisor):
    """Run code in a Python of its own, under the supervisor."""

    def run(code, *words, **options):
        command = Command(argv=(sys.executable, "-c", code, *words), **options)
        return supervisor.execute(command)

    return run


def alive(pid):
    try:
        return psutil.Process(int(pid)).is_running()
    except psutil.Error:
        return False


# --- words and bytes --------------------------------------------------------------------------


def test_words_and_variables_arrive_as_they_are(python):
    words = ["a b", 'quo"te', "back\\", 'both\\"', "ü→😀", "", "%PATH%", "^&|<>", "two\nlines"]
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['X']]))"
    done = python(code, *words, env={"X": "é→"})
    assert done.success, done.reason
    assert json.loads(done.stdout.tail) == [words, "é→"]
    assert done.stdout.spool.read_bytes().endswith(b"\r\n")


def test_bytes_arrive_on_standard_input(python):
    given = b"a\r\nb\x1a\n" * 1000
    done = python("import sys; print(len(sys.stdin.buffer.read()))", stdin=given)
    assert done.stdout.tail.strip() == str(len(given))


def test_a_variable_is_one_in_whatever_case_it_is_written(python):
    done = python("import os; print(os.environ['PATH'])", env={"Path": "C:\\only"})
    assert done.stdout.tail.strip() == "C:\\only"


@pytest.mark.slow
def test_200_megabytes_of_output_are_kept_whole(python):
    code = "import sys\nfor _ in range(2000): sys.stdout.buffer.write(b'x' * 99999 + b'\\n')"
    done = python(code)
    assert done.success, done.reason
    assert done.stdout.spool.stat().st_size == done.stdout.size == 200_000_000


# --- exit codes -------------------------------------------------------------------------------

EXIT = "import ctypes; ctypes.windll.kernel32.ExitProcess(ctypes.c_uint({}))"


@pytest.mark.parametrize("code", [0, 1, 255, 256, 259, 0x3FFFFFFF, 0xC0000005, 0xFFFFFFFF])
def test_exit_codes_are_whole_and_only_0_is_a_success(python, code):
    done = python(EXIT.format(code))
    assert (done.returncode, done.success) == (code, code == 0), done


def test_exit_codes_of_the_system_are_named(python):
    done = python(EXIT.format(0xC0000005))
    assert done.reason == "exited with code 3221225477 (0xC0000005: access violation)"
    assert python(EXIT.format(0xC0FFEE00)).reason == "exited with code 3237998080 (0xC0FFEE00)"


def test_a_program_that_dies_of_an_access_violation_says_so(python):
    code = "import ctypes; ctypes.windll.kernel32.SetErrorMode(3); ctypes.string_at(0)"
    assert python("import faulthandler; faulthandler.disable();" + code).success is False


def test_the_code_of_a_job_out_of_time_is_explained(python):
    done = python(EXIT.format(1816), max_cpu=60)
    assert "max_cpu" in done.reason


# --- programs ---------------------------------------------------------------------------------


@pytest.fixture
def tool(tmp_path):
    """A batch file in a folder of its own; it prints its first two words and exits with 3."""
    folder = tmp_path / "a folder"
    (folder / "tools").mkdir(parents=True)
    for path in (folder / "tool.cmd", folder / "tools/deep.bat"):
        path.write_bytes(b"@echo off\r\necho found %1 %2\r\nexit /b 3\r\n")
    return folder


@pytest.mark.parametrize(
    "name",
    ["tool.cmd", "tool", ".\\tool.cmd", "./tool.cmd", "tools/deep.bat", "tools\\deep", "TOOL.CMD"],
)
def test_a_program_is_looked_up_from_the_folder_it_runs_in(supervisor, tool, name):
    done = supervisor.execute(Command(argv=(name, "it"), cwd=tool))
    assert done.returncode == 3, done.reason
    assert done.stdout.tail.split() == ["found", '"it"'], done.stdout.tail


def test_a_program_is_looked_up_in_the_path_that_it_gets(supervisor, tool):
    done = supervisor.execute(Command(argv=("tool", "it"), env={"Path": str(tool)}))
    assert done.returncode == 3, done.reason


@pytest.mark.parametrize("word", ["a b", "a&echo injected", "^|<>", "(x)", "a=b;c,d", ""])
def test_words_of_a_batch_file_are_no_commands(supervisor, tool, word):
    done = supervisor.execute(Command(argv=("tool.cmd", word, "end"), cwd=tool))
    assert done.returncode == 3, done.reason
    assert done.stdout.tail.rstrip() == f'found "{word}" "end"'


@pytest.mark.parametrize("word", ['a"b', "%PATH%", "a\nb"])
def test_words_that_a_batch_file_cannot_get_are_refused(supervisor, tool, word):
    done = supervisor.execute(Command(argv=("tool.cmd", word), cwd=tool))
    assert done.outcome.value == "spawn_failed"
    assert "batch file" in done.reason


def test_a_missing_program_is_named_with_where_it_was_looked_for(supervisor):
    done = supervisor.execute(Command(argv=("no-such-program",), env={"PATH": "C:\\nowhere"}))
    assert done.outcome.value == "spawn_failed"
    assert "there is no program 'no-such-program'" in done.reason
    assert "C:\\nowhere" in done.reason


def test_what_is_no_program_is_said_without_advice_for_other_systems(supervisor, tmp_path):
    (tmp_path / "text.exe").write_text("no program")
    done = supervisor.execute(Command(argv=(str(tmp_path / "text.exe"),)))
    assert done.outcome.value == "spawn_failed"
    assert not any(word in done.reason for word in ("ldd", "chmod", "#!", "noexec")), done.reason


def test_a_missing_folder_is_named(python, tmp_path):
    done = python("", cwd=tmp_path / "none")
    assert done.outcome.value == "spawn_failed"
    assert "working folder does not exist" in done.reason


# --- trees ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags", [0, NEW_GROUP, DETACHED, DETACHED | NEW_GROUP, NEW_CONSOLE, NO_WINDOW]
)
def test_a_time_out_ends_the_tree_whatever_it_is_detached_from(python, flags):
    done = python(PARENT, str(flags), "60", timeout=4, grace=0.3)
    assert done.outcome.value == "timed_out", done
    assert done.duration < 6
    assert not alive(done.stdout.tail)


def test_nobody_breaks_away(python):
    done = python(PARENT, str(BREAKAWAY), "0", timeout=30)
    assert "PermissionError" in done.stderr.tail, done


def test_who_outlives_the_leader_is_ended_and_counted(python):
    done = python(PARENT, str(DETACHED), "0", linger=0.5, grace=0.3, timeout=30)
    assert done.success
    assert done.survivors == 1
    assert not alive(done.stdout.tail)


@pytest.mark.parametrize("now", [False, True])
def test_a_wish_to_stop_is_heard(supervisor, now):
    cancel = Cancel()
    threading.Timer(2, lambda: cancel.set(now=now)).start()
    done = supervisor.execute(Command(argv=(sys.executable, "-c", SLEEP), grace=1), cancel=cancel)
    assert done.outcome.value == "cancelled"
    assert done.signals[-1].name in ("CTRL_BREAK", "TerminateJobObject")


def test_a_ctrl_break_that_nobody_gets_is_not_told(supervisor, monkeypatch):
    """Without a console, as below pythonw or a scheduler, there is nobody to deliver it."""
    if ctypes.windll.kernel32.GetConsoleWindow():
        pytest.skip("this process has a console")
    done = supervisor.execute(Command(argv=(sys.executable, "-c", SLEEP), timeout=2, grace=0.3))
    assert [sent.name for sent in done.signals] == ["TerminateJobObject"]


def test_a_hundred_commands(supervisor):
    for _ in range(100):
        assert supervisor.execute(Command(argv=("cmd", "/c", "exit 0"))).success


def test_commands_in_several_threads(supervisor):
    results = []
    command = Command(argv=(sys.executable, "-c", "print('x' * 1000)"))
    threads = [
        threading.Thread(target=lambda: results.append(supervisor.execute(command)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(result.stdout.tail.strip()) for result in results] == [1000] * 8


def test_a_memory_limit_is_kept(python):
    done = python("x = bytearray(2_000_000_000)", max_memory=300_000_000)
    assert not done.success
    assert "MemoryError" in done.stderr.tail


def test_a_hang_is_found(python):
    done = python("print('started', flush=True);" + SLEEP, hang_timeout=3, grace=0.3)
    assert done.outcome.value == "hung"


def test_ctrl_break_comes_first_and_its_grace_is_used(python):
    code = """
import signal, sys, time
signal.signal(signal.SIGBREAK, lambda *_: (print("heard", flush=True), sys.exit(4)))
print("ready", flush=True)
time.sleep(60)
"""
    done = python(code, timeout=3, grace=10)
    assert "heard" in done.stdout.tail
    assert [sent.name for sent in done.signals] == ["CTRL_BREAK"]


def test_what_pipekit_starts_dies_with_it(tmp_path, eventually):
    script = (
        "import sys; from pipekit import Command; from pipekit.process import ProcessSupervisor\n"
        f"parent = {PARENT!r}\n"
        "def show(stream, lines): print(*lines, flush=True)\n"
        "command = Command(argv=(sys.executable, '-c', parent, '520', '60'))\n"
        "ProcessSupervisor().execute(command, show)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as ours:
        pid = int(ours.stdout.readline())
        assert alive(pid)
        ours.kill()
    eventually(lambda: not alive(pid), 5)
