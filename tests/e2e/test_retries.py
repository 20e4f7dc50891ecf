"""Failed tasks are tried again within a run: after a delay, and only what is left to do."""

from __future__ import annotations

import signal
import time

import pytest

from tests.e2e.test_run import CONFIG, COUNT, shell_stage

AGAIN = """
[pipeline]
stages = ["net"]
[stages.net]
retries = {retries}
retry_delay = "{delay}"
"""
FLAKY = 'echo "attempt $PIPEKIT_ATTEMPT"; echo x >> tries; test $(wc -l < tries) -ge 3'


def of_kind(project, *kinds):
    return [event for event in project.events() if event["event"] in kinds]


def test_a_failed_task_is_tried_again_after_delays_that_double(project):
    project.plugin("net", shell_stage("net", FLAKY))
    project.config(AGAIN.format(retries=2, delay="0.2s"))
    run = project.pipekit("run")
    assert (run.code, "3 attempts" in run.out) == (0, True), run
    first, second = of_kind(project, "retry")
    assert first["msg"] == "attempt 2 of 3 in 0.2s: script: exited with code 1"
    assert first["data"] == {"attempt": 2, "of": 3, "delay": 0.2, "tasks": ["script"]}
    assert (second["data"]["attempt"], second["data"]["delay"]) == (3, 0.4)
    ends = of_kind(project, "task_end")
    assert [(e["data"]["attempt"], e["data"]["status"]) for e in ends] == [
        (1, "failure"),
        (2, "failure"),
        (3, "success"),
    ]
    (stage,) = project.report()["stages"]
    assert [(t["attempt"], t["retried"], t["status"]) for t in stage["tasks"]] == [
        (1, True, "failure"),
        (2, True, "failure"),
        (3, False, "success"),
    ]
    shown = project.pipekit("show").out
    assert "task script, attempt 1, tried again: failure: exited with code 1" in shown
    assert "task script, attempt 3: success" in shown
    assert "3 attempts" in project.pipekit("status").out
    logs = project.pipekit("logs")
    assert logs.out == "attempt 1\nattempt 2\nattempt 3\n"
    assert "--- script~3.out ---" in logs.err


def test_the_last_attempt_is_the_result(project):
    project.plugin("net", shell_stage("net", "exit 7"))
    project.config(AGAIN.format(retries=1, delay="0s"))
    run = project.pipekit("run")
    assert (run.code, run.out.count("exited with code 7")) == (2, 1), run
    assert run.out.startswith("failure    net: 2 attempts")


@pytest.mark.parametrize(
    ("more", "attempts"),
    [("", 2), ('retry_on = ["signal", "oom"]', 1), ('retry_on = ["exit"]', 2)],
)
def test_the_kind_of_failure_decides(project, more, attempts):
    project.plugin("net", shell_stage("net", "exit 7"))
    project.config(AGAIN.format(retries=1, delay="0s") + more)
    assert project.pipekit("run").code == 2
    assert len(of_kind(project, "task_start")) == attempts


@pytest.mark.parametrize(("more", "attempts"), [("", 1), ('retry_on = ["plugin"]', 2)])
def test_a_failure_of_the_stage_s_own_code_is_not_retried_unless_asked_for(project, more, attempts):
    project.plugin("upper", COUNT)
    project.config(f"{CONFIG}[stages.upper]\nretries = 1\nretry_delay = 0\n{more}")
    project.write("data/in/a.txt", "good")
    project.write("data/in/b.txt", "bad")
    run = project.pipekit("run")
    assert (run.code, "1 unit failed" in run.out) == (1, True)
    starts = [event["data"]["unit"] for event in of_kind(project, "unit_start")]
    assert starts == ["data/in/a.txt", "data/in/b.txt", "data/in/b.txt"][: attempts + 1]


def test_what_succeeded_is_not_done_again(project):
    """The second attempt has a new plan, without the files that the first one has consumed."""
    crash = """
            if "crash" in text and os.environ["PIPEKIT_ATTEMPT"] == "1":
                os.kill(os.getpid(), 9)
            out ="""
    code = COUNT.replace("    import sys\n    from pipekit.w", "    import os\n    from pipekit.w")
    project.plugin("upper", code.replace("\n            out =", crash))
    project.config(f"{CONFIG}[stages.upper]\nretries = 1\nretry_delay = 0\n")
    for name, text in {"a": "first", "b": "crash", "c": "last"}.items():
        project.write(f"data/in/{name}.txt", text)
    run = project.pipekit("run")
    assert run.code == 0, run
    assert "3 files, 3 written, 2 attempts" in run.out
    starts = [event["data"]["unit"][-5:] for event in of_kind(project, "unit_start")]
    assert starts == ["a.txt", "b.txt", "b.txt", "c.txt"]
    assert len(project.report()["stages"][0]["inputs"]) == 3
    assert project.pipekit("run", "--json").json["status"] == "idle"


def test_tasks_that_waited_for_a_failed_one_run_after_its_retry(project):
    project.plugin(
        "net",
        """
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

        def plan(ctx, settings):
            one = "echo 1 >> log; test -e tried || { touch tried; exit 1; }"
            tasks = [
                Task(name="zero", command=Command(argv=["sh", "-c", "echo 0 >> log"])),
                Task(name="one", command=Command(argv=["sh", "-c", one]), after=["zero"]),
                Task(name="two", command=Command(argv=["sh", "-c", "echo 2 >> log"]),
                     after=["one"]),
            ]
            return StagePlan(reason="always", tasks=tasks)

        @hookimpl
        def pipekit_stages():
            yield StageSpec("net", plan)
        """,
    )
    project.config(AGAIN.format(retries=3, delay="0s"))
    run = project.pipekit("run")
    assert run.code == 0, run
    assert (project.root / "log").read_text().split() == ["0", "1", "1", "2"]


@pytest.fixture
def waiting(project):
    """A run that waits for an hour before its second attempt."""
    project.plugin("net", shell_stage("net", "exit 7"))
    project.config(AGAIN.format(retries=1, delay="1h"))
    run = project.start("run")
    yield run
    if run.poll() is None:
        run.kill()
    run.communicate()


@pytest.mark.parametrize("how", ["signal", "stop"])
def test_the_wait_ends_at_once_when_the_run_is_stopped(project, waiting, eventually, how):
    journals = project.root / "logs/events"
    eventually(lambda: any('"retry"' in p.read_text() for p in journals.glob("*")), 20)
    now = project.pipekit("status").out
    assert "waits, attempt 2 of 2 in 1h: script: exited with code 7" in now
    begun = time.monotonic()
    if how == "stop":
        assert project.pipekit("stop").code == 0
    else:
        waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(60) == 143
    assert time.monotonic() - begun < 60
    end = project.report()
    assert (end["status"], end["stages"][0]["status"]) == ("cancelled", "failure")
    assert end["stages"][0]["warnings"] == ["stopped before attempt 2 of 2"]


def test_settings_that_contradict_each_other_are_said(project):
    project.plugin("net", shell_stage("net", ":"))
    project.config(AGAIN.format(retries=2, delay="10m") + '[schedule]\nevery = "15m"\n')
    checked = project.pipekit("config", "check")
    assert checked.code == 0
    assert "net.retries: the waits for 2 retries take 20m" in checked.out + checked.err
    project.config(AGAIN.format(retries=1, delay="1s") + 'retry_on = ["cancelled"]\n')
    assert project.pipekit("run").code == 3
