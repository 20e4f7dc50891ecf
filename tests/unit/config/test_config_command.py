"""`pipekit config`, called in this process."""

from __future__ import annotations

import json
import tomllib

import pytest
from jsonschema import Draft202012Validator

from pipekit.cli import init
from pipekit.cli.demo import demo
from pipekit.cli.main import run_command_line

PROJECT_TOML = init.TEMPLATE.read_text("utf-8")
DEMO_TOML = demo.TEMPLATE.read_text("utf-8")


@pytest.fixture
def config(tmp_path, capsys, monkeypatch):
    """`config(text, *words)`: exit code and lines of `pipekit config` in a project."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("PIPEKIT_DISABLE_PLUGINS", raising=False)

    def run(text, *words):
        (tmp_path / "pipekit.toml").write_text(text, encoding="utf-8")
        code = run_command_line(["-C", str(tmp_path), "config", *words])
        said = capsys.readouterr()
        return code, (said.out + said.err).splitlines()

    return run


@pytest.mark.parametrize("text", [PROJECT_TOML, DEMO_TOML], ids=["init", "demo"])
def test_what_pipekit_writes_itself_is_valid(config, text):
    code, lines = config(text, "check")
    assert code == 0
    assert lines[-1].endswith("pipekit.toml is valid")


def test_check_finds_stages_that_depend_on_each_other_in_a_circle(config):
    text = 'pipeline.stages = ["translator", "analyzer"]\nstages.translator.after.analyzer = "any"'
    code, lines = config(text, "check")
    assert code == 3
    (problem,) = lines
    assert problem.startswith("error: ")
    assert "translator, analyzer" in problem


def test_check_tells_problems_of_several_plugins_and_contradictions_at_once(config):
    text = """\
[pipeline]
stages = ["translator", "merger", "nowhere"]
[stages.translator.settings]
rawe = "x"
[stages.merger.settings]
summary = "yes"
[sinks.consol]
"""
    code, lines = config(text, "check")
    assert code == 3
    assert [line.split(": ")[1] for line in lines if "pipekit.toml" in line] == [
        "pipekit.toml:4",
        "pipekit.toml:6",
        "pipekit.toml:7",
    ]
    assert any("nowhere" in line for line in lines)


def test_check_names_the_key_of_a_flag_once(config):
    code, lines = config('pipeline.stages = ["analyzer"]', "check", "--set",
                         "stages.analyzer.settings.stop_rul=x")  # fmt: skip
    assert code == 3
    assert lines == [
        "error: --set stages.analyzer.settings.stop_rul: unknown key; did you mean 'stop_rule'?"
    ]


def test_schema_knows_the_installed_plugins_and_their_settings(config, tmp_path):
    code, lines = config("[pipeline]\nworkers = 'a mistake elsewhere'", "schema")
    assert code == 0
    validator = Draft202012Validator(json.loads("\n".join(lines)))
    assert validator.is_valid(tomllib.loads(DEMO_TOML))
    wrong = tomllib.loads('[stages.translator.settings]\nraw = 5\n[sinks.console]\nlive = "yes"')
    assert [error.json_path for error in validator.iter_errors(wrong)] == [
        "$.stages.translator.settings.raw",
        "$.sinks.console.live",
    ]


def test_schema_leaves_out_what_the_configuration_denies(config):
    _, lines = config('[plugins]\ndeny = ["translator"]', "schema")
    stages = json.loads("\n".join(lines))["properties"]["stages"]["properties"]
    assert "translator" not in stages
    assert "merger" in stages


def test_show_masks_secrets_and_explain_says_who_set_a_value(config):
    text = 'pipeline.stages = ["merger"]\n[stages.merger]\n\nplan_timeout = 3\n'
    text += '[sinks.x]\nkey = "s3cret"'
    _, lines = config(text, "show")
    assert "s3cret" not in "\n".join(lines)
    assert 'sinks.x.key = "***"' in lines
    _, lines = config(text, "explain", "stages.merger.plan_timeout")
    assert lines[:3] == [
        'stages.merger.plan_timeout = "3s"',
        "  from pipekit.toml:4",
        '  (default: "1m")',
    ]
