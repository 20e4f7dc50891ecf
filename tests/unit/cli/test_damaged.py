"""Damaged or replaced files of runs: each command ends, with a sentence and no traceback."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipekit.storage.lock import RunLock, running

DEEP = "[" * 200_000
ODD = [None, True, "x", -1, 1e999, 10**30, 10**400, [], {}, [None], {"a": 1}]
TASK = {
    "task": "one",
    "status": "failure",
    "reason": "r",
    "kind": "exit",
    "units": [{"unit": "u", "status": "success", "metrics": {"rows": 1}}],
    "files": [{"verb": "wrote", "path": "a"}],
    "process": {
        "duration": 1.0,
        "peak_rss": 1,
        "cpu_seconds": 0.1,
        "snapshot": [{"state": "running", "waits_in": "", "command": "c", "pid": 1}],
        "stderr": {"tail": "last"},
    },
}
READERS = ["status", "history", "show", "logs", "plan", "events"]


@pytest.fixture
def ran(tiny, pipekit):
    """A project with a run whose stage did nothing."""
    assert pipekit("run").code == 0
    return tiny.root


@pytest.mark.posix("fifo")
@pytest.mark.parametrize("name", ["refused.json", "state.db", "lock.json", "lock"])
def test_no_command_waits_for_a_fifo_or_reads_a_device(ran, pipekit, name):
    path = ran / ".pipekit" / name
    for replace in (lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        path.unlink(missing_ok=True)
        replace()
        for words in [*READERS, "run"]:
            answer = pipekit(words)
            assert "Traceback" not in answer.err, answer
            assert answer.code in ({3, 64} if name == "state.db" else {0, 3})


@pytest.mark.posix("fifo")
@pytest.mark.parametrize("words", ["events", "logs"])
def test_a_journal_and_an_output_are_not_read_through_a_link_nor_from_a_fifo(ran, pipekit, words):
    (journal,) = (ran / "logs/events").glob("*.jsonl")
    (output := ran / "logs/runs" / journal.stem[9:] / "first").mkdir(parents=True)
    path = journal if words == "events" else output / "one.out"
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")
    answer = pipekit(words)
    assert (answer.code, "symbolic link" in answer.err) == (3, True), answer
    path.unlink()
    os.mkfifo(path)
    answer = pipekit(words)
    assert answer.code == (3 if words == "events" else 0), answer


def test_an_empty_ledger_is_that_of_no_run(tiny, pipekit):
    """The first run was killed when it had just created the file; the next one uses it."""
    (tiny.root / ".pipekit").mkdir()
    (tiny.root / ".pipekit/state.db").touch()
    for words in ("status", "history", "plan"):
        answer = pipekit(words)
        assert (answer.code, "no such table" in answer.err) == (0, False), answer
    assert pipekit("run").code == 0
    assert list(tiny.root.glob(".pipekit/*damaged*")) == []


@pytest.mark.parametrize("name", ["refused.json", "lock.json"])
def test_deep_nesting_counts_as_damage(ran, pipekit, name):
    (ran / ".pipekit" / name).write_text(DEEP)
    assert [pipekit(words).code for words in (*READERS, "run")] == [0] * 7


def test_a_record_of_the_lock_with_a_value_of_another_kind_counts_as_damaged(tmp_path):
    """It is shown to people, and decides who may run."""
    with RunLock(tmp_path, "x") as lock:
        good = json.loads((tmp_path / "lock.json").read_text())
        assert running(tmp_path) == lock.holder()
        for name in good:
            for odd in ODD:
                (tmp_path / "lock.json").write_text(json.dumps(good | {name: odd}))
                assert lock.held()
                str(running(tmp_path))
                lock.holder()
        (tmp_path / "lock.json").write_text(json.dumps(good | {"since": 1e30}))
        assert lock.holder() is None


def test_a_time_that_no_calendar_has_is_shown_as_it_is(ran, pipekit):
    (refused := ran / ".pipekit/refused.json").write_text(
        json.dumps([{"first": 1e30, "last": 1e30, "times": 1, "exit_code": 3, "error": "no"}])
    )
    assert "1e+30" in pipekit("status").out
    assert "1e+30" in pipekit("history").out
    assert refused.exists()


@pytest.mark.parametrize("key", ["timestamp", "seq", "stage", "event", "data"])
def test_a_journal_with_odd_values_keeps_no_run_from_starting(ran, pipekit, key):
    """Runs are recorded again from their journals, whatever these say."""
    (path,) = (ran / "logs/events").glob("*.jsonl")
    good = [json.loads(line) for line in path.read_text().splitlines()]
    odd_data = [{"run": odd, "exit_code": odd, "duration": odd, "status": odd} for odd in ODD]
    for odd in odd_data if key == "data" else ODD:
        for left in ran.glob(".pipekit/state.db*"):
            left.unlink()
        path.write_text("".join(f"{json.dumps(record | {key: odd})}\n" for record in good))
        for words in ["run", "status", "show", "history"]:
            answer = pipekit(words)
            assert (answer.code, "Traceback" in answer.err) == (0, False), (odd, answer)


@pytest.mark.slow
def test_show_tells_what_it_can_of_a_damaged_report(ran, pipekit):
    (path,) = ran.glob("logs/pipeline_report_*.json")
    good = json.loads(path.read_text())
    good["stages"] = [good["stages"][0] | {"warnings": ["w"], "tasks": [TASK], "traceback": "x"}]
    for keys in _places(good):
        for odd in ODD:
            path.write_text(json.dumps(_with(good, keys, odd)))
            answer = pipekit("show", "--verbose")
            assert (answer.code, "Traceback" in answer.err) == (0, False), (keys, odd, answer)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if above[:1] in ((), ("stages",)) and key not in ("plugins", "configuration"):
            yield (*above, key)
            if isinstance(item, dict | list) and key != 1:
                yield from _places(item, (*above, key))


def _with(good: Any, keys: tuple[Any, ...], odd: Any) -> Any:
    copied = copy.deepcopy(good)
    inner = copied
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = odd
    return copied
