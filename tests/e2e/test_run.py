"""What `pipekit run` promises, shown with tiny plugins installed beside the project."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
import textwrap
import time

import pytest

COUNT = """
    import sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

    WORKER = '''
    import sys
    from pipekit.worker import look, report, request, fingerprint
    for path in request():
        with report.unit(path):
            signature = look(path)
            text = open(path).read()
            if "bad" in text:
                raise ValueError("the text is bad")
            if "reject" in text:
                report.rejected(path, "it asks for it", fingerprint(path), signature)
                continue
            out = path.replace("in/", "out/")
            import os; os.makedirs("data/out", exist_ok=True)
            open(out, "w").write(text.upper())
            report.metric("letters", len(text))
            report.wrote(out)
            report.consumed(path, fingerprint(path), signature)
    '''

    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/in/*.txt"))
        if not new:
            return StagePlan.skip(new.sentence("data/in"), new)
        import json, textwrap
        paths = [i.path for i in new]
        command = Command(argv=[sys.executable, "-c", textwrap.dedent(WORKER)],
                          stdin=json.dumps(paths).encode())
        task = Task(name="upper", command=command, units=paths)
        return StagePlan(reason=new.sentence("data/in"), tasks=[task], inputs=new.inputs,
                         waiting=new.waiting, rejected=new.rejected)

    @hookimpl
    def pipekit_stages():
        yield StageSpec("upper", plan)
"""

CONFIG = """
    [pipeline]
    stages = ["upper"]
    quiet_seconds = 0
"""


def shell_stage(name: str, script: str, **spec: object) -> str:
    """A plugin whose stage always runs a shell script."""
    more = "".join(f", {key}={value!r}" for key, value in spec.items())
    return f"""
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    task = Task(name="script", command=Command(argv=["/bin/sh", "-c", {script!r}]))
    return StagePlan(reason="always", tasks=[task])

@hookimpl
def pipekit_stages():
    yield StageSpec({name!r}, plan{more})
"""


@pytest.fixture
def upper(project):
    project.plugin("upper", COUNT)
    project.config(CONFIG)
    return project


def test_new_files_are_processed_and_the_next_run_is_idle(upper):
    upper.write("data/in/a.txt", "hello")
    first = upper.pipekit("run")
    assert first.code == 0, first
    assert (upper.root / "data/out/a.txt").read_text() == "HELLO"
    second = upper.pipekit("run", "--json")
    assert second.code == 0
    assert second.json["status"] == "idle"
    assert second.json["stages"][0]["reason"] == "nothing new in data/in"


def test_only_what_changed_is_taken_again(upper):
    upper.write("data/in/a.txt", "one")
    upper.write("data/in/b.txt", "two")
    upper.pipekit("run")
    upper.write("data/in/b.txt", "three")
    plan = upper.pipekit("plan", "--json").json
    assert [item["path"] for item in plan[0]["inputs"]] == ["data/in/b.txt"]
    assert upper.pipekit("run").code == 0
    assert (upper.root / "data/out/b.txt").read_text() == "THREE"


def test_a_failed_unit_makes_the_run_partial_and_stays_pending(upper):
    upper.write("data/in/a.txt", "good")
    upper.write("data/in/b.txt", "bad")
    run = upper.pipekit("run", "--json")
    assert run.code == 1
    assert "the text is bad" in run.json["stages"][0]["error"]
    assert (upper.root / "data/out/a.txt").exists()
    again = upper.pipekit("plan", "--json").json
    assert [item["path"] for item in again[0]["inputs"]] == ["data/in/b.txt"]


def test_a_rejected_file_stays_is_not_tried_again_and_is_named_by_status(upper):
    raw = upper.write("data/in/a.txt", "reject")
    assert upper.pipekit("run").code == 1
    assert raw.read_text() == "reject"
    assert upper.pipekit("run", "--json").json["status"] == "idle"
    status = upper.pipekit("status").out
    assert "data/in/a.txt: it asks for it" in status
    assert status.count("it asks for it") == 1  # once, not as the stage's error as well
    raw.write_text("mended")
    assert upper.pipekit("run").code == 0
    assert "rejected" not in upper.pipekit("status").out


def test_force_takes_known_and_rejected_files_again(upper):
    upper.write("data/in/a.txt", "good")
    upper.write("data/in/b.txt", "reject")
    upper.pipekit("run")
    plan = upper.pipekit("plan", "--force", "--json").json
    assert [item["why"] for item in plan[0]["inputs"]] == ["forced", "forced"]


def test_plan_writes_nothing(upper):
    upper.write("data/in/a.txt", "hello")
    before = sorted(upper.root.rglob("*"))
    assert upper.pipekit("plan").code == 0
    assert sorted(upper.root.rglob("*")) == before


def test_events_are_numbered_without_gaps_and_end_with_the_one_terminal_event(upper):
    upper.write("data/in/a.txt", "hello")
    upper.pipekit("run")
    events = upper.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["stage"], events[0]["event"]) == ("pipeline", "start")
    assert (events[-1]["stage"], events[-1]["event"]) == ("pipeline", "success")
    words = [e["event"] for e in events if e["stage"] == "upper"]
    assert words == [
        "start",
        "task_start",
        "unit_start",
        "metric",
        "unit_end",
        "task_end",
        "success",
    ]


def test_the_report_tells_command_units_and_files(upper):
    upper.write("data/in/a.txt", "hello")
    upper.pipekit("run")
    stage = upper.report()["stages"][0]
    task = stage["tasks"][0]
    assert stage["reason"] == "1 new file in data/in"
    assert task["command"][0] == sys.executable
    assert task["units"][0]["metrics"] == {"letters": 5.0}
    assert [file["verb"] for file in task["files"]] == ["wrote", "consumed"]
    assert task["process"]["returncode"] == 0


def test_a_program_that_fails_is_a_failure_with_its_last_words(project):
    project.plugin("sick", shell_stage("sick", "echo working; echo 'no more disk' >&2; exit 3"))
    project.config('[pipeline]\nstages = ["sick"]')
    run = project.pipekit("run", "--json")
    assert run.code == 2
    assert run.json["stages"][0]["kind"] == "exit"
    end = next(event for event in project.events() if event["event"] == "failure")
    assert end["data"]["last_lines"] == ["no more disk"]
    assert "no more disk" in project.pipekit("logs", "1", "sick", "--err").out


def test_success_is_not_believed_when_a_reported_file_is_not_there(project):
    lie = """
import json, os
fields = {"path": "data/ghost", "fingerprint": "", "signature": [1, 2, 3, 4, 5]}
line = json.dumps({"verb": "wrote", **fields})
open(os.environ["PIPEKIT_REPORT"], "a").write(line + "\\n")
"""
    script = f"{sys.executable} -c '{lie}'"
    project.plugin("liar", shell_stage("liar", script))
    project.config('[pipeline]\nstages = ["liar"]')
    run = project.pipekit("run", "--json")
    assert run.code == 2
    assert run.json["stages"][0]["kind"] == "contract"
    assert (
        "data/ghost was reported as written, but does not exist" in run.json["stages"][0]["error"]
    )


def test_a_stage_after_a_failed_one_is_blocked_and_an_independent_one_runs(project):
    project.plugin("one", shell_stage("one", "exit 1"))
    project.plugin("two", shell_stage("two", "true", after={"one": "success"}))
    project.plugin("three", shell_stage("three", "true"))
    project.config('[pipeline]\nstages = ["two", "one", "three"]')
    run = project.pipekit("run", "--json")
    assert {s["stage"]: s["status"] for s in run.json["stages"]} == {
        "one": "failure",
        "two": "blocked",
        "three": "success",
    }
    assert run.code == 1
    assert "pipekit run --from" in project.pipekit("run").err


def test_a_task_that_takes_too_long_is_ended_and_said_so(project):
    project.plugin("slow", shell_stage("slow", "sleep 60 & sleep 60"))
    project.config('[pipeline]\nstages = ["slow"]\n[stages.slow]\ntimeout = "0.5s"\ngrace = "1s"')
    started = time.monotonic()
    run = project.pipekit("run", "--json")
    assert time.monotonic() - started < 10  # the time-out, the grace, and ample slack
    assert run.json["stages"][0]["kind"] == "timeout"


def test_a_stage_without_grace_leaves_its_tasks_theirs(project):
    source = shell_stage("slow", "trap '' TERM; while :; do sleep 1; done")
    project.plugin("slow", source.replace("Command(argv", "Command(grace=0.2, argv"))
    project.config('[pipeline]\nstages = ["slow"]\n[stages.slow]\ntimeout = "0.5s"')
    started = time.monotonic()
    assert project.pipekit("run").code == 2
    assert time.monotonic() - started < 10  # the grace of a command that says nothing


def test_a_second_run_exits_75_at_once_and_names_the_holder(project, eventually):
    project.plugin("slow", shell_stage("slow", "sleep 60"))
    project.config('[pipeline]\nstages = ["slow"]\n[stages.slow]\ngrace = "1s"')
    first = project.start("run")
    try:
        eventually((project.root / "logs/events").exists, 20)
        second = project.pipekit("run")
        assert second.code == 75
        assert f"process {first.pid}" in second.err
        assert len(second.err.splitlines()) == 1
        assert second.out == ""
        assert "is going on since" in project.pipekit("status").out
    finally:
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=20)
    assert first.returncode == 130, (out, err)
    assert project.events()[-1]["event"] == "cancelled"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_a_closed_terminal_stop_the_run_politely(project, eventually, number, code):
    project.plugin("slow", shell_stage("slow", "sleep 60"))
    project.config('[pipeline]\nstages = ["slow"]\n[stages.slow]\ngrace = "1s"')
    run = project.start("run")
    eventually(lambda: "task_start" in _journal(project), 20)
    run.send_signal(number)
    run.communicate(timeout=20)
    assert run.returncode == code
    assert project.report()["stages"][0]["status"] == "cancelled"


def _journal(project) -> str:
    return "".join(path.read_text() for path in (project.root / "logs").glob("events/*.jsonl"))


def test_a_run_whose_process_vanished_is_closed_by_the_next_one(project, eventually):
    project.plugin("slow", shell_stage("slow", "sleep 2"))
    project.config('[pipeline]\nstages = ["slow"]')
    run = project.start("run")
    eventually(lambda: "task_start" in _journal(project), 20)
    run.kill()
    run.communicate()
    eventually(lambda: project.pipekit("run").code != 75, 20)
    lost = project.pipekit("show", "1", "--json").json
    assert lost["status"] == "failure"
    assert lost["stages"][0]["kind"] == "lost"
    events = [
        json.loads(line) for line in project.pipekit("events", "1", "--json").out.splitlines()
    ]
    assert (events[-1]["stage"], events[-1]["event"]) == ("pipeline", "failure")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_the_state_lost_means_everything_is_pending_again(upper):
    upper.write("data/in/a.txt", "hello")
    upper.pipekit("run")
    for file in (upper.root / ".pipekit").glob("state.db*"):
        file.unlink()
    assert upper.pipekit("plan", "--json").json[0]["action"] == "run"


@pytest.mark.parametrize(
    ("damage", "codes"),
    [
        ("PRAGMA user_version = 0", [0]),
        ("PRAGMA user_version = 1", [0]),
        ("DROP TABLE runs", [3, 0]),
        ("ALTER TABLE runs RENAME COLUMN dated TO later", [3, 0]),
        ("DROP TABLE content", [3, 0]),
    ],
)
def test_a_ledger_whose_tables_are_not_those_of_its_version_is_set_aside(upper, damage, codes):
    upper.write("data/in/a.txt", "hello")
    assert upper.pipekit("run").code == 0
    with contextlib.closing(sqlite3.connect(upper.root / ".pipekit/state.db")) as connection:
        connection.execute(damage)
    shown = upper.pipekit("status")
    assert shown.code == 0 or "the next run renames it" in shown.err
    runs = [upper.pipekit("run") for _ in codes]
    assert [run.code for run in runs] == codes
    assert "renamed to state.db.damaged-" in runs[0].err
    assert len(list((upper.root / ".pipekit").glob("state.db.damaged-*"))) == 1
    assert (upper.root / "data/in/a.txt").exists()


def test_a_damaged_ledger_is_set_aside_and_said(upper):
    upper.write("data/in/a.txt", "hello")
    upper.pipekit("run")
    for file in (upper.root / ".pipekit").glob("state.db*"):
        file.unlink()
    (upper.root / ".pipekit/state.db").write_bytes(b"this is no database" * 100)
    (upper.root / "data/out/a.txt").unlink()
    run = upper.pipekit("run")
    assert run.code == 0, run
    assert "the ledger was damaged" in run.err
    assert list((upper.root / ".pipekit").glob("state.db.damaged-*"))


def test_damage_within_the_ledger_costs_one_run_and_is_set_aside(upper):
    """Not every page is read when the ledger is opened; a run that meets a bad one says so."""
    for number in range(300):
        upper.write(f"data/in/{number:03}.txt", "text")
    assert upper.pipekit("run").code == 0
    ledger = upper.root / ".pipekit/state.db"
    content = bytearray(ledger.read_bytes())
    content[3 * 4096 :] = b"\xff" * (len(content) - 3 * 4096)
    ledger.write_bytes(content)
    broken = upper.pipekit("run")
    assert broken.code == 3
    assert "Traceback" not in broken.err
    assert "renamed to state.db.damaged-" in broken.err
    again = upper.pipekit("run")
    assert again.code == 0
    assert "300 new files" in again.err
    assert upper.pipekit("status").code == 0


def test_names_that_are_no_text_are_passed_over_and_named_and_the_next_run_is_idle(upper):
    """No ledger can hold such a name: taken again and again, it would keep every run busy."""
    upper.write("data/in/ümläut.txt", "hello")
    with open(os.path.join(os.fsencode(upper.root), b"data/in/caf\xe9.txt"), "w") as file:
        file.write("hello")
    assert upper.pipekit("run").code == 0
    again = upper.pipekit("run")
    assert "idle" in again.out
    said = [e["msg"] for e in upper.events() if e["event"] == "warning"]
    assert said == [
        "skipped files whose names are not valid UTF-8: 'data/in/caf\\udce9.txt'; rename them"
    ]


def test_a_file_still_being_written_waits_and_is_named(upper):
    upper.config(CONFIG.replace("quiet_seconds = 0", "quiet_seconds = 3600"))
    upper.write("data/in/a.txt", "hello")
    plan = upper.pipekit("plan", "--json").json
    assert plan[0]["waiting"] == ["data/in/a.txt"]
    assert plan[0]["action"] == "skipped"


def test_a_file_that_grows_while_the_run_waits_for_it_is_left_to_the_next_run(upper):
    upper.config(CONFIG.replace("quiet_seconds = 0", "quiet_seconds = 1"))
    file = upper.write("data/in/a.txt", "hello")
    run = upper.start("run")
    while run.poll() is None:
        with file.open("a") as growing:
            growing.write("!")
        time.sleep(0.05)
    run.communicate()
    said = [event["msg"] for event in upper.events() if event["event"] == "warning"]
    assert said == ["1 file is still being written, left for the next run: data/in/a.txt"]
    assert upper.events()[-1]["event"] == "idle"


def test_watch_patterns_turn_output_into_units_and_metrics(project):
    code = shell_stage("old", "echo rows=12; echo done ES; echo failed GC")
    code = code.replace("import Command", "import Watch, Command").replace(
        "StageSpec('old', plan)",
        r"""StageSpec('old', plan, watch=[
            Watch(pattern=r"rows=(?P<value>\d+)", metric="rows"),
            Watch(pattern=r"done (?P<unit>\w+)"),
            Watch(pattern=r"failed (?P<unit>\w+)(?P<status>)"),
        ])""",
    )
    project.plugin("old", code)
    project.config('[pipeline]\nstages = ["old"]')
    assert project.pipekit("run").code == 0
    task = project.report()["stages"][0]["tasks"][0]
    assert task["metrics"] == {"rows": 12.0}
    assert [unit["unit"] for unit in task["units"]] == ["ES", "GC"]


def test_the_child_knows_its_run_and_the_environment_is_an_allow_list(project):
    project.plugin("env", shell_stage("env", "env"))
    project.config('[pipeline]\nstages = ["env"]')
    project.env["SECRET_OF_MINE"] = "hidden"
    project.pipekit("run")
    out = project.pipekit("logs", "1", "env").out
    assert f"PIPEKIT_RUN_ID={project.report()['run_id']}" in out
    assert "SECRET_OF_MINE" not in out


def test_the_log_for_people_holds_the_output_of_the_stages(project):
    project.plugin("talk", shell_stage("talk", "echo here I am"))
    project.config('[pipeline]\nstages = ["talk"]')
    project.pipekit("run")
    (log,) = (project.root / "logs").glob("pipeline_2*.log")
    assert "here I am" in log.read_text()
    assert "pipeline     success" in log.read_text()


def test_set_beats_the_file_and_explain_says_so(project):
    project.plugin("talk", shell_stage("talk", "true"))
    project.config('[pipeline]\nstages = ["talk"]\n[stages.talk]\ntimeout = "1h"')
    said = project.pipekit(
        "config", "explain", "stages.talk.timeout", "--set", "stages.talk.timeout=5m"
    )
    assert said.code == 0
    assert "5m" in said.out
    assert "pipekit.toml:4" in said.out


def test_wrong_use_of_a_command_exits_64(project):
    project.config('[pipeline]\nstages = ["x"]')
    assert project.pipekit("run", "--nonsense").code == 64
    assert "did you mean 'status'?" in project.pipekit("statsu").err
    assert project.pipekit("status", "-C", "/nowhere").code == 64


def test_wrong_configuration_exits_3_with_file_and_line_and_runs_nothing(project):
    project.config('[pipeline]\nstages = ["x"]\nworkerz = 3\n')
    run = project.pipekit("run")
    assert run.code == 3
    assert "pipekit.toml:3" in run.err
    assert "workers" in run.err
    assert not (project.root / "logs").exists()


def test_a_slow_or_raising_sink_changes_neither_result_nor_exit_code(project):
    project.plugin("talk", shell_stage("talk", "true"))
    project.plugin(
        "sour",
        textwrap.dedent(
            """
            import contextlib, time
            from pipekit import EventSink, hookimpl

            @contextlib.contextmanager
            def sour(ctx, settings):
                def emit(event):
                    raise RuntimeError("sour")
                yield emit

            @contextlib.contextmanager
            def stuck(ctx, settings):
                time.sleep(3600)
                yield print

            @hookimpl
            def pipekit_event_sinks():
                yield EventSink("sour", sour)
                yield EventSink("stuck", stuck)
            """
        ),
    )
    project.config('[pipeline]\nstages = ["talk"]\n[sinks.sour]\n[sinks.stuck]\n')
    started = time.monotonic()
    run = project.pipekit("run")
    assert time.monotonic() - started < 10  # 2 s to flush, and ample slack
    assert run.code == 0
    assert re.search(r"sink 'sour' failed on \d events: RuntimeError: sour", run.err)
    assert "sink 'stuck' was dropped" in run.err
    assert project.events()[-1]["event"] == "success"


WARNS = """
    from pipekit import StagePlan, StageSpec, hookimpl

    def plan(ctx, settings):
        if settings_file := ctx.files("broken"):
            raise ValueError(settings_file[0].path)
        return StagePlan.skip(f"it is {ctx.started}", warnings=["stray.xyz is not read"])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("warns", plan)
"""


@pytest.fixture
def warns(project):
    """A stage whose plan has no tasks, but a warning."""
    project.plugin("warns", WARNS)
    project.config('[pipeline]\nstages = ["warns"]\n')
    return project


def test_the_warnings_of_a_plan_are_events_in_the_report_and_in_show(warns):
    assert warns.pipekit("run").code == 0
    (stage,) = warns.report()["stages"]
    assert stage["warnings"] == ["stray.xyz is not read"]
    assert "warning: stray.xyz is not read" in warns.pipekit("show").out
    events = [json.loads(line) for line in warns.pipekit("events", "--json").out.splitlines()]
    assert [e["msg"] for e in events if e["event"] == "warning"] == ["stray.xyz is not read"]
    assert [e["data"]["warnings"] for e in events if e["event"] == "skipped"] == [1]


def test_a_plan_sees_the_start_of_the_run_as_the_ledger_and_the_report_have_it(warns):
    warns.pipekit("run")
    started = warns.pipekit("history", "--json", "--all").json[0]["started"]
    assert warns.report()["stages"][0]["reason"] == f"it is {started}"


def test_the_traceback_of_a_plan_is_not_a_warning(warns):
    warns.write("broken", "")
    assert warns.pipekit("run").code == 2
    (stage,) = warns.report()["stages"]
    assert stage["warnings"] == []
    assert stage["traceback"].endswith("ValueError: broken\n")
    assert "    ValueError: broken" in warns.pipekit("show").out
