"""Runs that are going on, that died, or whose report is lost: every command shows what is known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipekit import EventKind
from pipekit.model.names import new_run_id
from pipekit.model.run import Paths
from pipekit.model.status import PipelineStatus
from pipekit.run.events import open_logger
from pipekit.storage.ledger import Ledger
from pipekit.storage.lock import RunLock

STARTED = 1_790_000_000.0
DONE = {"status": "success", "sentence": "first: 3 files, 2.0 s"}


@pytest.fixture
def paths(tiny) -> Paths:
    root = tiny.root
    return Paths(root, root / "data", root / "logs", root / ".pipekit")


@pytest.fixture
def half(paths) -> str:
    """A run that has ended its first stage and begun the second, which has printed something."""
    run_id = new_run_id()
    with Ledger(paths.state / "state.db") as ledger:
        number = ledger.begin_run(run_id, STARTED)
        ledger.note_stage(run_id, "first", DONE)
    logger = open_logger(paths, run_id, STARTED)
    logger.emit("pipeline", EventKind.START, f"run {number}")
    logger.emit("first", EventKind.START, "always")
    logger.emit("first", EventKind.SUCCESS, "first: 3 files, 2.0 s")
    logger.emit("second", EventKind.START, "always")
    logger.emit("second", EventKind.PROGRESS, "", task="one", unit="ES", done=3, total=10)
    logger.close()
    output = paths.runs / run_id / "second/one.out"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"\x1b[31mso far\n")
    return run_id


@pytest.fixture
def going_on(paths, half) -> Iterator[str]:
    """The same while its process is alive: this one."""
    with RunLock(paths.state, half) as lock:
        lock.write_holder(1)
        yield half


def test_status_says_what_a_run_is_at(going_on, pipekit):
    done = pipekit("status")
    assert done.code == 0
    verdict, *lines = done.out.splitlines()
    assert verdict.startswith("OK: nothing failed; run 1 at ")
    assert lines[0].startswith("run 1 is going on since ")
    assert "now second: began at " in lines[1]
    assert lines[1].endswith("ES: 3 of 10")
    assert any("first: 3 files, 2.0 s (run 1)" in line for line in lines)
    assert "has not run yet" not in done.out
    assert json.loads(pipekit("status", "--json").out)["now"]["stage"] == "second"


def test_show_of_a_run_that_is_going_on_shows_what_is_known(going_on, pipekit):
    done = pipekit("show")
    assert done.code == 0
    assert done.out.startswith("run 1: running, 2 stages so far")
    assert "success first: 3 files, 2.0 s" in done.out
    assert "running second: began at " in done.out
    assert "run 1 is still going on: follow it with `pipekit events --follow`" in done.out
    record = json.loads(pipekit("show", "--json").out)
    assert [stage["status"] for stage in record["stages"]] == ["success", "running"]


@pytest.mark.parametrize("words", ["logs", "logs 1", "logs 1 second", "logs 1 second --out"])
def test_logs_of_a_stage_that_is_running_have_its_output_so_far(going_on, pipekit, words):
    done = pipekit(*words.split())
    assert done.code == 0
    assert done.out == "\\x1b[31mso far\n"


def test_raw_logs_are_the_bytes(going_on, pipekit):
    assert pipekit("logs", "--raw").out == "\x1b[31mso far\n"


def test_history_tells_running_from_dead(going_on, pipekit):
    assert pipekit("history").out.splitlines()[1].split()[3] == "running"


def test_a_dead_run_is_called_so_until_the_next_one_closes_it(half, pipekit):
    assert pipekit("history").out.splitlines()[1].split()[3] == "died"
    status = pipekit("status").out
    assert "last run 1: died at" in status
    assert "died while second was running; the next run records it as a failure" in status
    shown = pipekit("show")
    assert (shown.code, "died before it could write its report" in shown.out) == (0, True)
    assert "died second: began at" in shown.out
    events = pipekit("events", "-n", "2")
    assert [line.split()[2] for line in events.out.splitlines()] == ["start", "progress"]
    assert pipekit("run", "--only", "first").code == 0
    for words in ("status", "show 1", "history", "logs 1 second", "events 1"):
        done = pipekit(*words.split())
        assert (done.code, "Traceback" in done.err) == (0, False), (words, done)
    assert "second: failure" in pipekit("status").out


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 1}'])
def test_a_report_that_is_lost_damaged_or_of_another_version_is_made_up_for(tiny, pipekit, text):
    """The ledger knows the stages, and says that it speaks."""
    pipekit("run")
    (report,) = (tiny.root / "logs").glob("pipeline_report_*.json")
    report.write_text(text) if text else report.unlink()
    done = pipekit("show")
    assert done.code == 0
    assert "first: nothing in data" in done.out
    json.loads(pipekit("show", "--json").out)


def test_the_ledger_of_another_version_is_shown_as_far_as_it_is_understood(tiny, paths, pipekit):
    """Unknown words and missing keys; a run is refused, since it would write."""
    pipekit("run")
    with sqlite3.connect(paths.state / "state.db") as ledger:
        ledger.execute("PRAGMA user_version = 99")
        entries = json.dumps({"first": {"outcome": "fine"}, "second": "odd"})
        ledger.execute("UPDATE runs SET status = 'postponed', stages = ?", (entries,))
    ledger.close()
    assert "last run 1: postponed" in pipekit("status").out
    assert "first: unknown (run 1)" in pipekit("status").out
    assert "postponed" in pipekit("history").out
    assert pipekit("show").code == 0
    refused = pipekit("run")
    assert (refused.code, "written by a newer pipekit" in refused.err) == (3, True)


def test_a_journal_with_damaged_lines_is_printed_without_them(half, paths, pipekit):
    (journal,) = paths.events.glob("*.jsonl")
    journal.write_bytes(journal.read_bytes() + b'no json\n[1]\n{"event": ["x"]}\n{"torn')
    for words in ("events", "events --json", "events -n 3", "status", "show"):
        done = pipekit(*words.split())
        assert (done.code, done.err) == (0, ""), words


@pytest.mark.parametrize("count", [1, 2, 300, 999, 1000, 2000])
def test_the_last_events_are_found_from_the_end(half, paths, pipekit, count):
    """A page of a long journal is not a matter of its length."""
    (journal,) = paths.events.glob("*.jsonl")
    lines = [json.dumps({"seq": n, "msg": "x" * (n % 300)}) for n in range(1000)]
    journal.write_text("".join(f"{line}\n" for line in lines))
    printed = pipekit("events", "--json", "-n", str(count)).out.splitlines()
    assert [json.loads(line)["seq"] for line in printed] == list(range(1000))[-count:]


def test_people_get_a_page_of_events_and_programs_all(half, paths, pipekit):
    (journal,) = paths.events.glob("*.jsonl")
    journal.write_text("".join(f'{{"seq": {n}, "msg": "{n}"}}\n' for n in range(1200)))
    page = pipekit("events")
    assert [line.split()[-1] for line in page.out.splitlines()] == [*map(str, range(200, 1200))]
    assert page.err == "earlier events are left out; --all prints them\n"
    assert len(pipekit("events", "--all").out.splitlines()) == 1200
    assert len(pipekit("events", "--json").out.splitlines()) == 1200
    assert pipekit("events", "--all", "-n", "5").code == 64


def test_a_stage_that_was_blocked_is_not_blocked_once_it_has_nothing_to_do(paths, tiny, pipekit):
    """What was true of an old run is not shown as if it were true now."""
    skipped = {"status": "skipped", "sentence": "second: skipped, nothing new"}
    with Ledger(paths.state / "state.db") as ledger:
        for first, second in (
            ({"status": "failure", "sentence": "first: failure, 1.0 s"}, {"status": "blocked"}),
            (DONE, skipped),
            ({"status": "skipped", "sentence": "first: skipped, nothing new"}, skipped),
        ):
            run_id = new_run_id()
            ledger.begin_run(run_id, STARTED)
            ledger.note_stage(run_id, "first", first)
            ledger.note_stage(run_id, "second", second)
            ledger.end_run(run_id, PipelineStatus.SUCCESS, 0, STARTED + 1)
    lines = [line for line in pipekit("status").out.splitlines() if line.startswith("  ")]
    assert lines == [
        "  first: 3 files, 2.0 s (run 2); nothing to do since run 3",
        "  second: skipped, nothing new (run 3)",
    ]


def test_a_file_that_became_empty_is_not_passed_over(paths, tiny, pipekit):
    """The stage had work in that run, though it is called skipped."""
    emptied = {
        "status": "skipped",
        "tasks": 1,
        "sentence": "first: skipped, 1 file is now empty: a",
    }
    with Ledger(paths.state / "state.db") as ledger:
        for entry in (DONE, emptied, {"status": "skipped", "sentence": "nothing new"}):
            run_id = new_run_id()
            ledger.begin_run(run_id, STARTED)
            ledger.note_stage(run_id, "first", entry)
            ledger.end_run(run_id, PipelineStatus.IDLE, 0, STARTED + 1)
    status = pipekit("status").out
    assert "first: skipped, 1 file is now empty: a (run 2); nothing to do since run 3" in status


def test_a_run_that_is_not_there_is_told_from_one_of_several(tiny, pipekit):
    ids = []
    for _ in range(2):
        pipekit("run")
        ids.append(json.loads(pipekit("history", "--all", "--json").out)[0]["run_id"])
    begin = ids[0][:6]  # of ids that begin with their time
    assert f"several ids begin with {begin!r}; the latest is run 2" in pipekit("show", begin).err
    assert "there is no run '9999'; the latest is run 2" in pipekit("show", "9999").err


def test_a_run_that_has_only_begun_is_shown(paths, tiny, pipekit):
    """It died between its row and its journal."""
    with Ledger(paths.state / "state.db") as ledger:
        ledger.begin_run(new_run_id(), STARTED)
    for words in ("status", "history", "show", "logs", "events", "events --follow"):
        done = pipekit(*words.split())
        assert (done.code, "Traceback" in done.err) == (0, False), words
    assert "last run 1: died" in pipekit("status").out
    assert "has written no event so far" in pipekit("events").err


@pytest.mark.parametrize("words", ["status", "history", "show"])
def test_a_ledger_that_is_gone_or_damaged_is_not_a_new_project(paths, tiny, pipekit, words):
    pipekit("run")
    (paths.state / "state.db").write_bytes(b"x" * 5000)
    damaged = pipekit(words)
    assert (damaged.code, "the next run renames it" in damaged.err) == (3, True)
    (paths.state / "state.db").unlink()
    done = pipekit(words)
    assert f"there are journals of earlier runs in {paths.events}" in done.out + done.err


def test_no_command_that_shows_a_run_writes_anything(half, paths, pipekit):
    """They are for read-only file systems too."""
    before = {path: path.stat().st_mtime_ns for path in files(paths.root)}
    for words in ("status", "history", "show", "logs", "events", "plan"):
        assert pipekit(*words.split()).code == 0
    assert {path: path.stat().st_mtime_ns for path in files(paths.root)} == before


def files(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal"))]
