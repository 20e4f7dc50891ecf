"""Nothing that a plan or a worker says can stop a run, hang it, or make it claim what is not so."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest

from pipekit import Command, StagePlan, Task
from pipekit.errors import DefinitionError

STAGE = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    command = Command(argv=[sys.executable, "-c", CODE])
    return StagePlan(reason="always", tasks=[Task(name="t", command=command)])

@hookimpl
def pipekit_stages():
    yield StageSpec("odd", plan)
"""


@pytest.fixture
def odd(project):
    """Run a stage whose worker is this code."""
    project.config('[pipeline]\nstages = ["odd"]\nquiet_seconds = 0\n')

    def run(code):
        project.plugin("odd", STAGE.replace("CODE", repr(textwrap.dedent(code))))
        return project.pipekit("run", "--json")

    run.project = project
    return run


def lines(*records):
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)
    return f"import os\nopen(os.environ['PIPEKIT_REPORT'], 'w').write({text!r})\n"


@pytest.mark.parametrize(
    "record",
    [
        {"verb": "wrote", "path": 5},
        {"verb": "wrote", "path": "a\0b"},
        {"verb": "consumed", "path": "\udcff"},
        {"verb": "consumed", "path": "a", "detail": "text"},
        {"verb": "rejected", "path": "a", "reason": 5},
        {"verb": "unit_end", "unit": ["u"], "status": "success"},
        {"verb": "progress", "unit": {"a": 1}, "done": "x"},
        {"verb": "metric", "name": "n", "value": float("nan")},
        {"verb": "warning", "msg": 5, "data": 7},
    ],
    ids=str,
)
def test_a_report_line_of_any_form_is_a_warning_at_most(odd, record):
    run = odd(lines(record))
    assert run.code == 0, run
    assert run.json["status"] == "success"
    (warning,) = odd.project.report()["stages"][0]["warnings"]
    assert "invalid record" in warning


def test_a_warnings_data_may_have_any_names(odd):
    data = {"stage": "x", "event": "y", "msg": "z", "task": "u", "unit": "v", "n": 2}
    run = odd(f"from pipekit.worker import report\nreport.warning('careful', **{data!r})")
    assert run.code == 0, run
    (event,) = [e for e in odd.project.events() if e["event"] == "warning"]
    assert (event["msg"], event["stage"], event["data"]["n"]) == ("careful", "odd", 2)
    assert event["data"]["task"] == "t"


def test_a_torn_line_within_a_report_is_no_success_and_said(odd):
    run = odd(lines({"verb": "metric", "name": "n", "value": 1}, '{"verb": "wro'))
    assert run.code == 2
    assert run.json["stages"][0]["kind"] == "contract"
    assert "invalid line" in run.json["stages"][0]["error"]


def test_names_of_files_that_are_no_text_do_not_stop_a_run(odd):
    run = odd(
        """
        import os, sys
        from pipekit.worker import report
        os.makedirs("data", exist_ok=True)
        open(b"data/caf\\xe9", "w").write("x")
        report.warning(os.listdir("data")[0])
        report.metric("n", 1)
        with report.unit(os.listdir("data")[0]):
            pass
        """
    )
    assert run.code == 0, run
    assert odd.project.events()[-1]["event"] == "success"
    assert "caf\udce9" in json.dumps(odd.project.events(), ensure_ascii=False)


def test_no_place_for_the_output_of_tasks_is_a_failure_that_is_told(odd):
    odd.project.write("logs/runs", "in the way")
    run = odd("print('hello')")
    assert run.code == 2, run
    assert run.json["stages"][0]["kind"] == "spawn"
    assert "cannot create the folder for its output" in run.json["stages"][0]["error"]
    assert odd.project.events()[-1]["event"] == "failure"


def tasks(**after):
    return [
        Task(name=n, command=Command(argv=[sys.executable]), after=tuple(a))
        for n, a in after.items()
    ]


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        (tasks(a=["b"]), "task 'a' depends on unknown task 'b'"),
        (tasks(a=["a"]), "depend on each other in a circle: a"),
        (tasks(a=["b"], b=["a"], c=[]), "depend on each other in a circle: a, b"),
        (tasks(a=[]) * 2, "two tasks of the plan are named 'a'"),
    ],
)
def test_a_plan_whose_tasks_could_never_start_is_refused_when_it_is_made(planned, said):
    with pytest.raises(DefinitionError, match=said):
        StagePlan(reason="x", tasks=planned)


def test_tasks_may_wait_for_those_that_come_later_in_the_list():
    assert StagePlan(reason="x", tasks=tasks(c=["b"], b=["a"], a=[]))
