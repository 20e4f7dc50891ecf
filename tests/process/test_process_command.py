"""`python -m pipekit.process`: what a shell sees of it, and what is left when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import BAD_CHILD

SUPERVISE = [sys.executable, "-m", "pipekit.process"]


@pytest.fixture
def shell(lab, tmp_path):
    """Start the supervisor with a command that carries the lab's mark."""
    started = []

    def start(*words, env=(), stdin=subprocess.DEVNULL, **options):
        process = subprocess.Popen(
            [*SUPERVISE, *map(str, words)],
            env={**os.environ, "LAB_MARK": lab.mark, **dict(env)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    assert lab.gone_within(5)


@pytest.fixture
def run(shell, lab):
    """Exit code, stdout and stderr of one command; nothing of it is left."""

    def finish(*words, **options):
        process = shell(*words, **options)
        out, err = process.communicate(timeout=30)
        assert not lab.alive()
        return process.returncode, out, err

    return finish


def bad(way, *arguments):
    return ["--", sys.executable, "-S", str(BAD_CHILD), way, *arguments]


STUBBORN = ["--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"]


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_is_that_of_the_command_and_nothing_is_said(run, code):
    assert run(*bad("exit", code)) == (code, "", "")


def test_output_is_passed_on_stream_by_stream(run):
    code, out, err = run("--", "sh", "-c", "echo one; echo two >&2; printf three")
    assert (code, out, err) == (0, "one\nthree\n", "two\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-program"], 127, "there is no program 'no-such-program'"),
        (["./nowhere/program"], 127, "there is no program"),
        (["/"], 126, "is a folder, not a program"),
        (["--cwd", "nowhere", "true"], 125, "its working folder does not exist"),
        (["--timeout", "1x", "true"], 125, "invalid duration '1x': write it like 90s"),
        (["--max-memory", "big", "true"], 125, "invalid size 'big': write it like 500MB"),
        (
            ["--json", "nowhere/r.json", "echo", "run"],
            125,
            "the folder of 'nowhere/r.json' does not exist",
        ),
        (["--done-pattern", "(", "true"], 125, "not a valid regular expression"),
        ([], 125, "Missing argument"),
        (["sh", "-c", "kill -9 $$"], 137, "killed by SIGKILL, which pipekit did not send"),
    ],
)
def test_what_could_not_run_or_ended_otherwise_has_a_code_and_a_sentence(run, words, code, said):
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert said in err


def test_what_takes_too_long_is_stopped_with_all_it_started(run):
    code, _, err = run("--timeout", "0.5s", "--grace", "0.3s", *bad("ignores_term"))
    assert code == 124
    assert "it took longer than its timeout of 0.5 s" in err
    assert "sleeping" in err  # where it was then


def test_what_hangs_is_stopped(run):
    code, _, err = run("--hang-timeout", "0.5s", *bad("sleep", 60))
    assert code == 124
    assert "no activity and an idle process tree for 0.5 s" in err


def test_what_says_that_it_is_done_is_a_success_though_it_goes_on(run):
    server = "echo starting; echo ready to serve; exec sleep 60"
    words = ["--done-pattern", "^ready", "--linger", "0.2s", "--", "sh", "-c", server]
    assert run(*words)[:2] == (0, "starting\nready to serve\n")


def test_standard_input_is_passed_on(run, tmp_path):
    (tmp_path / "input").write_text("from a file\n")
    with (tmp_path / "input").open() as file:
        assert run("cat", stdin=file) == (0, "from a file\n", "")


def test_options_after_the_command_are_its_own(run):
    assert run("echo", "--timeout", "1x") == (0, "--timeout 1x\n", "")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_when_asked_to_stop_it_stops_the_tree_politely_first(lab, shell, number, code):
    process = shell("--", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 60 & wait")
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (code, "bye\n")
    assert "cancelled" in err
    assert not lab.alive()


def test_asked_twice_it_does_not_wait_for_the_grace(lab, shell):
    process = shell("--grace", "60s", *STUBBORN)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert not lab.alive()


def test_when_it_is_killed_nothing_of_the_command_is_left(lab, shell):
    process = shell("--grace", "0.3s", *STUBBORN)
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.wait()
    assert lab.gone_within(0.3 + 0.5 + 1)


def test_when_nobody_reads_its_output_any_more_the_command_is_stopped(lab, shell):
    process = shell("--", "yes")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=15) == 141
    assert not lab.alive()


def test_secret_of_the_environment_is_shown_nowhere(run, tmp_path):
    words = ["--redact-env", "KEY", "--spool-dir", "kept", "--json", "result.json"]
    script = "echo the key is $KEY; echo $KEY >&2; sh -c 'sleep 60; :' $KEY"
    code, out, err = run(
        *words,
        "--timeout",
        "0.5s",
        "--grace",
        "0s",
        "--",
        "sh",
        "-c",
        script,
        env={"KEY": "s3same"},
    )
    assert (code, out) == (124, "the key is ***\n")
    kept = [path.read_text() for path in (tmp_path / "kept").iterdir()]
    assert "s3same" not in "".join([err, (tmp_path / "result.json").read_text(), *kept])
    assert "the key is ***\n" in kept


def test_result_is_written_as_json(run, tmp_path):
    run("--json", "result.json", "--timeout", "0.4s", *bad("sleep", 60))
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["outcome"], result["success"]) == ("timed_out", False)
    assert result["signals"][0]["name"] == "SIGTERM"
    assert result["snapshot"][0]["state"] == "sleeping"


def test_result_on_stdout_is_all_that_is_there(run):
    code, out, _ = run("--json", "-", "--", "sh", "-c", "echo in the tail; exit 4")
    assert code == 4
    assert json.loads(out)["stdout"]["tail"] == "in the tail\n"


def test_limits_reach_the_command(run):
    words = ["--max-open-files", "64", "--nice", "5", "--", "sh", "-c", "ulimit -n; nice"]
    assert run(*words)[:2] == (0, f"64\n{min(os.nice(0) + 5, 19)}\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_stream_that_the_caller_has_closed_leads_nowhere(tmp_path, closed):
    """And not to whatever got its number since: a pipe or a socket of our own."""
    supervise = " ".join([*SUPERVISE, "--timeout", "5s"])
    script = f"{supervise} -- sh -c 'readlink /proc/self/fd/0 >{tmp_path}/it; cat; exit 3'"
    done = subprocess.run(["sh", "-c", f"{script} {closed}"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")
    if "<&-" in closed:
        assert (tmp_path / "it").read_text() == f"{os.devnull}\n"
