"""`pipekit history` finds the runs that failed, those since a time, and those of a stage."""

from __future__ import annotations

import json
import time

import pytest

from pipekit.model.names import new_run_id
from pipekit.model.status import PipelineStatus
from pipekit.storage.ledger import Ledger

DAY = 86_400.0


@pytest.fixture
def history(tiny, pipekit):
    """A ledger of 1,003 runs, most of them idle; returns the numbers that the words list."""
    now = time.time()
    runs = [
        (9, "failure", {"first": "failure", "second": "blocked"}),
        (8, "success", {"first": "success", "second": "skipped"}),
        *((7.0, "idle", {"first": "skipped", "second": "skipped"}) for _ in range(1_000)),
        (1, "partial", {"first": "success", "second": "partial"}),
    ]
    with Ledger(tiny.root / ".pipekit/state.db") as ledger:
        for days, ended, stages in runs:
            run_id = new_run_id()
            ledger.begin_run(run_id, now - days * DAY)
            for stage, status in stages.items():
                ledger.note_stage(run_id, stage, {"status": status})
            ledger.end_run(run_id, PipelineStatus(ended), 0, now - days * DAY, durable=False)

    def numbers(*words: str) -> list[int]:
        done = pipekit("history", "--json", *words)
        assert done.code == 0, done
        return [run["run"] for run in json.loads(done.out)]

    return numbers


def test_runs_are_chosen_by_outcome_time_and_stage(history):
    assert history() == [1003, 2, 1]
    assert history("--failed") == [1003, 1]
    assert history("--failed", "--stage", "first") == [1]
    assert history("--stage", "second") == [1003, 1]
    assert history("--since", "8d12h") == [1003, 2]
    assert history("--since", "2000-01-01", "-n", "1") == [1003]
    assert history("--all", "--since", "7d1h", "-n", "5000") == [*range(1003, 2, -1)]
    assert history("--all", "--failed") == [1003, 1]


def test_a_wrong_time_is_refused_with_examples(history, pipekit):
    done = pipekit("history", "--since", "soon")
    assert (done.code, 'such as "2026-11-28"' in done.err) == (64, True)
    none = pipekit("history", "--since", "5m")
    assert (none.code, "no run matches" in none.err) == (0, True)
