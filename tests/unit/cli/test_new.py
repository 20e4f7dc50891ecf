"""`pipekit new` writes distributions that are short, whole and the same for copier."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib

import pytest
from click.testing import CliRunner

from pipekit.cli.main import cli, run_command_line
from pipekit.cli.new.new import KINDS, SUFFIX, TEMPLATES, files, write

LONGEST = {"stage": 30, "script-stage": 15, "sink": 15, "policy": 15, "executor": 55, "command": 15}
NAME = "daily_bars"


def made(kind):
    return {file.path: file.text for file in files(kind, NAME)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_is_short(kind):
    (code,) = (text for path, text in made(kind).items() if path in MODULES)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= LONGEST[kind]


MODULES = (f"pipekit_{NAME}.py", f"pipekit_{NAME}/__init__.py")


@pytest.mark.parametrize("kind", KINDS)
def test_a_contract_test_is_three_lines_and_what_it_prepares(kind):
    tree = ast.parse(made(kind)[f"tests/test_{NAME}.py"])
    (suite,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert suite.name == "TestDailyBars"
    own = [node for node in suite.body if not isinstance(node, ast.FunctionDef)]
    assert 1 + len(own) <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_distribution_is_whole_and_nothing_is_left_to_fill_in(kind):
    texts = made(kind)
    assert {"README.md", "pyproject.toml", ".gitignore", ".github/workflows/test.yml"} <= {*texts}
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["name"] == "pipekit-daily-bars"
    (points,) = project["entry-points"].values()
    assert list(points) == [NAME]
    for path, text in texts.items():
        assert "{{" not in path + text, path
        assert not path.endswith(SUFFIX)
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_every_kind_has_the_same_ci_and_is_known_to_copier():
    found = {(TEMPLATES / kind / ".github/workflows/test.yml").read_text() for kind in KINDS}
    assert len(found) == 1
    assert f"choices: [{', '.join(KINDS)}]" in (TEMPLATES / "copier.yml").read_text()
    assert {path.name for path in TEMPLATES.iterdir() if path.is_dir()} == {*KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_copiers_template_language_gives_the_same(kind):
    jinja = pytest.importorskip("jinja2")
    values = {
        "name": NAME,
        "module": f"pipekit_{NAME}",
        "distribution": "pipekit-daily-bars",
        "class_name": "DailyBars",
    }
    for path in (TEMPLATES / kind).rglob(f"*{SUFFIX}"):
        inside = path.relative_to(TEMPLATES / kind).as_posix().removesuffix(SUFFIX)
        environment = jinja.Environment(keep_trailing_newline=True, autoescape=False)
        rendered = environment.from_string(path.read_text()).render(values)
        assert rendered == made(kind)[environment.from_string(inside).render(values)]


def test_a_bad_name_and_a_full_folder_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = CliRunner().invoke(cli, ["new", "stage", "Daily-Bars"])
    assert "invalid name 'Daily-Bars': use a-z, 0-9 and _" in str(called.exception)
    first = CliRunner().invoke(cli, ["new", "sink", NAME], standalone_mode=False)
    assert first.exception is None
    assert "wrote pipekit-daily-bars: the sink 'daily_bars'" in first.output
    again = CliRunner().invoke(cli, ["new", "sink", NAME])
    assert "is not empty: name another folder with --into" in str(again.exception)


def is_installed(distribution: str) -> bool:
    return any(found.name == distribution for found in importlib.metadata.distributions())


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("stage", "translator", "pipekit-translator is installed already: choose another name, or"),
        ("sink", "translator", "pipekit-translator is installed already"),
        ("policy", "rules", "pipekit has a policy 'rules' already: choose another name"),
        ("script-stage", "script", "pipekit has a stage 'script' already"),
        ("sink", "prometheus", "pipekit-otel has a sink 'prometheus' already"),
        ("command", "sources", "pipekit-translator has a command 'sources' already"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path, monkeypatch, kind, name, said):
    """To install such a distribution would replace the other one, or be a conflict."""
    if not is_installed(owner := said.partition(" ")[0]):
        pytest.skip(f"{owner} is not installed")
    monkeypatch.chdir(tmp_path)
    called = CliRunner().invoke(cli, ["new", kind, name])
    assert said in str(called.exception)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_command_of_pipekit_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["new", "command", "status"]) == 64
    assert "pipekit has a command 'status' already" in capsys.readouterr().err


def test_what_to_do_next_is_said_for_this_environment(tmp_path, monkeypatch):
    """A test in another Python would not find pipekit, and a sink alone silences the terminal."""
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, ["new", "sink", "tally"]).output
    assert f"test it: cd pipekit-tally && {sys.executable} -m pytest" in said
    assert "install pytest" not in said  # it is here
    assert "[sinks.tally], beside [sinks.console]" in said


def test_files_are_written_with_the_line_ends_of_the_templates(tmp_path):
    write(tmp_path / "new", files("command", NAME))
    assert b"\r" not in (tmp_path / "new/README.md").read_bytes()
