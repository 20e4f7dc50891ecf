"""`pipekit exec` and `python -m pipekit.process`: what a shell sees of them, and what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from .conftest import BAD_CHILD

SUPERVISE = [sys.executable, "-m", "pipekit", "exec"]
ALONE = [sys.executable, "-m", "pipekit.process"]


@pytest.fixture
def shell(lab, tmp_path):
    """Start the supervisor with a command that carries the lab's mark."""
    started = []

    def start(*words, env=(), stdin=subprocess.DEVNULL, door=SUPERVISE, **options):
        process = subprocess.Popen(
            [*door, *map(str, words)],
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


@pytest.mark.parametrize("door", [SUPERVISE, ALONE], ids=["exec", "alone"])
@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_is_that_of_the_command_and_nothing_is_said(run, code, door):
    assert run(*bad("exit", code), door=door) == (code, "", "")


@pytest.mark.parametrize("door", [SUPERVISE, ALONE], ids=["exec", "alone"])
def test_output_is_passed_on_stream_by_stream(run, door):
    code, out, err = run("--", "sh", "-c", "echo one; echo two >&2; printf three", door=door)
    assert (code, out, err) == (0, "one\nthree", "two\n")


def test_every_byte_is_passed_on_as_it_is(tmp_path):
    """Also NUL, CR, what is no text, and an end without a newline."""
    data = bytes(range(256)) * 1000 + b"\r\n\r a \r\xff\xfe no newline"
    (tmp_path / "data").write_bytes(data)
    words = [*SUPERVISE, "--", "sh", "-c", "cat data; cat data >&2"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout == data, done.stderr == data) == (True, True)


@pytest.mark.parametrize("join", ["> both 2>&1", ">> both 2>&1", "2>&1 | cat > both"])
def test_order_is_kept_where_both_streams_go_to_one_file(tmp_path, join):
    talk = "i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    supervise = " ".join(SUPERVISE)
    script = f"{supervise} -- sh -c '{talk}' {join}"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    lines = [f"{stream} {n}" for n in range(300) for stream in ("out", "err")]
    assert (tmp_path / "both").read_text().splitlines() == lines


MAYBE = "( and the command was stopped)?"  # unless it ended sooner
FULL = "stdout cannot be written{}: No space left on device\n"


@pytest.mark.parametrize("quiet", ["", "-q"])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("-- echo hi > /dev/full", 125, FULL.format(MAYBE)),
        ("-- yes > /dev/full", 125, FULL.format(MAYBE[1:-2])),
        ("-- sh -c 'yes >&2' 2> /dev/full", 125, ""),
        ("-- echo hi >&-", 125, f"stdout cannot be written{MAYBE}: it is closed\n"),
        ("-- sh -c 'echo hi >&2' 2>&-", 125, ""),
        ("--json - -- echo hi > /dev/full", 125, "the result cannot be written to stdout: No sp"),
        ("--json - -- echo hi >&-", 125, "the result cannot be written to stdout: it is closed"),
        ("--json /dev/full -- echo hi", 125, "the result cannot be written to /dev/full: No sp"),
        ("--json r -- echo hi > /dev/full", 125, FULL.format(MAYBE)),
        ("--spool-dir /dev/null -- echo hi", 125, "stdout: 3 bytes are not in its file: Not a dir"),
        ("-- true > /dev/full", 0, ""),
    ],
)
def test_write_that_fails_is_an_exit_code_and_a_sentence(tmp_path, words, code, said, quiet):
    script = f"{' '.join(SUPERVISE)} {quiet} {words}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code
    assert re.search(said, done.stderr)
    assert done.stderr.count("pipekit: ") == bool(said)


def test_output_that_may_not_block_is_waited_for(tmp_path):
    """Whoever shares our stdout may have set O_NONBLOCK on it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with subprocess.Popen([*SUPERVISE, "--", "seq", "100000"], stdout=writer) as process:
        os.close(writer)
        time.sleep(0.5)
        with open(reader, "rb") as file:
            assert len(file.read()) == 588_895
    assert process.returncode == 0


def test_slow_reader_gets_everything_and_a_timeout_ends_the_wait(shell):
    """As with a pipe to less(1): what the command has written is not lost when it ends."""
    patient = shell("--", "seq", "200000")
    hasty = shell("--timeout", "0.3s", "--grace", "0.1s", "--", "seq", "200000")
    time.sleep(6)
    assert len(patient.communicate(timeout=20)[0]) == 1_288_895
    out, err = hasty.communicate(timeout=20)
    assert (patient.returncode, hasty.returncode) == (0, 125)
    assert len(out) < 1_288_895
    assert "not all of the output was passed on: its reader was too slow" in err


def test_commands_with_one_spool_folder_never_overwrite_each_other(shell, tmp_path):
    words = ["-q", "--spool-dir", "logs", "--json"]
    slow = shell(*words, "a.json", "--", "sh", "-c", "echo a1; read x; echo a2", stdin=-1)
    while not (tmp_path / "logs/command.out").exists():
        time.sleep(0.01)
    shell(*words, "b.json", "--", "echo", "b1").communicate(timeout=10)
    slow.communicate("go\n", timeout=10)
    shell(*words, "c.json", "--", "echo", "c1").communicate(timeout=10)
    results = [json.loads((tmp_path / f"{name}.json").read_text()) for name in "abc"]
    kept = [(tmp_path / result["stdout"]["spool"]).read_text() for result in results]
    assert kept == ["a1\na2\n", "b1\n", "c1\n"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "command-2.out",
        "command-3.out",
        "command.out",
    ]


def test_exit_code_of_a_shell_for_a_signal_is_explained(run):
    code, _, err = run("--", "sh", "-c", "sh -c 'kill -15 $$'; exit $?")
    assert code == 143
    assert err.endswith(
        "pipekit: exited with code 143: a shell's way to say that its program died of SIGTERM\n"
    )


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
        (["sh", "-c", "kill -15 $$"], 143, "killed by SIGTERM, which pipekit did not send"),
    ],
)
@pytest.mark.parametrize("door", [SUPERVISE, ALONE], ids=["exec", "alone"])
def test_what_could_not_run_or_ended_otherwise_has_a_code_and_a_sentence(
    run, words, code, said, door
):
    found, out, err = run(*words, door=door)
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
    said = "pipekit: stdout cannot be written and the command was stopped: Broken pipe\n"
    assert process.stderr.read() == said
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
