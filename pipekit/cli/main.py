"""The command line: lists the commands, and imports only the module of the one called."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import click

from pipekit import __version__
from pipekit.cli.exits import OF_PLUGIN, exit_code_of
from pipekit.cli.output import print_click_error
from pipekit.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE, PipekitError, UsageError
from pipekit.model.names import did_you_mean
from pipekit.model.text import escaped
from pipekit.plugins.disabled import disabled_by
from pipekit.plugins.entrypoints import COMMANDS_GROUP, EntryPoint, entry_points

# name -> (module below pipekit.cli, its line in `--help`): the list imports no command
_COMMANDS = {
    "init": ("init", "Write a pipekit.toml to start from."),
    "new": ("new.new", "Start a plugin: a stage, sink, policy, executor or command."),
    "demo": ("demo.demo", "Create a project with sample data, run it, show the results."),
    "run": ("run", "Run the stages that have work to do."),
    "plan": ("plan", "Show what a run would do now, and why."),
    "status": (
        "status",
        "Show the state of the project: the last run, failures, rejected files.",
    ),
    "history": ("history", "List the latest runs."),
    "show": ("show", "Show one run: its stages, tasks and files."),
    "events": ("events", "Print the events of a run."),
    "logs": ("logs", "Print the output of a stage's programs."),
    "file": ("file.file", "Show what happened to a file, and what was made from it."),
    "stop": ("stop", "Stop the current run."),
    "hold": ("hold", "Block new runs for a while."),
    "release": ("release", "Allow runs again after `pipekit hold`."),
    "schedule": ("schedule.schedule", "Run on a schedule, by the operating system's scheduler."),
    "plugins": ("plugins.plugins", "Show the installed plugins."),
    "config": ("config", "Show, check and explain the configuration."),
    "doctor": ("doctor.doctor", "Check that this machine and project are ready for runs."),
    "lifecycle": ("lifecycle", "Show which files may be removed; remove or restore them."),
    "completion": ("completion", "Print a completion script for your shell."),
    "exec": ("exec", "Supervise a command and stop its whole process tree with it."),
    "exec-task": ("exec_task", "Carry out one attempt at a task, as a node of a cluster does."),
}


class _ReaderGoneError(Exception):
    """The reader of our output has closed the pipe."""


class _Commands(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *_plugin_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module = importlib.import_module(f"pipekit.cli.{_COMMANDS[cmd_name][0]}")
            command: click.Command = module.command
            return command
        return _load_plugin_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would exit with 1, which means `partial`
            raise _ReaderGoneError from error
        except Exception as error:  # raised again, with the name of the plugin
            point = _plugin_commands(ctx).get(ctx.invoked_subcommand or "")
            if point is not None:
                error.add_note(f"{OF_PLUGIN}{point.distribution} {point.version}")
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:  # click suggests only commands that are loaded
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message.rstrip('.')}{hint}", ctx=error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])
        points = _plugin_commands(ctx)
        if points:
            with formatter.section("Plugin commands"):
                rows = [(escaped(n), escaped(f"from {p.distribution}")) for n, p in points.items()]
                formatter.write_dl(rows)


def _installed_commands() -> dict[str, EntryPoint]:
    """The installed plugins' commands; a built-in command wins over one of the same name."""
    points = {point.name: point for point in entry_points(COMMANDS_GROUP)}
    return {name: point for name, point in points.items() if name not in _COMMANDS}


def _plugin_commands(ctx: click.Context) -> dict[str, EntryPoint]:
    """Those that neither --no-plugins nor the variable disables; reads no configuration."""
    off = bool(ctx.params.get("no_plugins"))
    points = _installed_commands()
    return {n: p for n, p in points.items() if not disabled_by(p, builtins_only=off)}


def _load_plugin_command(ctx: click.Context, name: str) -> click.Command | None:
    """The command, unless it is disabled; None if there is none of this name."""
    point = _installed_commands().get(name)
    if point is None:
        return None
    from pipekit.cli.disabled import why_disabled  # reads [plugins] of the project

    if off := why_disabled(ctx, point):
        if ctx.resilient_parsing:  # a shell completes words
            return None
        raise UsageError(f"the command {name!r} of {point} is disabled by {off}")
    try:
        command = point.load()
    except (Exception, SystemExit) as error:  # the isolation boundary of plugin loading
        from pipekit.plugins.fault import located  # only on failure

        raise PipekitError(
            f"cannot load the command {name!r} of {point}: {located(error)}"
        ) from error
    if not isinstance(command, click.Command):
        raise PipekitError(f"the command {name!r} of {point} must be a click command")
    return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`pipekit COMMAND --help` shows a command's arguments, exit codes and an example.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option(
    "-C",
    "--project",
    type=click.Path(file_okay=False, readable=False, path_type=Path),
    help="Project folder (default: the nearest one with a pipekit.toml, in or above this one).",
)
@click.option(  # eager, so that --help after it knows it
    "--no-plugins", is_flag=True, is_eager=True, help="Load only the built-in plugins."
)
@click.pass_context
def cli(ctx: click.Context, project: Path | None, no_plugins: bool) -> None:
    """A pipeline for one machine: installable stages, supervised processes, and no lost file."""
    ctx.obj = {"project": project, "no_plugins": no_plugins}
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False


def run_command_line(words: list[str]) -> int:
    """Run one command and return its exit code."""
    if os.environ.get("_PIPEKIT_COMPLETE", "").startswith("powershell"):
        importlib.import_module("pipekit.cli.completion")  # click itself does not know this shell
    return exit_code_of(lambda: _invoke(words))


def _invoke(words: list[str]) -> int:
    try:
        result = cli.main(args=words, prog_name="pipekit", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except _ReaderGoneError as error:
        raise BrokenPipeError from error
    except click.ClickException as error:
        print_click_error(error)
        return EXIT_USAGE if isinstance(error, click.UsageError) else EXIT_ERROR
    except click.Abort:
        return EXIT_INTERRUPTED
