"""What the commands say when there is nothing to show, or when something is asked wrongly."""

from __future__ import annotations

import json
import re

import pytest

from pipekit.cli.exits import exit_code_of
from pipekit.cli.main import cli, run_command_line
from pipekit.model.system import quoted


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        ("status", {"first": None, "second": None}),
        ("history", []),
        ("lifecycle plan", []),
    ],
)
def test_json_is_json_before_the_first_run_too(tiny, pipekit, words, empty):
    """A program that reads stdout needs no special case for a new project."""
    done = pipekit(*words.split(), "--json")
    assert done.code == 0
    printed = json.loads(done.out)
    assert (printed["stages"] if words == "status" else printed) == empty


@pytest.mark.parametrize("words", ["status", "history", "show", "events", "logs 1 first"])
def test_before_the_first_run_the_command_that_starts_one_is_named(tiny, pipekit, words):
    """Nobody looks at an empty table and wonders."""
    done = pipekit(*words.split())
    assert "no runs yet; start one with `pipekit run`" in done.out + done.err


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("options", ["--from second --until first", "--only first --from second"])
def test_options_that_leave_no_stage_are_wrong_usage(tiny, pipekit, command, options):
    """A selection of nothing is a mistake, not a run with nothing to do."""
    done = pipekit(command, *options.split())
    assert done.code == 64
    assert "select no stage; the order is: first, second" in done.err
    assert not (tiny.root / "logs").exists()


@pytest.mark.parametrize(
    ("dates", "problem"),
    [
        ("yesterday", "write YYYY-MM-DD"),
        ("2024-01-02:2024-01-01", "the last day is before the first"),
    ],
)
def test_wrong_dates_are_wrong_usage(tiny, pipekit, dates, problem):
    """The message says how to write them."""
    done = pipekit("plan", "--dates", dates)
    assert done.code == 64
    assert problem in done.err


def test_history_says_what_it_left_out(tiny, pipekit):
    """An empty table says that there were idle runs, and how to see them."""
    assert pipekit("run").code == 0
    assert "idle runs are left out; --all includes them" in pipekit("history").err
    assert "idle" in pipekit("history", "--all").out
    assert pipekit("history", "-n", "0").code == 64


@pytest.mark.parametrize("words", ["show 99", "events 99", "logs 99 first", "show x"])
def test_an_unknown_run_is_wrong_usage(tiny, pipekit, words):
    """The message names the latest run and the command that lists all, idle ones included."""
    pipekit("run")
    done = pipekit(*words.split())
    assert done.code == 64
    assert "the latest is run 1, and `pipekit history --all` lists them all" in done.err


def test_a_stage_that_took_no_part_is_named_with_those_that_did(tiny, pipekit):
    """`logs` of a misspelt stage says which ones there are."""
    pipekit("run")
    done = pipekit("logs", "1", "fist")
    assert done.code == 64
    assert "'fist' did not take part in run 1; its stages: first, second" in done.err


def test_a_warning_of_a_run_is_shown_with_it(tiny, pipekit):
    """What `run` warned of is still there when somebody looks later."""
    tiny.plugin("sour", "raise RuntimeError('not today')")
    pipekit("run")
    assert "not today" in pipekit("show").out


def test_a_wrong_key_is_wrong_usage_and_a_table_is_explained_whole(tiny, pipekit):
    """`config explain` needs no guessing."""
    wrong = pipekit("config", "explain", "pipeline.worker")
    assert wrong.code == 64
    assert "pipeline.workers" in wrong.err
    assert "`pipekit config show`" in wrong.err
    table = pipekit("config", "explain", "pipeline")
    assert table.code == 0
    keys = [line.partition(" = ")[0] for line in table.out.splitlines() if line[:1] != " "]
    assert keys == [
        *("pipeline.stages", "pipeline.workers", "pipeline.timezone", "pipeline.quiet_seconds"),
        *("pipeline.executor", "pipeline.lease"),
        "pipeline.min_free is unset",
    ]


def test_a_wrong_folder_is_named_with_what_would_be_right(tiny, pipekit):
    """No folder, a folder in a project and a folder without one are three things."""
    (tiny.root / "data").mkdir()
    nowhere = pipekit("-C", "nowhere", "status")
    assert (nowhere.code, "`pipekit init FOLDER` creates one" in nowhere.err) == (64, True)
    below = pipekit("-C", "data", "status")
    assert (below.code, f"there is one in {tiny.root}: use that" in below.err) == (64, True)
    outside = pipekit("-C", str(tiny.root.parent), "status")
    assert (outside.code, "`pipekit init` writes one" in outside.err) == (64, True)


def test_init_overwrites_nothing_and_names_the_next_command(project, pipekit):
    """The next command can be copied, also for a folder with a space in its name."""
    made = pipekit("init", "my bars")
    assert made.code == 0
    assert f"pipekit -C {quoted('my bars')} plan" in made.out
    again = pipekit("init", "my bars")
    assert again.code == 64
    assert "edit it, or move it away first" in again.err


def test_demo_does_not_run_a_project_that_is_not_its_own(tiny, pipekit):
    """A folder that was named by mistake is left as it is."""
    done = pipekit("demo", ".")
    assert done.code == 64
    assert "choose another folder" in done.err
    assert not (tiny.root / "logs").exists()


def test_demo_without_its_stages_writes_nothing(project, pipekit):
    """The stages are looked for before anything is created."""
    done = pipekit("demo", "d")
    assert done.code == 3
    assert "translator" in done.err
    assert not (project.root / "d").exists()


def test_logs_of_a_stage_that_started_no_program_say_so(tiny, pipekit):
    """Nothing printed is not the same as nothing kept."""
    pipekit("run")
    done = pipekit("logs", "1", "first")
    assert done.err == "first was skipped and started no program in run 1\n"


def test_a_missing_folder_is_named(tmp_path, capsys):
    """An error of the system says which folder there is not."""
    target = tmp_path / "nowhere/x.html"
    assert exit_code_of(lambda: len(target.read_text())) == 3
    expected = f"pipekit: cannot open {target}: there is no folder {target.parent}\n"
    assert capsys.readouterr().err == expected


def test_an_internal_error_is_called_so_below_its_traceback(capsys):
    """Nobody takes a bug in pipekit for a mistake of theirs."""

    def broken() -> int:
        error = KeyError("sentence")
        error.add_note("Structuring class Settings")  # as libraries do
        raise error

    assert exit_code_of(broken) == 3
    *_, error, _, last = capsys.readouterr().err.splitlines()
    assert error == "KeyError: 'sentence'"
    assert last == "pipekit: internal error in pipekit (full traceback above)"


def test_the_choices_of_a_missing_argument_are_indented(capsys):
    assert run_command_line(["new"]) == 64
    assert "\n    script-stage," in capsys.readouterr().err


PLUGINS = ("dashboard", "notify", "results", "sources")  # the commands that plugins bring


@pytest.mark.parametrize("folder", ["pipekit", "plugins"])
def test_no_message_names_a_command_that_does_not_exist(request, folder):
    """What a message tells people to type can be typed."""
    context = cli.make_context("pipekit", [], resilient_parsing=True)
    named = {
        (words, file.name)
        for file in (request.config.rootpath / folder).rglob("*.py")
        for words in re.findall(r"`pipekit ([a-z]+(?: [a-z]+)?)", file.read_text("utf-8"))
    }
    assert named
    for words, file in sorted(named):
        command, _, below = words.partition(" ")
        found = cli.get_command(context, command)
        if found is None and command in PLUGINS:
            continue  # of a plugin that is not installed here
        assert found is not None, f"{file}: pipekit {words}"
        if below and hasattr(found, "commands"):
            assert below in found.commands, f"{file}: pipekit {words}"
