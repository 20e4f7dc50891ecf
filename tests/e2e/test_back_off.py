"""What fails in run after run is left out of more and more runs, until something changes."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.e2e.test_run import CONFIG, COUNT, shell_stage

B = "data/in/b.txt"
ONCE = f"{B}: failed 2 times, tried again in 2 runs or when its input changes"


@pytest.fixture
def failing(project):
    """A project with a file that always fails, which has done so twice."""
    project.plugin("upper", COUNT)
    project.config(CONFIG)
    project.write("data/in/a.txt", "good")
    project.write(B, "bad")
    assert project.pipekit("run").code == 1
    assert project.pipekit("status", "--json").json["backing_off"] == {}
    assert project.pipekit("run").code == 2
    return project


def upgrade(project):
    (metadata,) = project.site.glob("upper-*.dist-info/METADATA")
    metadata.write_text(metadata.read_text().replace("0.1", "0.2"))
    metadata.parent.rename(metadata.parent.with_name("upper-0.2.dist-info"))


def units(project):
    return [e["data"]["unit"] for e in project.events() if e["event"] == "unit_start"]


def runs(project, count):
    """The statuses of so many runs."""
    return [project.pipekit("run", "--json").json["status"] for _ in range(count)]


def test_it_is_tried_again_after_1_2_4_runs(failing):
    assert runs(failing, 6) == ["idle", "failure", "idle", "idle", "idle", "failure"]


def test_a_run_in_which_all_that_is_left_backs_off_is_idle_and_says_so(failing):
    bad = failing.pipekit("status", "--check")
    assert (bad.code, bad.out.split(":")[0]) == (2, "FAILED")
    assert ONCE in failing.pipekit("status").out
    plan = failing.pipekit("plan")
    assert (plan.code, ONCE in plan.out) == (0, True), plan
    assert failing.pipekit("plan", "--json").json[0]["backing_off"] == [ONCE]
    run = failing.pipekit("run")
    said = ONCE.replace("in 2 runs", "in the next run")
    assert (run.code, said in run.out) == (0, True), run
    assert "idle, 0 stages ran, 1 backing off" in run.out
    assert failing.report()["stages"][0]["backing_off"] == [said]
    assert f"backing off: {said}" in failing.pipekit("show").out
    assert failing.events()[-2]["data"]["backing_off"] == [said]
    check = failing.pipekit("status", "--check")
    assert (check.code, check.out) == (1, f"WARNING: upper: {said}\n")
    assert said in failing.pipekit("status").out
    assert failing.pipekit("status", "--json").json["backing_off"] == {"upper": [said]}


def test_the_file_says_when_it_is_tried_again(failing):
    said = failing.pipekit("file", B).out
    assert f"upper: left alone: it has found the file, and does not read it now\n    {ONCE}" in said
    (stage,) = failing.pipekit("file", B, "--json").json["stages"]
    assert stage["notes"] == [ONCE]
    assert "failed" not in failing.pipekit("file", "data/in/a.txt").out


def test_a_quiet_idle_run_prints_nothing_of_it(failing):
    run = failing.pipekit("run", "--quiet-idle")
    assert (run.code, run.out, run.err) == (0, "", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write(B, "still bad"),
        lambda project: project.config(f"{CONFIG}[stages.upper]\nback_off = 1\n"),
        upgrade,
    ],
    ids=["input", "setting", "version"],
)
def test_a_change_has_it_tried_at_once(failing, change):
    change(failing)
    failing.pipekit("run")
    assert units(failing) == [B]


def test_retry_and_force_have_it_tried_at_once(failing):
    assert failing.pipekit("run", "--retry").code == 2
    assert units(failing) == [B]
    assert failing.pipekit("run", "--force").code == 1
    assert units(failing) == ["data/in/a.txt", B]


def test_new_work_is_done_meanwhile(failing):
    failing.write("data/in/c.txt", "good")
    run = failing.pipekit("run")
    assert (run.code, units(failing)) == (0, ["data/in/c.txt"]), run
    assert "1 backing off" in run.out


def test_once_it_has_succeeded_all_is_forgotten(failing):
    failing.write(B, "good")
    assert failing.pipekit("run").code == 0
    with contextlib.closing(sqlite3.connect(failing.root / ".pipekit/state.db")) as ledger:
        assert ledger.execute("SELECT * FROM failing").fetchall() == []
    failing.write(B, "bad")
    assert runs(failing, 3) == ["failure", "failure", "idle"]


def test_a_file_that_backs_off_stays(failing):
    """The lifecycle takes nothing that is still to be read."""
    failing.config(CONFIG + "[lifecycle.greedy]\n")
    failing.plugin(
        "greedy",
        """
        from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl

        def propose(view, settings):
            for file in view.files("data/in/**"):
                yield FileAction(kind=ActionKind.DELETE, path=file.path, reason="greed")

        @hookimpl
        def pipekit_lifecycle_policies():
            yield LifecyclePolicy("greedy", propose)
        """,
    )
    planned = failing.pipekit("lifecycle", "plan").out
    assert "upper will read it again" in planned.split(B)[1], planned


def test_a_task_without_inputs_backs_off_and_so_do_those_that_need_it(project):
    project.plugin(
        "net",
        """
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

        def plan(ctx, settings):
            sh = lambda text: Command(argv=["sh", "-c", text])
            return StagePlan(reason="always", tasks=[
                Task(name="get", command=sh("exit 1"), inputs=["url.txt"]),
                Task(name="use", command=sh(":"), after=["get"]),
                Task(name="more", command=sh(":")),
            ])

        @hookimpl
        def pipekit_stages():
            yield StageSpec("net", plan)
        """,
    )
    project.config('[pipeline]\nstages = ["net"]\n')
    assert [project.pipekit("run").code for _ in range(2)] == [1, 1]
    run = project.pipekit("run")
    assert (run.code, [t["task"] for t in project.report()["stages"][0]["tasks"]]) == (0, ["more"])
    assert "get: failed 2 times, tried again in the next run" in run.out
    assert project.pipekit("run").code == 1
    project.write("url.txt", "changed")
    assert project.pipekit("run").code == 1


def test_a_stage_whose_only_task_backs_off_is_skipped(project):
    project.plugin("net", shell_stage("net", "test -e well"))
    project.config('[pipeline]\nstages = ["net"]\n')
    assert runs(project, 2) == ["failure", "failure"]
    run = project.pipekit("run")
    assert (run.code, run.out.startswith("skipped    net: all pending work has failed")) == (
        0,
        True,
    ), run
    well = project.write("well", "")
    assert runs(project, 1) == ["success"]
    well.unlink()
    assert runs(project, 3) == ["failure", "failure", "idle"]


def test_a_run_that_is_stopped_counts_for_nothing(project, eventually):
    project.plugin("slow", shell_stage("slow", "sleep 60"))
    project.config('[pipeline]\nstages = ["slow"]\n')
    journals = project.root / "logs/events"
    for _ in range(2):
        run = project.start("run")
        eventually(lambda: any("task_start" in p.read_text() for p in journals.glob("*")), 20)
        assert project.pipekit("stop").code == 0
        run.communicate(timeout=30)
        assert run.returncode == 143
        for path in journals.glob("*"):
            path.unlink()
    assert project.pipekit("plan", "--json").json[0]["action"] == "run"
