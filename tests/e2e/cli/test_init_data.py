"""`pipekit init --data` describes what lies in a folder, and the project that it writes runs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def folder(project):
    """Two exports: one says its zone, the other does not."""
    rows = [f"2024-01-22{{}}08:{minute:02}" for minute in range(30, 60)]
    utc = [f"{row.format('T')}:00Z,4850.25,4852.00,4849.50,4851.25,1203" for row in rows]
    local = [f"{row.format(';')};4850,25;4852,00;4849,50;4851,25;1203" for row in rows]
    project.write(
        "data/raw/NQ_a.csv", "\n".join(["timestamp,open,high,low,close,volume", *utc, ""])
    )
    project.write(
        "data/raw/ES_b.csv", "\n".join(["Date;Time;Open;High;Low;Close;Volume", *local, ""])
    )
    return project


def test_what_needs_no_answer_is_set_up_and_runs(folder):
    made = folder.pipekit("init", "--data", "data/raw")
    assert (made.code, "with 1 source" in made.out) == (0, True), made
    assert "data/raw/ES_b.csv: the zone of the time stamps, which the file does not say" in made.err
    assert "call this again with --timezone ZONE" in made.err
    text = (folder.root / "pipekit.toml").read_text()
    assert 'instruments = ["ES", "NQ"]' in text
    assert '#glob = "{raw}/ES_b.csv"' in text
    assert folder.pipekit("config", "check").code == 0
    time.sleep(2)  # the files settle
    run = folder.pipekit("run", "--only", "translator")
    assert (run.code, "translator: 1 file, 1 written" in run.out) == (0, True), run
    again = folder.pipekit("init", "--data", "data/raw")
    assert (again.code, "is not overwritten" in again.err) == (64, True)


def test_a_zone_that_is_given_completes_the_sources(folder):
    made = folder.pipekit("init", "--data", "data/raw", "--timezone", "America/Chicago")
    assert (made.code, made.err) == (0, ""), made
    assert "with 2 sources" in made.out
    assert 'timezone = "America/Chicago"' in (folder.root / "pipekit.toml").read_text()
    assert folder.pipekit("config", "check").code == 0


def test_a_folder_that_cannot_be_described_is_told(project):
    (project.root / "empty").mkdir()
    (project.root.parent / "elsewhere").mkdir()
    for data, said in (
        ("nowhere", "there is no folder"),
        ("empty", "there are no files in"),
        ("../elsewhere", "is outside of the project"),
    ):
        made = project.pipekit("init", "--data", data)
        assert (made.code, said in made.err) == (64, True), made
    assert not (project.root / "pipekit.toml").exists()


def test_a_folder_beside_the_project_is_to_be_moved_into_it(project):
    """`--data` names a folder of the project, which that of the example is not yet."""
    (project.root / "exports").mkdir()
    made = project.pipekit("init", "bars", "--data", "exports")
    moved = f"move exports to {Path('bars/exports')} first"
    assert (made.code, moved in made.err) == (64, True), made


def test_nobody_is_sent_to_an_index_that_may_have_a_strangers_plugin(project):
    """Of the same name: what is installed is a wheel."""
    (project.root / "data/raw").mkdir(parents=True)
    (project.root / "data/raw/ES.csv").write_text("a\n")
    (project.root / "pipekit.toml").unlink(missing_ok=True)
    code = (
        "import pipekit.cli.detected as d; d.entry_points = lambda _: []; "
        "from pipekit.cli.main import run_command_line as run; "
        "raise SystemExit(run(['init', '--data', 'data/raw']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 64, done.stderr
    assert "--data needs pipekit-translator" in done.stderr
    assert done.stderr.rstrip().endswith(" WHEEL")


def test_files_that_nobody_knows_leave_a_source_to_be_written(project):
    """The next step is not to plan a run that reads nothing."""
    (project.root / "data/raw").mkdir(parents=True)
    (project.root / "data/raw/notes.csv").write_text("a;b\nc;d\n")
    (project.root / "pipekit.toml").unlink(missing_ok=True)
    made = project.pipekit("init", "--data", "data/raw")
    assert made.code == 0, made
    assert "next: write a source into it" in made.out


def test_a_new_project_has_nothing_to_be_warned_of(project):
    """Later stages look into folders that earlier ones make in the first run."""
    (project.root / "pipekit.toml").unlink(missing_ok=True)
    assert project.pipekit("init").code == 0
    checked = project.pipekit("config", "check")
    assert (checked.code, checked.err) == (0, ""), checked
    assert "there is no folder" not in checked.out
