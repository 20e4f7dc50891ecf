"""`pipekit file PATH`: what became of a file, what came of it, and whether it may go."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.test_lifecycle import CONFIG, RAW, stage


@pytest.fixture(scope="module")
def chain(project_in, tmp_path_factory):
    """Stage one copies data/raw to data/mid, stage two reads data/mid; one run, one bad file."""
    project = project_in(tmp_path_factory.mktemp("chain"))
    project.plugin("one", stage("one", "data/raw", "data/mid"))
    project.plugin("two", stage("two", "data/mid", "data/out", one="partial"))
    project.config(CONFIG + RAW)
    for name in ("a", "dirty", "bad", "gone"):
        project.write(f"data/raw/{name}.txt", f"2024-01-01 {name}\n")
    assert project.pipekit("run").code == 1
    (project.root / "data/raw/gone.txt").unlink()
    return project


def snapshot(project):
    return sorted(
        (path, path.stat().st_mtime_ns)
        for path in project.root.rglob("*[!lm]")  # SQLite has its -wal and -shm
        if path.is_file()
    )


def test_a_consumed_file_says_when_and_what_came_of_it(chain):
    before = snapshot(chain)
    said = chain.pipekit("file", "data/raw/a.txt")
    assert snapshot(chain) == before
    lines = said.out.splitlines()
    assert lines[0].startswith("data/raw/a.txt: 13 B, last changed 20")
    assert lines[1].startswith("  one: consumed in run 1 (20")
    assert lines[2:] == [
        "came of it:",
        "  1 file of one:",
        "    data/mid/a.txt (run 1)",
        "  1 file of two, through these:",
        "    data/out/a.txt (run 1)",
        "may it go? no: stage 'two' was not planned",
    ]
    assert said.code == 0


def test_a_processed_file_says_where_it_came_from(chain):
    lines = chain.pipekit("file", "data/mid/a.txt").out.splitlines()
    assert lines[1].startswith("  one: written in run 1 (")
    assert lines[2].startswith("  two: consumed in run 1 (")
    assert lines[-4:-1] == ["came from:", "  1 file that no stage wrote:", "    data/raw/a.txt"]


def test_a_failed_file_is_pending_and_stays(chain):
    lines = chain.pipekit("file", "data/raw/bad.txt").out.splitlines()
    assert lines[1] == "  one: pending: not read yet"


def test_rows_that_were_set_aside_are_told_with_their_place(chain):
    (run,) = [path.name for path in (chain.root / "logs/runs").iterdir()]
    row = '{"file": "0001.txt", "source": "data/raw/dirty.txt", "line": 7, "reason": "torn"}\n'
    manifest = chain.write(f"data/quarantine/{run}/manifest.jsonl", '{"x":\n' + row)
    try:
        assert (
            f"    1 row set aside: data/quarantine/{run}/0001.txt; line 7: torn"
            in chain.pipekit("file", "data/raw/dirty.txt").out.splitlines()
        )
    finally:
        manifest.unlink()
    assert "    1 row set aside\n" in chain.pipekit("file", "data/raw/dirty.txt").out


def test_a_file_that_is_gone_is_known(chain):
    lines = chain.pipekit("file", "data/raw/gone.txt").out.splitlines()
    assert lines[0] == "data/raw/gone.txt: no longer there"
    assert lines[1].startswith("  one: consumed in run 1 (")
    assert not lines[-1].startswith("may it go")


def test_a_file_that_nobody_knows_gets_the_pattern_that_nearly_matches(chain):
    chain.write("data/rwa/a.txt", "")
    chain.write("data/raw.txt", "")
    said = chain.pipekit("file", "data/raw.txt").out
    assert "  no stage reads it, and no stage has written it" in said
    answer = chain.pipekit("file", "data/raw/a.tx").out
    assert "  no run has seen one; did you mean 'a.txt'?" in answer


def test_a_path_is_that_of_the_working_directory_or_of_the_project(chain):
    answer = chain.run_python(
        "import os, sys; os.chdir('data/raw'); from pipekit.__main__ import entry\n"
        "sys.argv = ['pipekit', 'file', 'a.txt']; entry()"
    )
    assert answer.out.startswith("data/raw/a.txt: 13 B")
    there = chain.pipekit(
        "-C", os.fspath(chain.root), "file", os.fspath(chain.root / "data/raw/a.txt")
    )
    assert there.out.startswith("data/raw/a.txt: 13 B")


@pytest.mark.parametrize(
    ("path", "said"),
    [("data", "data is a folder: name a file"), ("../x", "is not in the project's folder")],
)
def test_what_is_no_file_of_the_project_is_wrong_use(chain, path, said):
    answer = chain.pipekit("file", path)
    assert (answer.code, said in answer.err) == (64, True)


def test_json_has_all_of_it(chain):
    record = chain.pipekit("file", "data/raw/a.txt", "--json").json
    assert (record["path"], record["exists"], record["known"]) == ("data/raw/a.txt", True, True)
    (one,) = record["stages"]
    assert (one["stage"], one["state"], one["last"]["run"]) == ("one", "consumed", 1)
    steps = [[each["path"] for each in step] for step in record["came_of_it"]["steps"]]
    assert steps == [["data/mid/a.txt"], ["data/out/a.txt"]]
    assert record["may_go"]["allowed"] is False


def test_before_the_first_run_a_file_is_pending(project):
    project.plugin("one", stage("one", "data/raw", "data/mid"))
    project.config(CONFIG.replace(', "two"', ""))
    project.write("data/raw/a.txt", "x")
    assert "  one: pending: not read yet" in project.pipekit("file", "data/raw/a.txt").out
    assert not (project.root / ".pipekit/state.db").exists()


def test_a_broken_configuration_does_not_hide_what_the_ledger_knows(chain):
    text = (chain.root / "pipekit.toml").read_text()
    chain.config(text + "[nope]\n")
    try:
        answer = chain.pipekit("file", "data/raw/a.txt")
    finally:
        chain.config(text)
    assert answer.code == 3
    assert "  one: consumed in run 1 (" in answer.out
    assert "nope" in answer.err


def test_a_file_in_the_trash_says_so(project):
    project.plugin("one", stage("one", "data/raw", "data/mid"))
    rule = RAW.replace('"one", "two"', '"one"')
    project.config(
        CONFIG.replace(', "two"', "").replace("[lifecycle]", '[lifecycle]\nmode = "apply"') + rule
    )
    for number in range(8):
        project.write(f"data/raw/{number}.txt", "2024-01-01 x")
        project.pipekit("run")
    gone = next(n for n in range(8) if not (project.root / f"data/raw/{n}.txt").exists())
    said = project.pipekit("file", f"data/raw/{gone}.txt").out.splitlines()[0]
    run = said.partition("the trash by run ")[2].partition(";")[0]
    assert said.endswith(f"`pipekit lifecycle restore {run}` brings it back")
    assert project.pipekit("file", f"data/raw/{gone}.txt", "--json").json["removed"]["run"] == int(
        run
    )


@pytest.mark.posix("a working directory that is deleted")
def test_a_file_is_found_from_a_working_directory_that_was_deleted(project):
    project.config("[pipeline]\nstages = []\n")
    project.write("data/raw/a.csv", "1\n")
    (project.root / "gone").mkdir()
    script = 'cd gone && rmdir ../gone && exec "$0" -m pipekit -C "$1" file data/raw/a.csv'
    told = subprocess.run(
        ["sh", "-c", script, sys.executable, str(project.root)],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No such file or directory" not in told.stderr
    assert told.stdout.startswith("data/raw/a.csv: ")


def test_whether_a_stage_reads_a_file_is_not_known_where_none_could_be_asked(project):
    project.config("[pipeline]\nstages = 7\n")
    project.write("data/raw/a.csv", "1\n")
    told = project.pipekit("file", "data/raw/a.csv")
    assert "whether a stage reads it is not known" in told.out
    assert "no stage reads it" not in told.out
    record = project.pipekit("file", "--json", "data/raw/a.csv").json
    assert "pipeline.stages" in record["problem"]


def test_a_file_of_a_valid_project_has_no_problem(chain):
    assert chain.pipekit("file", "--json", "data/raw/a.txt").json["problem"] is None
