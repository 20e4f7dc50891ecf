"""Shells complete stages, runs, settings and plugins; a mistake completes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

CONFIG = """
[pipeline]
stages = ["fetch", "convert"]
[stages.fetch]
command = ["true"]
[stages.convert]
command = ["true"]
"""


@pytest.fixture
def completed(project):
    """What a shell is offered after these words."""
    project.config(CONFIG)

    def ask(*words, shell="fish"):
        *_, last = words
        env = {
            "_PIPEKIT_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": " ".join(("pipekit", *words)),
            "COMP_CWORD": last,
        }
        done = project.pipekit(env=env)
        assert done.err == ""
        return [line.partition(",")[2].split("\t")[0] for line in done.out.splitlines() if line]

    return ask


@pytest.mark.posix("the programs of the stages")
def test_names_of_the_project_are_completed(project, completed):
    assert completed("run", "--only", "") == ["fetch", "convert"]
    assert completed("logs", "1", "c") == ["convert"]
    assert completed("show", "") == []
    assert project.pipekit("run").code == 0
    assert completed("show", "") == ["1"]
    assert "stages.fetch.timeout" in completed("config", "explain", "stages.fetch.")
    assert completed("run", "--set", "stages.fetch.comm") == ["stages.fetch.command="]
    assert "pipekit-translator" in completed("plugins", "show", "pipekit-t")
    assert completed("compl") == ["completion"]


def test_the_shell_is_asked_for_the_names_of_files(project):
    """Also where none is in the ledger yet, and below folders."""
    for words in ("file data/", "run --forget data/", "plan --forget data/"):
        env = {
            "_PIPEKIT_COMPLETE": "bash_complete",
            "COMP_WORDS": f"pipekit {words}",
            "COMP_CWORD": str(len(words.split())),
        }
        assert project.pipekit(env=env).out == "file,data/\n"


def test_fish_shows_whole_descriptions_and_the_latest_run_first(project):
    """The script that click makes cuts them at a comma, and has fish sort the numbers."""
    script = project.pipekit("completion", "fish").out
    assert 'string split -m 1 "," $completion' in script
    assert "complete --no-files --keep-order --command pipekit" in script


def test_without_a_project_or_with_a_broken_one_nothing_is_offered(project, completed):
    project.config("[pipeline")
    assert completed("run", "--only", "") == []
    (project.root / "pipekit.toml").unlink()
    assert completed("config", "explain", "") == []


def test_powershell_gets_lines_of_kind_value_and_help(project):
    project.config(CONFIG)
    env = {
        "_PIPEKIT_COMPLETE": "powershell_complete",
        "COMP_WORDS": "pipekit run --only f",
        "COMP_CWORD": "f",
    }
    assert project.pipekit(env=env).out == "plain\tfetch\tuses script\n"


def test_the_script_works_in_bash(project):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    project.config(CONFIG)
    (project.root / "bin").mkdir()
    command = project.root / "bin/pipekit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipekit "$@"\n')
    command.chmod(0o755)
    script = """
    PATH="$PWD/bin:$PATH"
    eval "$(pipekit completion bash)"
    COMP_WORDS=(pipekit run --only ""); COMP_CWORD=3
    _pipekit_completion pipekit "" --only
    echo "${COMPREPLY[*]}"
    """
    done = subprocess.run(
        [bash, "-c", script],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["fetch", "convert"], done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_script_says_where_to_put_it(project, shell):
    done = project.pipekit("completion", shell)
    assert done.code == 0
    assert done.out.startswith("# ")
    assert "pipekit completion" in done.out.splitlines()[0]
    assert "_PIPEKIT_COMPLETE" in done.out
