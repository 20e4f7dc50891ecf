"""Files that a stage had consumed and that are empty or shorter now are noticed and remembered."""

from __future__ import annotations

import json
import types

import pytest

from pipekit.model.command import Command
from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.stage import StagePlan
from pipekit.model.task import Task, TaskResult
from pipekit.run.shrunk import ShrunkFiles, held_shrunk
from pipekit.storage.ledger import signature_text
from pipekit.storage.stage_view import LedgerStageView


@pytest.fixture
def step(files, ledger, put):
    """A run in which the stage consumes a file with this text; returns the warnings."""

    def run(text, run_id, path="a", **detail):
        number = ledger.begin_run(run_id, 1.0)
        put(path, text)
        view = LedgerStageView(files, ledger, "s", version="1", settings=None, digest_of=str)
        pending = view.pending([files.stat(path)], None, growing=True, force=False)
        task = Task(name="t", command=Command(argv=["x"]))
        plan = StagePlan(reason="new", tasks=[task], inputs=pending.inputs)
        shrunk = ShrunkFiles(types.SimpleNamespace(ledger=ledger, number=number), "s", plan)
        signature = signature_text(files.stat(path).signature)
        record = FileRecord("consumed", path, text, signature, detail=json.dumps(detail))
        ledger.commit("s", "1", number, [record], {}, "None")
        result = TaskResult(name="t", status="success", files=FileRecords([record]))
        return shrunk.note([result], number)

    return run


def noticed(ledger):
    return [(each.path, each.size, each.before, each.run) for each in ledger.shrunk()]


def test_it_is_remembered_until_it_is_as_long_as_it_was(ledger, step):
    assert step("a long text", "1") == []
    (warning,) = step("a text", "2")
    assert warning.startswith("a became shorter: it has 6 bytes, but had 11 when s consumed it")
    assert noticed(ledger) == [("a", 6, 11, 2)]
    assert step("a longer", "3") == []  # than it was, but not than it had been
    assert noticed(ledger) == [("a", 8, 11, 2)]
    assert len(step("short", "4")) == 1
    assert noticed(ledger) == [("a", 5, 11, 4)]
    assert held_shrunk(ledger) == {"a": "it has 5 bytes, but had 11 when s consumed it before"}
    assert step("a longer text", "5") == []
    assert noticed(ledger) == []


def test_of_an_empty_file_the_stage_may_have_warned_itself(ledger, step):
    step("a long text", "1")
    assert step("", "2", empty=True) == []
    assert noticed(ledger) == [("a", 0, 11, 2)]
    assert "it is empty, but had 11" in held_shrunk(ledger)["a"]


def test_what_a_stage_has_published_may_become_shorter(ledger, step, put, reported):
    put("a", "a long text")
    ledger.commit("maker", "1", 1, [reported("wrote", "a")], {}, "")
    step("a long text", "1")
    assert step("a text", "2") == []
    assert noticed(ledger) == []


def test_rows_set_aside_are_found_by_run_and_stage(ledger):
    for number in (1, 2, 3):
        run_id = f"r{number}"
        ledger.begin_run(run_id, 1.0)
        ledger.note_stage(run_id, "s", {"metrics": {"rows_set_aside": number - 1}})
        ledger.note_stage(run_id, "other", {"metrics": {"rows": 1}})
    ledger._connection.execute("UPDATE runs SET stages = 'no JSON' WHERE number = 1")
    assert [tuple(each) for each in ledger.rows_set_aside()] == [
        (2, "r2", "s", 1),
        (3, "r3", "s", 2),
    ]
    assert [each.run for each in ledger.rows_set_aside(2)] == [3]
