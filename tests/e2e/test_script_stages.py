"""Programs as stages, without a plugin: what counts as consumed and written, and when not."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.posix("shell scripts")

CONVERT = """
[pipeline]
stages = ["convert"]
quiet_seconds = 0
[stages.convert]
command = ["sh", "convert.sh", "{input}", "{output}"]
inputs = ["data/raw/*.csv"]
outputs = ["data/clean/{stem}.txt"]
"""
ALL = """
[pipeline]
stages = ["all"]
quiet_seconds = 0
[stages.all]
command = ["sh", "-c", '''COMMAND''']
inputs = ["data/raw/*.csv"]
outputs = ["data/out/*.txt"]
"""


def test_a_script_runs_for_each_new_file_and_never_twice(project):
    project.config(CONVERT)
    project.write("convert.sh", 'mkdir -p data/clean && cat "$1" > "$2"')
    project.write("data/raw/a.csv", "1\n")
    assert project.pipekit("config", "check").code == 0
    assert "1 new file in data/raw/*.csv" in project.pipekit("plan").out
    assert "convert: 1 file, 1 written" in project.pipekit("run").out
    assert "idle" in project.pipekit("run").out
    project.write("data/raw/b.csv", "2\n")
    assert "convert: 1 file, 1 written" in project.pipekit("run").out
    told = json.loads(project.pipekit("file", "--json", "data/raw/b.csv").out)
    assert "data/clean/b.txt" in json.dumps(told)
    assert "1 file" in project.pipekit("status").out


def test_an_output_that_is_missing_fails_the_script_and_its_input_stays_pending(project):
    project.config(CONVERT.replace("[stages.convert]", "[stages.convert]\nback_off = 1"))
    project.write("convert.sh", 'test "$1" = data/raw/b.csv || { mkdir -p data/clean; cp $1 $2; }')
    for name in "ab":
        project.write(f"data/raw/{name}.csv", f"{name}\n")
    run = project.pipekit("run")
    assert (run.code, "the declared output data/clean/b.txt does not exist" in run.out) == (1, True)
    assert "1 new file in data/raw" in project.pipekit("plan").out


def test_a_script_that_fails_is_tried_again_within_the_run(project):
    project.config(
        CONVERT.replace("[stages.convert]", '[stages.convert]\nretries = 1\nretry_delay = "0s"')
    )
    project.write(
        "convert.sh", "test -e again || { touch again; exit 3; }; mkdir -p data/clean; cp $1 $2"
    )
    project.write("data/raw/a.csv", "1\n")
    run = project.pipekit("run")
    assert (run.code, "2 attempts" in run.out) == (0, True), run


def test_a_pattern_of_outputs_counts_what_is_new_and_traces_it_to_the_inputs(project):
    project.config(ALL.replace("COMMAND", "mkdir -p data/out; date +%N > data/out/new.txt"))
    project.write("data/raw/a.csv", "1\n")
    project.write("data/out/old.txt", "from before\n")
    assert "all: 1 file, 1 written" in project.pipekit("run").out
    (task,) = project.report()["stages"][0]["tasks"]
    wrote = [file for file in task["files"] if file["verb"] == "wrote"]
    assert [(file["path"], file["sources"]) for file in wrote] == [
        ("data/out/new.txt", ["data/raw/a.csv"])
    ]


def test_an_input_that_changes_meanwhile_stays_pending(project):
    project.config(ALL.replace("COMMAND", "sleep 0.1; echo 2 >> data/raw/a.csv"))
    project.write("data/raw/a.csv", "1\n")
    project.write("data/raw/b.csv", "1\n")
    run = project.pipekit("run")
    assert run.code == 0
    assert "data/raw/a.csv changed while it was being processed" in run.err
    assert "1 changed" in project.pipekit("plan").out or "1 new file" in project.pipekit("plan").out


def test_an_input_that_the_script_moves_away_is_forgotten(project):
    project.config(ALL.replace("COMMAND", "mkdir -p data/done; mv data/raw/a.csv data/done"))
    project.write("data/raw/a.csv", "1\n")
    assert project.pipekit("run").code == 0
    project.write("data/raw/a.csv", "1\n")
    assert "1 new file" in project.pipekit("plan").out


def test_units_and_metrics_are_found_in_the_output_and_a_missing_unit_fails(project):
    more = """
    units = ["ES", "NQ"]
    watch = [
        { pattern = "^(?P<unit>..) ok" },
        { pattern = "rows (?P<value>[0-9]+)", metric = "rows" },
    ]
    """
    project.config(ALL.replace("COMMAND", "echo rows 5; echo ES ok") + more)
    project.write("data/raw/a.csv", "1\n")
    run = project.pipekit("run")
    assert (run.code, "NQ" in run.out) == (1, True), run
    (task,) = project.report()["stages"][0]["tasks"]
    assert task["metrics"] == {"rows": 5}
    assert not task["files"]  # a unit failed, so nothing counts as consumed
    assert "1 new file" in project.pipekit("plan").out


def test_a_script_that_says_that_it_is_done_need_not_exit(project):
    more = 'done_pattern = "^all done"\n'
    project.config(ALL.replace("COMMAND", "echo all done; exec sleep 60") + more)
    project.write("data/raw/a.csv", "1\n")
    run = project.pipekit("run")
    assert (run.code, "all: 1 file" in run.out) == (0, True), run
    assert "warning" not in run.err


def test_one_stage_of_a_plugin_runs_under_two_names(project):
    project.plugin(
        "count",
        """
        from pathlib import Path
        import attrs
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl, setting
        from pipekit.worker import fingerprint, publish, report, request

        @attrs.frozen
        class Settings:
            folder: str = setting("Where to write.", default="data/out", publishes=True)

        def plan(ctx, settings):
            new = ctx.pending(ctx.files("data/raw/*"))
            if not new:
                return StagePlan.skip(new.sentence("data/raw"), new)
            request = [[item.path for item in new], settings.folder]
            task = Task(name="count", command=Command.python(__name__, request=request))
            return StagePlan(reason="new", tasks=[task], inputs=new.inputs)

        @hookimpl
        def pipekit_stages():
            yield StageSpec("count", plan, settings=Settings)

        if __name__ == "__main__":
            paths, folder = request()
            for path in paths:
                with publish(f"{folder}/{Path(path).name}") as file:
                    file.write(b"x")
                report.consumed(path, fingerprint(path))
        """,
    )
    project.config(
        '[pipeline]\nstages = ["count", "count_again"]\n[stages.count_again]\nuse = "count"\n'
        'settings = { folder = "data/again" }\n'
    )
    project.write("data/raw/a", "1\n")
    run = project.pipekit("run")
    assert "success    count: 1 file, 1 written" in run.out, run
    assert "success    count_again: 1 file, 1 written" in run.out
    assert (project.root / "data/again/a").exists()
    assert (project.root / "data/out/a").exists()
    assert "idle" in project.pipekit("run").out
    assert project.pipekit("config", "check").code == 0
    project.config('[pipeline]\nstages = ["count", "again"]\n[stages.again]\nuse = "count"\n')
    for words in (("config", "check"), ("plan",), ("run",)):
        refused = project.pipekit(*words)
        assert refused.code == 3, refused
        assert "the stage 'count' publishes to data/out as well" in refused.out + refused.err
    project.config('[pipeline]\nstages = ["x"]\n[stages.x]\nuse = "coun"\n')
    refused = project.pipekit("run")
    assert refused.code == 3
    assert "did you mean 'count'?" in refused.err


@pytest.mark.parametrize("roll", ["", 'roll = "front"'])
def test_two_translators_share_a_folder_of_contracts_only_if_neither_writes_there(project, roll):
    stages = "".join(
        f'[stages.{name}]\nuse = "translator"\nsettings.processed = "data/{name}"\n'
        f'[[stages.{name}.settings.sources]]\nglob = "data/raw/{name}/*.csv"\ndialect = "A"\n'
        f'timezone = "UTC"\ncontract = {{ column = "Instrument" }}\n{roll}\n'
        for name in ("one", "two")
    )
    project.config(f'[pipeline]\nstages = ["one", "two"]\n{stages}')
    project.write("data/raw/one/none", "")
    checked = project.pipekit("config", "check")
    said = "stages.two.settings.contracts: the stage 'one' publishes to data/contracts as well"
    assert (said in checked.out + checked.err) == bool(roll), checked
    assert checked.code == (3 if roll else 0), checked


def test_an_input_that_was_gone_before_its_task_began_is_not_consumed(project):
    """The task of a.csv, which runs first, removes b.csv."""
    project.config(CONVERT.replace("quiet_seconds = 0", "quiet_seconds = 0\nworkers = 1"))
    project.write("convert.sh", 'rm -f data/raw/b.csv; mkdir -p data/clean; echo x > "$2"')
    project.write("data/raw/a.csv", "1\n")
    project.write("data/raw/b.csv", "1\n")
    run = project.pipekit("run")
    gone = "data/raw/b.csv was gone before its task began: it does not count as consumed"
    assert gone in run.err
    tasks = project.report()["stages"][0]["tasks"]
    records = [(file["verb"], file["path"]) for task in tasks for file in task["files"]]
    assert ("consumed", "data/raw/a.csv") in records
    assert ("consumed", "data/raw/b.csv") not in records


def test_a_file_that_tasks_at_the_same_time_may_have_written_has_no_lineage(project):
    """Each task waits for the files of the other before it ends: they overlap for certain."""
    project.config(
        CONVERT.replace("data/clean/{stem}.txt", "data/clean/{stem}*.txt")
        .replace('"{output}"', '"{stem}"')
        .replace("quiet_seconds = 0", "quiet_seconds = 0\nworkers = 2")
    )
    wait = "until test -e data/clean/ES.txt && test -e data/clean/ES2.txt; do sleep 0.02; done"
    project.write("convert.sh", f'mkdir -p data/clean; echo $2 > "data/clean/$2.txt"; {wait}')
    project.write("data/raw/ES.csv", "1\n")
    project.write("data/raw/ES2.csv", "1\n")
    run = project.pipekit("run")
    assert run.code == 0, run
    assert "data/clean/ES2.txt matches the outputs of several tasks" in run.err
    tasks = project.report()["stages"][0]["tasks"]
    wrote = [file for task in tasks for file in task["files"] if file["verb"] == "wrote"]
    assert sorted((file["path"], file["sources"]) for file in wrote) == [
        ("data/clean/ES.txt", ["data/raw/ES.csv"]),
        ("data/clean/ES2.txt", []),
    ]


def test_a_file_that_was_there_before_a_task_began_is_of_the_task_that_wrote_it(project):
    """One after the other, nothing is in doubt, though the patterns overlap."""
    project.config(
        CONVERT.replace("data/clean/{stem}.txt", "data/clean/{stem}*.txt")
        .replace('"{output}"', '"{stem}"')
        .replace("quiet_seconds = 0", "quiet_seconds = 0\nworkers = 1")
    )
    project.write("convert.sh", 'mkdir -p data/clean; echo $2 > "data/clean/$2.txt"')
    project.write("data/raw/ES.csv", "1\n")
    project.write("data/raw/ES2.csv", "1\n")
    run = project.pipekit("run")
    assert "several tasks" not in run.err
    tasks = project.report()["stages"][0]["tasks"]
    wrote = [file for task in tasks for file in task["files"] if file["verb"] == "wrote"]
    assert sorted((file["path"], file["sources"]) for file in wrote) == [
        ("data/clean/ES.txt", ["data/raw/ES.csv"]),
        ("data/clean/ES2.txt", ["data/raw/ES2.csv"]),
    ]
