"""Contributors, CI and the public workflow run the same sessions, and these exist."""

from __future__ import annotations

import ast
import re

import pytest

from ...pages import ROOT, Page, rows


def sessions() -> list[str]:
    """The sessions of noxfile.py, in its order."""
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    return [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]


def test_every_session_is_explained_to_contributors():
    listed = [row[0] for row in rows(Page(ROOT / "CONTRIBUTING.md").section("The fast loop"))]
    assert listed == sessions()


@pytest.mark.parametrize(
    ("name", "without"),
    [(".ci/run", set()), (".github/workflows/ci.yml", {"windows"})],  # it has Windows itself
)
def test_ci_runs_every_session_but_the_fast_one_and_benchmarks(name, without):
    text = (ROOT / name).read_text("utf-8").replace("uv run pytest", "nox -s tests")  # the same
    calls = re.findall(r"nox -s ([a-z ]+)", text)
    called = [session for call in calls for session in call.split()]
    assert sorted(called) == sorted(set(sessions()) - {"fast", "bench"} - without)


def test_every_folder_of_tests_is_explained_to_contributors():
    text = Page(ROOT / "CONTRIBUTING.md").section("How to add …")
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("**/test_*.py"))}
    assert {row[0].removeprefix("tests/") for row in rows(text)} == folders


def test_the_readmes_commands_are_two_and_those_of_ci():
    commands = re.findall(r"^    (python3 .*)$", Page(ROOT / "README.md").text, re.MULTILINE)
    install = "python3 -m pip install -q uv && python3 -m uv run"
    assert commands == [f"{install} pipekit demo", f"{install} pytest"]
    assert "python3 -m pip install -q uv\n" in (ROOT / ".ci/run").read_text("utf-8")
