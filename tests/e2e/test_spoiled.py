"""Small files all of whose rows are bad: the run is partial, and `status` says so for long."""

from __future__ import annotations

CONFIG = """
[pipeline]
stages = ["translator"]
quiet_seconds = 0

[[stages.translator.settings.sources]]
glob = "data/raw/*.csv"
dialect = "A"
timezone = "UTC"
"""
HEADER = "Date,Time,Open,High,Low,Close,Volume,Instrument"


def export(project, day, *rows):
    lines = [HEADER, *(f"2024-01-{day},15:0{at}:00,{row},5,ES" for at, row in enumerate(rows))]
    project.write(f"data/raw/DataExport_ES_202401{day}_235959_UTC.csv", "\n".join(lines) + "\n")


def test_files_without_a_valid_row_are_no_success(project):
    project.config(CONFIG)
    good, bad = "10,12,9,11", "10,9,12,11"
    export(project, 10, *[good] * 5)
    export(project, 11, *[bad] * 5)
    export(project, 12, good, bad)
    done = project.pipekit("run")
    assert done.code == 1, done
    assert "2 files, 1 written, 1 rejected, 1 row set aside" in done.out
    assert "all 5 of its rows are invalid" in done.out + done.err
    for _ in range(2):
        told = project.pipekit("status").out
        assert "1 file rejected by translator" in told
        assert "1 row set aside" in told
        project.pipekit("run")
    assert project.pipekit("status", "--acknowledge").code == 0
    assert "rejected by translator" not in project.pipekit("status").out
