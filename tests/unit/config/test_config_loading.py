from __future__ import annotations

from pathlib import Path

import pytest

from pipekit import ConfigError
from pipekit.config import find_project, load
from pipekit.config.explain import provenance, values


def test_the_project_is_the_nearest_folder_above_with_a_pipekit_toml(tmp_path):
    deep = tmp_path / "outer" / "inner" / "src" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "outer" / "pipekit.toml").touch()
    (tmp_path / "outer" / "inner" / "pipekit.toml").touch()
    assert find_project(deep) == tmp_path / "outer" / "inner"
    assert find_project(tmp_path / "outer") == tmp_path / "outer"


def test_outside_of_any_project_there_is_none(tmp_path):
    (tmp_path / "pipekit.toml").mkdir()  # a folder of that name is no project
    assert find_project(tmp_path) is None


def test_a_relative_start_is_taken_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "pipekit.toml").touch()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert find_project(Path()) == tmp_path


def test_an_empty_file_is_a_project_with_all_defaults(configured, tmp_path):
    config = configured("")
    assert config.pipeline.stages == ()
    assert config.pipeline.quiet_seconds == 2.0
    assert config.pipeline.cores >= 1
    assert config.lifecycle.roots == ("data",)
    assert config.retention.idle_runs == 100
    assert config.schedule.every is None
    assert config.plugins.allow is None
    assert (config.sinks, config.policies, config.stages) == ({}, {}, {})
    assert (config.root, config.file) == (tmp_path, tmp_path / "pipekit.toml")


def test_every_table_of_the_core_is_read(configured):
    config = configured("""
        [pipeline]
        stages = ["translator", "analyzer"]
        workers = 3
        timezone = "America/Chicago"
        quiet_seconds = 5
        [paths]
        data = "bars"
        [plugins]
        allow = ["pipekit-translator"]
        deny = ["other"]
        [stages.translator]
        timeout = "1h"
        hang_timeout = "10m"
        grace = 3
        [stages.analyzer]
        after = {translator = "success"}
        [lifecycle]
        max_files = 7
        max_bytes = "2GB"
        roots = ["data/raw"]
        [retention]
        run_age = "52w"
        [schedule]
        every = "15m"
    """)
    assert config.pipeline.stages == ("translator", "analyzer")
    assert config.pipeline.cores == 3
    assert config.pipeline.timezone == "America/Chicago"
    assert config.folders.data == config.root / "bars"
    assert config.plugins.allow == ("pipekit-translator",)
    assert config.stages["translator"].timeout == 3600
    assert config.stages["translator"].hang_timeout == 600
    assert config.stages["translator"].grace == 3
    assert config.stages["analyzer"].after == {"translator": "success"}
    assert config.lifecycle.max_files == 7
    assert config.lifecycle.max_bytes == 2_000_000_000
    assert config.lifecycle.roots == ("data/raw",)
    assert config.retention.run_age == 52 * 7 * 86400
    assert config.schedule.every == 900


def test_a_listed_stage_without_a_table_has_the_default_supervision(configured):
    assert configured('pipeline.stages = ["a"]').stages["a"].plan_timeout == 60


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(configured):
    text, environ = "[pipeline]\nworkers = 1", {"PIPEKIT_PIPELINE__WORKERS": "2"}
    assert configured("").pipeline.workers == 0
    assert configured(text).pipeline.workers == 1
    assert configured(text, environ).pipeline.workers == 2
    assert configured(text, environ, ("pipeline.workers=3",)).pipeline.workers == 3


def test_the_last_of_two_flags_for_one_key_wins(configured):
    config = configured("", None, ("pipeline.workers=3", "pipeline.workers=4"))
    assert config.pipeline.workers == 4


@pytest.mark.parametrize("text", ["['a', 'b']", '["a", "b"]'])
def test_a_shell_writes_lists_as_toml_or_json(configured, text):
    assert configured("", {"PIPEKIT_PIPELINE__STAGES": text}).pipeline.stages == ("a", "b")


@pytest.mark.parametrize("text", ["{a = 'any', b = 'partial'}", '{"a": "any", "b": "partial"}'])
def test_a_shell_writes_tables_as_toml_or_json(configured, text):
    config = configured('[stages.c]\nafter = {z = "any"}', None, (f"stages.c.after={text}",))
    assert config.stages["c"].after == {"a": "any", "b": "partial"}


def test_a_variable_adds_a_key_to_a_table_of_the_file(configured):
    config = configured(
        '[stages.c]\nafter = {a = "any"}', {"PIPEKIT_STAGES__C__AFTER__B": "success"}
    )
    assert config.stages["c"].after == {"a": "any", "b": "success"}


def test_a_variable_adds_a_key_to_a_table_that_another_variable_wrote(configured):
    environ = {
        "PIPEKIT_STAGES__C__AFTER": "{a = 'any'}",
        "PIPEKIT_STAGES__C__AFTER__B": "success",
    }
    assert configured("", environ).stages["c"].after == {"a": "any", "b": "success"}


def test_a_shell_text_for_a_text_stays_what_it_is(configured):
    config = configured("", {"PIPEKIT_PATHS__DATA": "2024"}, ("paths.logs='my logs'",))
    assert (config.paths.data, config.paths.logs) == ("2024", "my logs")


@pytest.mark.parametrize(
    "name",
    ["PIPEKIT_REPORT", "PIPEKIT_RUN_ID", "PIPEKIT_DISABLE_PLUGINS", "PIPEKIT_API", "OTHER__THING"],
)
def test_variables_without_a_double_underscore_or_of_others_are_no_configuration(configured, name):
    assert configured("", {name: "x"}).layers[1:] == []


def test_a_sink_and_a_policy_are_active_when_their_table_stands_even_empty(configured):
    config = configured(
        "[sinks.console]\n[lifecycle.scratch]\n",
        {"PIPEKIT_SINKS__HOOK": "{}", "PIPEKIT_LIFECYCLE__OLD": "{}"},
    )
    assert list(config.sinks) == ["console", "hook"]
    assert list(config.policies) == ["scratch", "old"]


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf[pipeline]\nworkers = 2\n",
        b"[pipeline]\r\nworkers = 2\r\n",
        b"\xef\xbb\xbf[pipeline]\r\nworkers = 2",
    ],
    ids=["bom", "crlf", "both"],
)
def test_a_file_as_windows_editors_save_it_is_read(configured, raw):
    config = configured(raw)
    assert config.pipeline.workers == 2
    assert values(config)["pipeline.workers"].where == "pipekit.toml:2"


def test_of_some_tables_only_theirs_is_read_whatever_is_wrong_elsewhere(configured, tmp_path):
    text = '[pipeline]\nworkers = "x"\n[paths]\nlogs = "l"\n[nonsense]\n'
    environ = {"PIPEKIT_NONSENSE__A": "1"}
    with pytest.raises(ConfigError):
        configured(text)
    config = load(tmp_path, environ=environ, tables=("paths", "stages"))
    assert config.folders.logs == tmp_path / "l"
    assert (config.pipeline.workers, config.stages) == (0, {})
    with pytest.raises(ConfigError, match=r"^pipekit.toml:2: pipeline.workers: expected an"):
        load(tmp_path, environ=environ, tables=("pipeline",))


def test_loading_twice_gives_the_same(configured, tmp_path):
    first = configured("[pipeline]\nworkers = 2\n[lifecycle.scratch]\nx = 1")
    second = load(tmp_path, environ={})
    assert provenance(first) == provenance(second)
