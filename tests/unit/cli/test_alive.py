"""Which run is going on, which died: never said of a run that goes on, has just begun or ended."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator

import pytest

from pipekit import EventKind
from pipekit.model.names import new_run_id
from pipekit.model.run import Paths
from pipekit.model.status import PipelineStatus
from pipekit.read.report import raw_report
from pipekit.read.runs import as_of_now, find_run, is_going_on
from pipekit.run.events import EventLogger, open_logger
from pipekit.storage.ledger import Ledger
from pipekit.storage.lock import RunLock

RECORDS = [None, "", "{", '{"pid": 1}', "\0\xff"]


@pytest.fixture
def paths(tiny) -> Paths:
    root = tiny.root
    return Paths(root, root / "data", root / "logs", root / ".pipekit")


class Run:
    """A run of this process: with the lock, a row and a journal."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.run_id = paths, new_run_id()
        self.lock = RunLock(paths.state, self.run_id)
        self.lock.__enter__()
        with Ledger(paths.state / "state.db") as ledger:
            self.number = ledger.begin_run(self.run_id, time.time())
        self.lock.write_holder(self.number)
        self.events: EventLogger | None = open_logger(paths, self.run_id, time.time())
        self.events.emit("pipeline", EventKind.START, "it begins")
        self.events.emit("first", EventKind.START, "always")

    def end(self) -> None:
        """The end of a run, in the order of the orchestrator."""
        with Ledger(self.paths.state / "state.db") as ledger:
            ledger.end_run(self.run_id, PipelineStatus.SUCCESS, 0, time.time())
        assert self.events is not None
        self.events.emit("first", EventKind.SUCCESS, "done")
        self.events.emit("pipeline", EventKind.SUCCESS, "it ends")
        self.lock.exit_code = 0
        self.release()

    def release(self) -> None:
        """Let go of what a process has: without an end, as if it had been killed."""
        if self.events is not None:
            self.events.close()
            self.events = None
            self.lock.__exit__()


@pytest.fixture
def run(paths) -> Iterator[Run]:
    begun = Run(paths)
    yield begun
    begun.release()


@pytest.mark.parametrize("record", RECORDS)
def test_a_run_whose_record_is_gone_or_damaged_is_not_dead(run, paths, pipekit, record):
    file = paths.state / "lock.json"
    file.unlink() if record is None else file.write_bytes(record.encode("latin-1"))
    check = pipekit("status", "--check")
    assert (check.code, check.out[:24]) == (0, "OK: nothing failed; run ")
    status = pipekit("status").out
    assert "a run is going on; its record (lock.json in the state folder) is gone" in status
    assert "now first: began at " in status
    assert "died" not in status
    assert json.loads(pipekit("status", "--json").out)["running"] == run.run_id
    assert pipekit("history").out.splitlines()[1].split()[3] == "running"
    assert "no run matches" in pipekit("history", "--failed").err
    assert pipekit("show").out.startswith("run 1: running, ")
    assert is_going_on(paths, run.run_id)
    assert not is_going_on(paths, new_run_id())
    held = pipekit("hold", "--for", "1h", "--reason", "x").err
    assert "its record (lock.json in the state folder) is gone or damaged" in held
    run.release()
    assert pipekit("status", "--check").out == "FAILED: run 1 died (and 1 more)\n"
    assert not is_going_on(paths, run.run_id)


def test_a_run_that_ended_or_began_between_two_looks_is_not_dead(run, paths):
    """What was read from the ledger is older than what the lock says."""
    before = find_run(paths, None)
    run.end()
    ((now,), holder) = as_of_now([before], paths)
    assert (now.status, now.is_dead, holder) == ("success", False, None)
    assert raw_report(before, paths)["status"] == "success"
    later = Run(paths)
    ((now,), holder) = as_of_now([before], paths)
    later.release()
    assert (now.status, holder.run_id) == ("success", later.run_id)


def test_a_run_without_an_end_that_does_not_hold_the_lock_died(run, paths):
    before = find_run(paths, None)
    ((now,), _) = as_of_now([before], paths)
    assert (now.status, now.is_dead) == ("running", False)
    run.release()
    (paths.state / "lock.json").unlink()  # else its exit code would be known
    ((now,), holder) = as_of_now([before], paths)
    assert (now.status, now.is_dead, holder) == ("died", True, None)


def test_the_run_before_is_not_taken_for_one_that_is_just_beginning(run, paths, pipekit):
    """The lock is taken, and its record is still that of the last run; so is it at the end."""
    run.end()
    with open(paths.state / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status = pipekit("status").out
        assert "\na run is just beginning or ending\n" in status
        assert "stopping what is left of" not in status
        assert "last run 1: success" in status
        assert json.loads(pipekit("status", "--json").out)["running"] is None
        assert not is_going_on(paths, run.run_id)


@pytest.fixture
def meanwhile(monkeypatch):
    """What happens while `events --follow` naps for the first time, and no real nap."""

    def then(happens: Callable[[], object]) -> None:
        left = [happens]
        monkeypatch.setattr(time, "sleep", lambda _: left.pop()() if left else None)
        monkeypatch.setattr("pipekit.cli.events._LOOK_SECONDS", -1.0)

    return then


def test_a_run_that_ends_while_it_is_followed_did_not_die(run, pipekit, meanwhile):
    meanwhile(run.end)
    done = pipekit("events", "--follow")
    assert [line.split()[2] for line in done.out.splitlines()] == ["start"] * 2 + ["success"] * 2
    assert done.err == ""


def test_a_run_that_dies_while_it_is_followed_is_said_to(run, paths, pipekit, meanwhile):
    def die() -> None:
        run.release()
        (paths.state / "lock.json").unlink()

    meanwhile(die)
    done = pipekit("events", "--follow")
    assert [line.split()[2] for line in done.out.splitlines()] == ["start"] * 2
    assert done.err == "run 1 died; the next run closes it\n"


def test_a_followed_journal_is_read_again_when_it_was_written_again(run, paths, pipekit, meanwhile):
    (journal,) = paths.events.glob("*.jsonl")

    def replace() -> None:
        text = journal.read_text()
        run.end()
        new = journal.with_suffix(".new")
        new.write_text(text + journal.read_text()[len(text) :])
        new.replace(journal)

    meanwhile(replace)
    done = pipekit("events", "--follow")
    kinds = [line.split()[2] for line in done.out.splitlines()]
    assert kinds == ["start"] * 4 + ["success"] * 2
    assert done.err == ""


def test_a_followed_journal_that_is_gone_is_told_from_a_death(run, paths, pipekit, meanwhile):
    (journal,) = paths.events.glob("*.jsonl")

    def end() -> None:
        run.end()
        journal.unlink()

    meanwhile(end)
    assert pipekit("events", "--follow").err == (
        "run 1 has ended: success; its journal does not say so\n"
    )
