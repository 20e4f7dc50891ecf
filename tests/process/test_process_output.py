"""Output: kept byte by byte, told in lines, bounded in memory, and never a reason to fail."""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from pipekit.model.command import Outcome
from pipekit.process import Cancel, ProcessSupervisor


def test_spool_holds_every_byte_and_the_tail_the_last(lab):
    result = lab.run("lines", 100_000, 20)
    spool = result.stdout.spool
    assert spool == lab.spools / "command.out"
    assert spool.read_text() == "".join(f"{n} {'x' * 20}\n" for n in range(100_000))
    assert result.stdout.size == spool.stat().st_size
    assert result.stdout.lines == 100_000
    assert len(result.stdout.tail) == 65536
    assert spool.read_text().endswith(result.stdout.tail)
    assert (result.stdout.dropped, result.stdout.decode_errors) == (0, 0)


def test_stream_without_output_leaves_no_file(lab):
    result = lab.execute(lab.bad("exit", 0), name="task")
    assert result.stdout.spool is None
    assert not lab.spools.exists()


def test_command_never_overwrites_the_files_of_another_one_of_its_name(lab):
    first = lab.execute(lab.bad("both"), name="task")
    lab.supervisor = ProcessSupervisor(lab.spools)  # which knows nothing of the first command
    second = lab.execute(lab.command("echo", "second"), name="task")
    assert (first.stdout.spool, first.stderr.spool) == (
        lab.spools / "task.out",
        lab.spools / "task.err",
    )
    assert second.stdout.spool == lab.spools / "task-2.out"
    assert first.stdout.spool.read_text() == "out 0\nout 1\nout 2\n"
    assert second.stdout.spool.read_text() == "second\n"


@pytest.mark.parametrize("how", ["unlink", "rotate", "logs"])
def test_output_file_that_is_lost_meanwhile_is_a_warning_and_the_rest_is_kept(lab, how):
    script = {
        "unlink": f"rm {lab.spools}/command.out",
        "rotate": f"mv {lab.spools}/command.out {lab.spools}/command.out.1",
        "logs": f"rm -r {lab.spools}",
    }[how]
    wait = f"while ! test -s {lab.spools}/command.out; do sleep 0.01; done"
    result = lab.execute(lab.command("sh", "-c", f"echo before; {wait}; {script}; echo after"))
    assert result.stdout.spool.read_text() == "after\n"
    assert (result.success, result.stdout.dropped, result.stdout.size) == (True, 7, 13)
    verb = "moved away" if how == "rotate" else "deleted"
    (warning,) = result.warnings
    assert warning == (
        f"stdout: its file {lab.spools}/command.out was {verb} with 7 bytes of the output in it"
    )


def test_streams_are_apart_or_together_as_asked(lab):
    apart = lab.run("both")
    assert apart.stdout.tail == "out 0\nout 1\nout 2\n"
    assert apart.stderr.tail == "err 0\nerr 1\nerr 2\n"
    together = lab.run("both", merge_stderr=True)
    assert together.stdout.tail == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"
    assert together.stderr.size == 0


def test_lines_are_told_in_order_without_ends_and_with_the_stream(lab):
    told = {"stdout": [], "stderr": []}
    lab.execute(lab.bad("both"), lambda stream, lines: told[stream].extend(lines))
    assert told == {
        "stdout": ["out 0", "out 1", "out 2"],
        "stderr": ["err 0", "err 1", "err 2"],
    }


def test_all_lines_of_much_output_are_told_in_few_batches(lab):
    told, batches = [], []
    lab.execute(
        lab.bad("lines", 100_000),
        lambda _, lines: (told.extend(lines), batches.append(len(lines))),
    )
    assert told == [f"{n} " for n in range(100_000)]
    assert len(batches) < 1_000


def test_what_is_written_in_the_last_instant_is_kept_every_time(lab):
    for _ in range(200):
        assert lab.supervisor.execute(lab.command("echo", "last")).stdout.tail == "last\n"
    for _ in range(20):
        assert lab.run("last_instant").stdout.tail == "first\nlast\n"


def test_character_cut_by_two_reads_is_whole_and_broken_ones_are_counted(lab):
    whole = lab.run("pieces", 0.03, "e2", "82", "ac0a")
    assert (whole.stdout.tail, whole.stdout.decode_errors) == ("€\n", 0)
    broken = lab.run("pieces", 0.03, "ff41", "e282", "42000a", "c3")
    assert broken.stdout.spool.read_bytes() == bytes.fromhex("ff41e28242000ac3")
    assert broken.stdout.decode_errors == 4
    assert "A" in broken.stdout.tail


def test_other_encodings_are_read_as_said(lab):
    lines = []
    command = lab.bad("pieces", 0, "e9743d800a", encoding="cp1252")
    assert lab.execute(command, lambda _, got: lines.extend(got)).stdout.tail == "ét=€\n"
    assert lines == ["ét=€"]


def test_progress_drawn_with_carriage_returns_is_told_as_it_moves(lab):
    told = []
    piece = b"10%\r".hex(), b"20%\r".hex(), b"\n30%\r".hex(), b"done".hex()
    lab.execute(lab.bad("pieces", 0.05, *piece), lambda _, lines: told.append(lines))
    assert [line for lines in told for line in lines] == ["10%", "20%", "30%", "done"]
    assert len(told) >= 3


def test_endless_line_costs_no_memory_and_is_told_in_pieces(lab):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = []
    size = 256 * 1024 * 1024
    lab.supervisor = ProcessSupervisor(Path("/dev/shm") if os.path.isdir("/dev/shm") else None)
    name = f"pipekit-{lab.mark}"
    try:
        result = lab.execute(
            lab.bad("long_line", size),
            lambda _, lines: sizes.append(sum(map(len, lines))),
            name=name,
        )
    finally:
        Path(f"/dev/shm/{name}.out").unlink(missing_ok=True)
    assert (result.stdout.size, result.stdout.lines, sum(sizes)) == (size, 0, size)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


def test_early_end_of_output_is_not_the_end_of_the_command(lab):
    started = time.monotonic()
    result = lab.run("close_output", 0.5, linger=0.1)
    assert (result.success, result.signals) == (True, ())
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_callback_that_raises_becomes_a_warning_and_hears_the_rest(lab, error):
    told = []

    def callback(_: str, lines: list[str]) -> None:
        told.extend(lines)
        raise error("not today")

    result = lab.execute(lab.bad("pieces", 0.05, "610a", "620a"), callback)
    assert result
    assert told == ["a", "b"]
    assert f"on_lines raised {error.__name__}: not today" in result.warnings[0]


def test_slow_callback_does_not_slow_the_child(lab):
    """Each call sleeps; the command's own time is that of its pauses, not of the calls."""
    pieces = [b"x\n".hex()] * 40
    told = []
    ends = []

    def callback(_: str, lines: list[str]) -> None:
        time.sleep(0.1)
        told.extend(lines)
        ends.append(time.monotonic())

    started = time.monotonic()
    result = lab.execute(lab.bad("pieces", 0.01, *pieces), callback)
    assert told == ["x"] * 40
    assert len(ends) < 10
    assert time.monotonic() - started < 40 * 0.1
    assert result


def test_callback_that_never_returns_keeps_nobody_waiting(lab, within):
    """Neither the timers nor the end: it is given up, and its thread alone is left."""
    go, threads = threading.Event(), threading.active_count()
    started = time.monotonic()
    result = lab.execute(
        lab.command("sh", "-c", "echo hello; sleep 60", timeout=0.4, grace=0.3),
        lambda *_: go.wait(),
    )
    within(started, 0.7)
    go.set()
    assert result.outcome is Outcome.TIMED_OUT
    assert "on_lines raised TimeoutError: it did not return" in result.warnings[0]
    while threading.active_count() > threads:
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["cancel", "hang", "done"])
def test_callback_that_never_returns_keeps_no_stop_waiting(lab, within, how):
    """Whatever the command is stopped for: from then on it has the grace and half a second."""
    go, lines = threading.Event(), "echo hello; exec sleep 60"
    threads = threading.active_count()
    options = {"hang": {"hang_timeout": 0.4}, "done": {"done_pattern": "hello", "linger": 0.4}}
    command = lab.command("sh", "-c", lines, grace=0.3, **options.get(how, {}))
    started = time.monotonic()
    with Cancel() as cancel:
        timer = threading.Timer(0.4 if how == "cancel" else 60, cancel.set)
        timer.start()
        result = lab.execute(command, lambda *_: go.wait(), cancel)
        timer.cancel()
        timer.join()
    within(started, 0.7)
    go.set()
    assert "on_lines raised TimeoutError: it did not return" in result.warnings[0]
    while threading.active_count() > threads:
        time.sleep(0.01)


def test_callback_far_behind_makes_the_command_wait_and_hears_every_line(lab):
    told = []

    def callback(_: str, lines: list[str]) -> None:
        time.sleep(0.3)
        told.append(len(lines))

    result = lab.execute(lab.bad("lines", 200_000, 50, hang_timeout=0.5), callback)
    assert result, result.reason
    assert sum(told) == 200_000
    assert max(told) < 100_000
    assert result.warnings == ()


def test_what_is_unread_when_the_command_ends_is_heard_all_the_same(lab):
    """It ends while the callback is far behind: what it wrote last is in the pipe alone."""
    told = []
    ended = threading.Event()

    def callback(_: str, lines: list[str]) -> None:
        ended.wait(1)
        told.append(len(lines))

    result = lab.execute(lab.bad("lines", 4_800, 1_000), callback)
    ended.set()
    assert sum(told) == result.stdout.lines == 4_800


def test_full_disk_drops_and_counts_and_does_not_fail_the_command(lab):
    """A limit on file size stands for the disk: the write stops short, then fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        result = lab.run("lines", 20_000, 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.outcome is Outcome.EXITED
    assert result.returncode == 0
    assert result.stdout.spool.stat().st_size == 100_000
    assert result.stdout.dropped == result.stdout.size - 100_000
    assert result.stdout.tail.endswith("19999 " + "x" * 20 + "\n")
    assert (
        f"{result.stdout.dropped} bytes are not in its file: File too large" in result.warnings[0]
    )


def test_device_that_is_full_from_the_first_byte_is_told(lab):
    lab.spools.symlink_to(lab.spools)  # not even a file can be made there
    result = lab.run("both")
    assert result
    assert result.stdout.spool is None
    assert result.stdout.dropped == result.stdout.size
    assert result.stdout.tail == "out 0\nout 1\nout 2\n"
    assert "it is a symbolic link" in result.warnings[0]


def test_spool_folder_that_cannot_be_made_drops_and_counts(lab, tmp_path):
    (tmp_path / "file").touch()
    lab.supervisor = ProcessSupervisor(tmp_path / "file" / "spools")
    result = lab.run("both")
    assert result
    assert (result.stdout.dropped, result.stderr.dropped) == (18, 18)
    assert len(result.warnings) == 2


def test_without_a_spool_folder_the_tail_is_kept_and_nothing_counts_as_dropped(lab):
    lab.supervisor = ProcessSupervisor()
    result = lab.run("both")
    assert (result.stdout.spool, result.stdout.dropped) == (None, 0)
    assert result.stdout.tail == "out 0\nout 1\nout 2\n"


def test_secrets_are_nowhere_also_when_two_reads_cut_them(lab):
    told = []
    pieces = [b"a hun".hex(), b"ter2 b hunt".hex(), b"er c hun".hex()]
    command = lab.bad("pieces", 0.05, *pieces, redact=("hunter2", ""))
    result = lab.execute(command, lambda _, lines: told.extend(lines))
    assert result.stdout.spool.read_text() == "a *** b hunter c hun"
    assert result.stdout.tail == "a *** b hunter c hun"
    assert told == ["a *** b hunter c hun"]


def test_secrets_are_not_in_the_sentence_about_a_failed_start(lab):
    assert "hunter2" not in lab.execute(lab.command("./hunter2", redact=["hunter2"])).reason


@pytest.mark.parametrize("how", ["silent", "writes", "holds"])
def test_output_of_a_grandchild_that_stays_is_read_until_its_end(lab, how):
    result = lab.run("orphan", 60, how, linger=0.3, grace=0.3)
    assert result.outcome is Outcome.EXITED
    assert result.survivors == 1
    if how == "writes":
        assert result.stdout.lines > 5
