"""Write docs/reference/commands.md and api.md, and the tables of docs/reference/configuration.md.

    python docs/generate.py            # write them
    python docs/generate.py --check    # exit code 1 when one of them is stale
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from api_reference import api_page
from settings_tables import filled

from pipekit.cli.main import cli

REFERENCE = Path(__file__).parent / "reference"
WIDTH = 100

HEAD = """\
# Commands

<!-- written by docs/generate.py from the commands themselves -->

A run is named by its number, its id or the beginning of its id. Every command ends with one of these
[exit codes](exit-codes.md). `-C FOLDER` before the command's name selects the project; by default it
is the folder with a `pipekit.toml` in or above the working directory.
"""


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """The commands of this repository in the order of the help, each group before its members."""
    top = click.Context(cli, info_name="pipekit", terminal_width=WIDTH, **cli.context_settings)
    yield top, cli
    yield from _members(top, cli)


def _members(
    context: click.Context, group: click.Group
) -> Iterator[tuple[click.Context, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if not _is_ours(command):
            continue
        member = click.Context(command, info_name=name, parent=context)
        yield member, command
        if isinstance(command, click.Group):
            yield from _members(member, command)


def _is_ours(command: click.Command) -> bool:
    """Whether the command belongs to this repository; commands of its plugins do."""
    return getattr(command.callback, "__module__", "").startswith(("pipekit.", "pipekit_"))


def commands_page() -> str:
    """The help of each command."""
    parts = [HEAD]
    for context, command in commands():
        parts.append(f"## `{context.command_path}`\n")
        parts.append(f"```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """What each page should contain."""
    configuration = REFERENCE / "configuration.md"
    return {
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "api.md": api_page(),
        configuration: filled(configuration.read_text("utf-8")),
    }


def main(words: list[str]) -> int:
    """Write or check the pages; returns the exit code."""
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 64
    stale = [path for path, text in pages().items() if _content(path) != text]
    for path in stale:
        if words:
            print(f"{path.name} is stale: run `python docs/generate.py`", file=sys.stderr)
        else:
            path.write_text(pages()[path], "utf-8")
    return 1 if words and stale else 0


def _content(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
