"""`pipekit run --forget FILE`: a wrong file is taken back, through all stages."""

from __future__ import annotations

import shutil

import pytest

CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*.csv"
dialect = "A"
timezone = "UTC"
"""
WRONG = "data/raw/DataExport_ES_20240112_235959_UTC.csv"


def bars(day, level=4800):
    """An export with a bar for each minute of a day."""
    lines = ["Date,Time,Open,High,Low,Close,Volume,Instrument"]
    for minute in range(1260):
        price = level + (minute % 37) * 0.25
        time = f"{minute // 60:02}:{minute % 60:02}:00"
        lines.append(f"{day},{time},{price},{price + 1},{price - 1},{price},10,ES")
    return "\n".join(lines) + "\n"


def tree(project):
    """The published files, with their bytes."""
    folders = (project.root / "data/processed", project.root / "data/analyzer_runs/merged")
    found = (path for folder in folders for path in folder.rglob("*"))
    return {p.relative_to(project.root).as_posix(): p.read_bytes() for p in found if p.is_file()}


def run(project, *words):
    done = project.pipekit("run", "--json", *words)
    assert done.code == 0, done
    return {stage["stage"]: stage["status"] for stage in done.json["stages"]}, done


@pytest.fixture(scope="module")
def made(project_in, tmp_path_factory):
    """A project of two days, and its results; the same with a wrong file for one of them."""
    project = project_in(tmp_path_factory.mktemp("right"))
    project.config(CONFIG)
    for day in ("2024-01-10", "2024-01-11"):
        name = f"DataExport_ES_{day.replace('-', '')}_235959_UTC.csv"
        project.write(f"data/raw/{name}", bars(day))
    run(project)
    right = tree(project)
    project.write(WRONG, bars("2024-01-11", level=4700))
    run(project)
    assert tree(project) != right
    return project, right


@pytest.fixture
def wrong(made, project):
    shutil.copytree(made[0].root, project.root, dirs_exist_ok=True)
    return project, made[1]


@pytest.mark.parametrize("there", [True, False])
def test_the_results_are_those_of_a_project_that_never_had_it(wrong, there):
    project, right = wrong
    if not there:
        (project.root / WRONG).unlink()
    before = tree(project)
    planned = project.pipekit("plan", "--forget", WRONG)
    assert f"{WRONG} forgotten: ES 2024-01-10, ES 2024-01-11 from" in planned.out, planned
    assert (f"{WRONG} is still there: a run sets it aside" in planned.out) is there
    assert (project.root / WRONG).exists() is there
    assert tree(project) == before
    statuses, done = run(project, "--forget", WRONG)
    assert statuses == dict.fromkeys(("translator", "analyzer", "merger"), "success")
    assert tree(project) == right
    kept = list((project.root / "data/quarantine").rglob("*_235959_UTC.csv"))
    assert [path.read_text() for path in kept] == [bars("2024-01-11", level=4700)] * there
    assert ("was moved to data/quarantine/" in done.err) is there
    told = project.pipekit("file", WRONG, "--json")
    assert "consumed" not in told.out
    assert "processed" not in told.out
    assert set(run(project)[0].values()) == {"skipped"}
    assert tree(project) == right
    again = project.pipekit("run", "--forget", WRONG)
    assert (again.code, "there is nothing to forget" in again.err) == (64, True), again


def test_a_replaced_file_is_read_in_its_place(wrong):
    project, right = wrong
    project.write(WRONG, bars("2024-01-11"))
    run(project, "--forget", WRONG)
    assert (project.root / WRONG).exists()
    assert tree(project) == right
    assert set(run(project)[0].values()) == {"skipped"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--forget", "data/raw/nope.csv"], "no stage has consumed data/raw/nope.csv"),
        (["--forget", "data/raw"], "is a folder"),
        (["--forget", WRONG, "--only", "merger"], "was consumed by translator, which this run"),
        (["--forget", WRONG, "--dates", "2024-01-11"], "leave out --dates"),
        (
            ["--forget", "data/processed/ES/1m/2024/ES_1m_2024-01.parquet"],
            "was made by translator: name the raw file",
        ),
    ],
)
def test_wrong_use_is_refused_before_anything_happens(made, words, said):
    project, _ = made
    done = project.pipekit("run", *words)
    assert (done.code, said in done.err) == (64, True), done
    assert (project.root / WRONG).exists()


def test_a_stage_that_cannot_forget_says_so(project):
    code = """
    import sys
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
    DO = "from pipekit.worker import report, fingerprint; "
    def plan(ctx, settings):
        new = ctx.pending(ctx.files("data/raw/*"))
        if not new:
            return StagePlan.skip("nothing", new)
        do = DO + "report.consumed('data/raw/a', fingerprint('data/raw/a'))"
        task = Task(name="t", command=Command(argv=[sys.executable, "-c", do]))
        return StagePlan(reason="new", inputs=new.inputs, tasks=[task])
    @hookimpl
    def pipekit_stages():
        yield StageSpec("old", plan)
    """
    project.plugin("old", code)
    project.config('[pipeline]\nstages = ["old"]\nquiet_seconds = 0\n')
    project.write("data/raw/a", "x")
    assert project.pipekit("run").code == 0
    (project.root / "data/raw/a").unlink()
    done = project.pipekit("run", "--forget", "data/raw/a")
    assert "old has not forgotten data/raw/a" in done.out + done.err
