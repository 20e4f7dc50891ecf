"""A task whose report is gone, cut or something else has failed; a run never waits for it."""

from __future__ import annotations

import os
import time

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX systems")

REPORT = '"$PIPEKIT_REPORT"'
METRIC = f"""echo '{{"verb": "metric", "name": "n", "value": 1}}' >> {REPORT}"""
HOSTILE = {
    "removed": f"{METRIC}; rm {REPORT}",
    "badly": f"rm {REPORT}; exit 3",
    "fifo": f"rm {REPORT}; mkfifo {REPORT}; sleep 0.5",
    "zero": f"ln -sf /dev/zero {REPORT}; sleep 0.5",
    "link": f"mv {REPORT} elsewhere; ln -s $PWD/elsewhere {REPORT}",
    "folder": f"rm {REPORT}; mkdir {REPORT}",
    "emptied": f"{METRIC}; : > {REPORT}",
    "torn": f'{METRIC}; printf \'{{"verb": "reje\' >> {REPORT}',
}
HARMLESS = {
    "silent": "echo hello",
    "reported": METRIC,
    "anew": METRIC.replace(">>", ">"),
    "killed": f"printf '{{\"verb\"' >> {REPORT}; kill -9 $$",
}
STAGE = f"""
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    SCRIPTS = {HOSTILE | HARMLESS!r}

    def plan(ctx, settings):
        tasks = [Task(name=name, command=Command(argv=["sh", "-c", script]))
                 for name, script in SCRIPTS.items()]
        return StagePlan(reason="always", tasks=tasks)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("hostile", plan)
"""


@pytest.fixture
def hostile(project):
    project.config(
        '[pipeline]\nstages = ["hostile"]\nworkers = 12\n[stages.hostile]\ntimeout = "15s"\n'
    )
    project.plugin("hostile", STAGE)
    return project


def test_without_a_whole_report_a_task_has_failed_whatever_its_exit_code(hostile):
    started = time.monotonic()
    assert hostile.pipekit("run").code == 1
    assert time.monotonic() - started < 12  # no task was stopped, and nothing waited
    tasks = {task["task"]: task for task in hostile.report()["stages"][0]["tasks"]}
    outcomes = {name: (task["status"], task["kind"]) for name, task in tasks.items()}
    assert outcomes == {
        **dict.fromkeys(HOSTILE, ("failure", "contract")),
        **dict.fromkeys(HARMLESS, ("success", None)),
        "killed": ("failure", "signal"),
    }
    assert "exited with code 3; the report was removed" in tasks["badly"]["reason"]
    assert "incomplete line" in tasks["torn"]["reason"]


def test_a_removed_logs_folder_is_said_and_takes_nothing_away(project):
    project.config('[pipeline]\nstages = ["odd"]\n')
    project.plugin(
        "odd",
        """
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

        def plan(ctx, settings):
            task = Task(name="t", command=Command(argv=["rm", "-rf", "logs"]))
            return StagePlan(reason="always", tasks=[task])

        @hookimpl
        def pipekit_stages():
            yield StageSpec("odd", plan)
        """,
    )
    done = project.pipekit("run")
    assert done.code == 0, done
    assert "was removed while the task was running" in done.err
    (stage,) = project.report()["stages"]
    assert "was removed" in stage["warnings"][0]
