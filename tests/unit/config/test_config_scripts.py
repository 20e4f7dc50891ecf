"""Stages with a command of their own, and one stage under several names, as configurations."""

from __future__ import annotations

import pytest

from pipekit import DefinitionError
from pipekit.builtins.script import pipekit_stages
from pipekit.config.describe import settings_fields
from pipekit.config.explain import values
from pipekit.config.tables import SCRIPT, SCRIPT_KEYS, StageConfig
from pipekit.errors import ConfigError, MissingStageError
from pipekit.plugins.loader import load as load_plugins
from pipekit.run.project import open_project
from pipekit.scripts import Script
from pipekit.testing import plan

CONVERT = """
[pipeline]
stages = ["convert"]
[stages.convert]
timeout = "1m"
command = ["convert", "{input}", "-o", "{output}", "{{input}}"]
inputs = ["data/raw/*.csv"]
outputs = ["data/clean/{stem}.txt"]
"""


def script_of(config, name="convert"):
    return config.settings_for("stages", name, Script)


def problems(configured, text):
    with pytest.raises(ConfigError) as error:
        script_of(configured(f"[stages.convert]\n{text}\n"))
    return "\n".join(error.value.problems)


def test_the_keys_that_the_core_passes_on_are_those_of_the_stage_script():
    assert tuple(settings_fields(Script)) == SCRIPT_KEYS
    assert not set(SCRIPT_KEYS) & set(settings_fields(StageConfig))
    assert next(iter(pipekit_stages())).name == SCRIPT


def test_a_stage_with_a_command_has_its_keys_in_its_own_table(configured):
    config = configured(CONVERT)
    assert config.stages["convert"].timeout == 60
    assert config.offered_as("convert") == SCRIPT
    assert script_of(config).inputs == ("data/raw/*.csv",)
    known = values(config)
    assert known["stages.convert.inputs"].where == "pipekit.toml:7"
    assert "stages.convert.settings.inputs" not in known


def test_a_key_of_a_script_is_set_by_the_environment_as_well(configured):
    config = configured(CONVERT, {"PIPEKIT_STAGES__CONVERT__COMMAND": '["other"]'})
    assert script_of(config).command == ("other",)


def test_each_file_gets_a_task_with_its_paths_filled_in(tmp_path, configured):
    settings = script_of(configured(CONVERT))
    for name in ("a.csv", "b c.csv"):
        file = tmp_path / "data/raw" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    spec = next(iter(pipekit_stages()))
    first, second = plan(spec, tmp_path, settings).tasks
    assert first.command.argv == (
        *("convert", "data/raw/a.csv", "-o", "data/clean/a.txt", "{input}"),
    )
    assert (first.inputs, first.outputs) == (("data/raw/a.csv",), ("data/clean/a.txt",))
    assert second.name.startswith("b_c.csv-")
    assert not first.reports
    again = plan(spec, tmp_path, settings, consumed=["data/raw/a.csv"])
    assert [task.name for task in again.tasks] == [second.name]


def test_a_command_for_all_files_gets_each_path_as_a_word(tmp_path, configured):
    settings = script_of(
        configured('[stages.convert]\ncommand = ["sum", "{inputs}"]\ninputs = ["*.txt"]\n')
    )
    for name in "ab":
        (tmp_path / f"{name}.txt").touch()
    (task,) = plan(next(iter(pipekit_stages())), tmp_path, settings).tasks
    assert task.command.argv == ("sum", "a.txt", "b.txt")
    assert task.name == "script"  # the stage's name, which is that of the spec in a test


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command = []", "name the program to run"),
        ('command = ["x", "{inptu}"]', "unknown placeholder {inptu}"),
        ('command = ["x", "{input}"]', "{input} needs `inputs`"),
        ('command = ["x", "{output}"]', "{output} needs `outputs`"),
        ('command = ["x", "-i{inputs}"]\ninputs = ["*"]', "write it alone"),
        ('command = ["{inputs}", "{stem}"]\ninputs = ["*"]', "for one command for all files"),
        ('command = ["x"]\ninputs = ["/etc/*"]', "must be below the project's folder"),
        ('command = ["x", "{stem}"]\ninputs = ["*"]\noutputs = ["o"]', "the same for every input"),
        ('command = ["x"]\ndone_pattern = "("', "not a valid regular expression"),
        ('command = ["x"]\nwatch = [{pattern = "x"}]', "needs a group (?P<unit>...)"),
        ('command = ["x"]\nuse = "other"', "either `command` or `use`"),
        ('command = ["x"]\n[stages.convert.settings]', "stand in its own table"),
        ('comand = ["x"]', "did you mean 'command'?"),
        ('command = ["x"]\nimputs = ["*"]', "did you mean 'inputs'?"),
        ('inputs = ["*"]', "a plugin's settings stand in stages.convert.settings"),
        ('use = "script"', "command: this key is required"),
        ('use = "No Name"', "invalid name 'No Name'"),
    ],
)
def test_a_mistake_is_said_with_what_to_do(configured, text, said):
    assert said in problems(configured, text)


def test_a_watch_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="unit"):
        Script(command=("x",), watch=(type("F", (), {"watch": property(_no_watch)})(),))


def _no_watch(_):
    raise DefinitionError("needs a group unit")


def test_a_stage_that_nobody_offers_is_named_with_what_it_is_used_for(configured):
    with pytest.raises(MissingStageError) as error:
        load_plugins(path=[]).require_stages({"fast": "analyser"})
    assert str(error.value).startswith(
        "stage 'fast' is configured to use 'analyser', but no installed plugin offers analyser"
    )


def test_two_names_for_one_stage_have_settings_of_their_own(configured):
    text = """
    [pipeline]
    stages = ["one", "two"]
    [stages.one]
    command = ["x"]
    [stages.two]
    use = "script"
    command = ["y"]
    """
    project = open_project(configured(text))
    assert [(s.name, s.settings.command) for s in project.stages] == [
        ("one", ("x",)),
        ("two", ("y",)),
    ]
