"""`pipekit new KIND NAME`: a distribution of your own, to be changed, tested and installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click

from pipekit import hookspecs
from pipekit.cli.help import Command
from pipekit.cli.output import print_line
from pipekit.errors import EXIT_ERROR, EXIT_USAGE, DefinitionError, UsageError
from pipekit.model.names import checked_name
from pipekit.model.system import quoted
from pipekit.plugins.entrypoints import BUILTINS, COMMANDS_GROUP, entry_points
from pipekit.plugins.environment import current
from pipekit.plugins.loader import load

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".jinja"  # copier reads these files as well; here only `{{ name }}` and the like count
KINDS = ("stage", "script-stage", "sink", "policy", "executor", "command")
_TRY = {
    "stage": 'list it in pipekit.toml: [pipeline] stages = ["{name}"]',
    "script-stage": 'list it in pipekit.toml: [pipeline] stages = ["{name}"]',
    "sink": "switch it on in pipekit.toml: [sinks.{name}], beside [sinks.console]",
    "policy": "switch it on in pipekit.toml: [lifecycle.{name}]",
    "executor": 'use it in pipekit.toml: [pipeline] executor = "{name}"',
    "command": "call it: pipekit {name}",
}


class _File(NamedTuple):
    """A file of a new distribution: its path below the folder, and its text."""

    path: str
    text: str


@click.command(
    "new",
    cls=Command,
    arguments={
        "KIND": f"What it is: {', '.join(KINDS)}.",
        "NAME": "Its name: a-z, 0-9 and _, starting with a letter.",
    },
    exits={
        EXIT_ERROR: "a file cannot be written, or an internal error",
        EXIT_USAGE: "the name cannot be used or is taken, or the folder is not empty",
    },
    example=("pipekit new stage daily_bars", "a stage in the folder pipekit-daily-bars"),
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to (default: pipekit-NAME, in this one).",
)
@click.pass_context
def command(ctx: click.Context, kind: str, name: str, folder: Path | None) -> int:
    """Start a plugin: a stage, sink, policy, executor or command.

    It is a distribution with code that works, its tests and a README. A script-stage wraps an
    existing script or program, which stays unchanged. For a single project it needs no plugin: see
    `command` in [stages.NAME].
    """
    root = ctx.find_root().command
    _refuse_taken(kind, name, root.list_commands(ctx) if isinstance(root, click.Group) else ())
    folder = folder or Path(distribution(name))
    write(folder, files(kind, name))
    there = quoted(str(folder))
    print_line(f"wrote {folder}: {KINDS_TEXT[kind]} {name!r}, its tests and its README")
    print_line("next:")
    environment = current()
    print_line(f"  install it: {environment.install(str(folder), editable=True)}")
    if find_spec("pytest") is None:
        print_line(f"  install pytest: {environment.install('pytest')}")
    print_line(f"  test it: cd {there} && {quoted(environment.python)} -m pytest")
    print_line(f"  {_TRY[kind].format(name=name)}")
    return 0


KINDS_TEXT = {kind: f"the {kind.replace('-', ' ')}" for kind in KINDS}


def distribution(name: str) -> str:
    """The name of the distribution, and of its folder. Raises UsageError for a bad name."""
    try:
        checked_name(None, None, name)
    except DefinitionError as error:
        raise UsageError(str(error)) from error
    return f"pipekit-{name.replace('_', '-')}"


def _refuse_taken(kind: str, name: str, commands: Iterable[str]) -> None:
    """Raises UsageError if something installed has the name, or that of the distribution.

    `commands`: of pipekit itself and of plugins.
    """
    points = [*entry_points(hookspecs.GROUP), *entry_points(COMMANDS_GROUP)]
    own = distribution(name)
    if own in {point.distribution for point in points}:
        remove = current().uninstall(own)
        text = f"{own} is installed already: choose another name, or uninstall it: {remove}"
        raise UsageError(text)
    word = kind.removeprefix("script-")
    if word == "command":
        taken = dict.fromkeys(commands, BUILTINS)
        taken |= {p.name: p.distribution for p in points if p.group == COMMANDS_GROUP}
    else:
        offered = load(needed=[f"{word} {name}"]).offered()
        taken = {each.name: each.origin.distribution for each in offered if each.kind == word}
    if name in taken:
        article = "an" if word == "executor" else "a"
        raise UsageError(
            f"{taken[name]} has {article} {word} {name!r} already: choose another name"
        )


def files(kind: str, name: str) -> Iterator[_File]:
    """The files of a new distribution. Raises UsageError for a bad name."""
    values = {
        "name": name,
        "module": f"pipekit_{name}",
        "distribution": distribution(name),
        "class_name": name.replace("_", " ").title().replace(" ", ""),
    }
    folder = TEMPLATES / kind
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            inside = path.relative_to(folder).as_posix()
            text = path.read_text("utf-8")
            filled = _filled(text, values) if inside.endswith(SUFFIX) else text
            yield _File(_filled(inside, values).removesuffix(SUFFIX), filled)


def write(folder: Path, made: Iterator[_File]) -> None:
    """Write the files. Raises UsageError if there is something in the folder already."""
    texts = list(made)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: name another folder with --into")
        for path, text in texts:
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise UsageError(
            f"cannot write {folder}: {error.strerror}; name another folder with --into"
        ) from error


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    return text
