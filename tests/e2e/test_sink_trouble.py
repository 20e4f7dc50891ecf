"""What went wrong with a sink is in the report and in `pipekit status`, until it works again."""

from __future__ import annotations

import pytest

SINK = """
import os
from contextlib import contextmanager
from pipekit import EventSink, hookimpl

@contextmanager
def telling(ctx, settings):
    def emit(event):
        if event.stage == "pipeline" and (ctx.root / "away").exists():
            raise ConnectionRefusedError("mail.example: connection refused")
    yield emit

@hookimpl
def pipekit_event_sinks():
    yield EventSink("told", telling, important=True, flush_seconds=9)
    yield EventSink("nice", telling)
"""
STAGE = """
from pipekit import StagePlan, StageSpec, hookimpl

@hookimpl
def pipekit_stages():
    yield StageSpec("still", lambda ctx, settings: StagePlan.skip("nothing to do"))
"""


@pytest.fixture
def telling(project):
    project.plugin("still", STAGE)
    project.plugin("telling", SINK)
    return project


@pytest.mark.parametrize(("name", "code"), [("told", 1), ("nice", 0)])
def test_status_says_what_a_sink_missed_until_it_works_again(telling, name, code):
    telling.config(f'[pipeline]\nstages = ["still"]\n[sinks.{name}]\n')
    away = telling.root / "away"
    away.touch()
    run = telling.pipekit("run")
    text = f"sink '{name}' failed on 2 events: ConnectionRefusedError: mail.example: connection"
    assert run.code == 0
    assert text in run.err
    assert text in telling.pipekit("status", env={"COLUMNS": "200"}).out
    check = telling.pipekit("status", "--check")
    assert check.code == code
    assert (text in check.out) == (code == 1)
    (trouble,) = telling.pipekit("status", "--json").json["sinks"]
    assert trouble["important"] == (code == 1)
    away.unlink()
    telling.pipekit("run")
    assert "sink" not in telling.pipekit("status").out
    assert telling.pipekit("status", "--check").code == 0
