"""Raw files outside the project are read where they lie, and never touched."""

from __future__ import annotations

import json

import pytest

CONFIG = """
[pipeline]
stages = ["translator"]
quiet_seconds = 0
[paths]
inputs = ["{outside}"]
[stages.translator.settings]
{setting}
[[stages.translator.settings.sources]]
glob = "{glob}"
dialect = "A"
timezone = "UTC"
[lifecycle]
mode = "apply"
[[lifecycle.rules]]
files = "data/**"
consumed_by = ["translator"]
min_age = "0s"
"""
EXPORT = """Date,Time,Open,High,Low,Close,Volume,Instrument
2024-01-10,15:00:00,4800,4801,4799,4800,5,ES
2024-01-10,15:01:00,4800,4801,4799,4800,{volume},ES
"""
NAME = "DataExport_ES_20240110_235959_UTC.csv"


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / NAME).write_text(EXPORT.format(volume=5))
    return folder


@pytest.mark.parametrize(
    ("setting", "glob"),
    [("", "{outside}/**/*.csv"), ('raw = "{outside}"', "{{raw}}/**/*.csv")],
)
def test_a_file_outside_is_read_known_and_left_alone(project, outside, setting, glob):
    where = outside.as_posix()
    setting, glob = setting.format(outside=where), glob.format(outside=where)
    project.config(CONFIG.format(outside=where, setting=setting, glob=glob))
    path = f"{where}/{NAME}"
    assert "no folder" not in project.pipekit("config", "check").out
    tried = project.pipekit("sources", "try", path)
    assert tried.code == 0, tried
    assert "2024-01-10" in tried.out
    (planned,) = project.pipekit("plan", "--json").json
    assert [each["path"] for each in planned["inputs"]] == [path]
    assert planned["warnings"] == []
    done = project.pipekit("run", "--json")
    assert done.code == 0, done
    month = "data/processed/ES/1m/2024/ES_1m_2024-01.parquet"
    assert (project.root / month).exists()

    told = project.pipekit("file", path, "--json")
    assert told.code == 0, told
    assert told.json["path"] == path
    assert "consumed" in json.dumps(told.json)
    assert month in told.out
    assert "may it go? no:" in project.pipekit("file", path).out

    assert project.pipekit("run", "--json").json["status"] == "idle"
    (outside / NAME).write_text(EXPORT.format(volume="many"))
    changed = project.pipekit("run", "--json")
    assert changed.json["stages"][0]["status"] in ("success", "partial")
    assert path in project.pipekit("status").out  # a row was set aside
    assert (outside / NAME).exists()
    assert path in project.pipekit("file", month).out


def test_a_folder_that_is_no_input_is_refused_with_the_remedy(project, outside):
    config = CONFIG.format(outside="/nowhere/x", setting="", glob=f"{outside.as_posix()}/*.csv")
    project.config(config)
    checked = project.pipekit("config", "check")
    assert checked.code == 3, checked
    assert "below one of the folders in [paths] inputs" in checked.out + checked.err


def test_an_input_folder_inside_the_project_is_refused(project):
    where = (project.root / "data/raw").as_posix()
    project.config(CONFIG.format(outside=where, setting="", glob="data/raw/*.csv"))
    checked = project.pipekit("config", "check")
    assert (checked.code, "is inside the project" in checked.out + checked.err) == (3, True)


def test_a_rule_for_files_outside_is_refused(project, outside):
    where = outside.as_posix()
    text = CONFIG.format(outside=where, setting="", glob=f"{where}/*.csv")
    project.config(text.replace('files = "data/**"', f'files = "{where}/**"'))
    checked = project.pipekit("config", "check")
    assert (checked.code, "are never removed" in checked.out + checked.err) == (3, True)


def test_a_raw_folder_that_does_not_exist_is_a_warning_everywhere(project, outside):
    """Also that of one source among others, and where there is work to do."""
    where = outside.as_posix()
    text = CONFIG.format(outside=where, setting="", glob=f"{where}/*.csv")
    other = '[[stages.translator.settings.sources]]\nglob = "data/rwa/*.csv"\ndialect = "D"\n'
    project.config(text.replace("[lifecycle]", f"{other}[lifecycle]"))
    said = "there is no folder data/rwa: create it, or correct the settings that name it"
    checked = project.pipekit("config", "check")
    assert "translator: there is no folder data/rwa" in checked.out
    assert "data/processed" not in checked.out
    assert f"warning: {said}" in project.pipekit("plan").out
    for status in ("success", "idle"):
        run = project.pipekit("run")
        assert said in run.out + run.err, run
        assert project.report()["status"] == status
        assert said in project.report()["stages"][0]["warnings"]
    project.write("data/rwa/x.txt", "")
    assert "no folder" not in project.pipekit("run").out
