"""The help of every command: its arguments, its exit codes and an example that works."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

from pipekit import errors
from pipekit.cli.help import Command, Group
from pipekit.cli.main import _COMMANDS, cli

ROOT = Path(__file__).resolve().parents[3]
OF_ALL = {errors.EXIT_SUCCESS, errors.EXIT_ERROR, errors.EXIT_USAGE, errors.EXIT_INTERRUPTED}
OF_A_RUN = {errors.EXIT_LOCKED, errors.EXIT_HANGUP, errors.EXIT_TERMINATED}


def _walk(group, context):
    for name in _COMMANDS if group is cli else group.list_commands(context):
        command = group.get_command(context, name)
        below = click.Context(command, info_name=name, parent=context)
        yield below.command_path, command, below
        if isinstance(command, click.Group):
            yield from _walk(command, below)


def _top():
    return click.Context(cli, info_name="pipekit", terminal_width=80, **cli.context_settings)


EVERY = {path: (command, context) for path, command, context in _walk(cli, _top())}


@pytest.fixture(params=EVERY)
def described(request):
    """Each command and group with its context."""
    return EVERY[request.param]


def documented_codes(page: str = "reference/exit-codes.md") -> set[int]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return {int(code) for code in re.findall(r"^\| (\d+) (?:\||\+ N)", text, re.MULTILINE)}


def test_the_first_sentence_is_short_and_the_one_of_the_list(described):
    """The list of commands and the command's own help have the same first line."""
    command, context = described
    assert command.short_help.endswith(".")
    assert len(command.short_help) <= 70
    assert inspect.getdoc(command.callback).startswith(f"{command.short_help}")
    if context.parent.command is cli:
        assert _COMMANDS[command.name][1] == command.short_help


def test_every_argument_has_its_meaning_and_no_other_is_there(described):
    """What the usage has in capitals is explained below it."""
    command, context = described
    assert isinstance(command, Command | Group)
    names = [p.name.upper() for p in command.params if isinstance(p, click.Argument)]
    assert list(command.arguments) == names
    for name, meaning in command.arguments.items():
        assert f"  {name}" in command.get_help(context).partition("Arguments:")[2]
        assert meaning.endswith(".")


def test_every_option_has_its_meaning(described):
    """Every option has help."""
    command, _ = described
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_the_exit_codes_are_those_of_the_reference(described):
    """Help and reference have the same codes; those of every command are in each."""
    command, context = described
    if isinstance(command, click.Group):
        return
    listed = re.findall(
        r"^  (\d+) ", command.get_help(context).partition("Exit codes:")[2], re.MULTILINE
    )
    assert [int(code) for code in listed] == sorted(command.exits)
    if command.name == "exec":  # those of timeout(1): other codes are those of its command
        assert set(command.exits) <= documented_codes("how-to/supervise-a-command.md")
        return
    assert set(command.exits) <= documented_codes()
    assert set(command.exits) >= OF_ALL


MOVING = {f"pipekit lifecycle {name}" for name in ("apply", "restore", "purge")}


DOCTORS = ("pipekit doctor", "pipekit plugins doctor")


def test_only_what_makes_a_run_can_end_like_one():
    """`run`, `demo` and what moves files can meet a lock or a signal, or end as partial.

    With --check, `status` has the exit codes of monitoring plugins, and `doctor` has them.
    """
    running = {path for path, (c, _) in EVERY.items() if OF_A_RUN & set(c.exits)}
    assert running == {"pipekit run", "pipekit demo", *MOVING}
    assert set(EVERY["pipekit run"][0].exits) == documented_codes()
    partial = {path for path, (c, _) in EVERY.items() if errors.EXIT_PARTIAL in c.exits}
    assert partial == {"pipekit run", "pipekit status", *DOCTORS, *MOVING}


@pytest.mark.usefixtures("capsys")  # `--json` takes the stdout of the process otherwise
def test_the_example_is_one_of_this_command_and_can_be_parsed(described):
    """The options and arguments of an example exist."""
    command, context = described
    line, meaning = command.example
    assert meaning
    assert f"\n  {line}" in command.get_help(context)
    words = shlex.split(line.partition(" > ")[0])  # not the file it is written to
    assert words[0] == "pipekit"
    with cli.make_context("pipekit", words[1:]) as found:
        rest = [*found._protected_args, *found.args]
        reached, path = cli, ["pipekit"]
        while isinstance(reached, click.Group) and rest:
            name, reached, rest = reached.resolve_command(found, rest)
            path.append(name)
        with reached.make_context(path[-1], rest, parent=found):
            pass  # and what it has opened is closed
    assert " ".join(path).startswith(context.command_path)


def test_help_fits_a_terminal_of_eighty_columns(described):
    """No line is broken by the terminal."""
    command, context = described
    assert max(len(line) for line in command.get_help(context).splitlines()) <= 80
