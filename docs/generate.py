"""Writes docs/reference/commands.md, the tables of reference/configuration.md and CHANGELOG.md.

python docs/generate.py            # write them
python docs/generate.py --check    # exit code 1 when one of them is stale
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import pipekit
import settings_tables
from pipekit.cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
FRAGMENTS = ROOT / "changelog.d"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
WIDTH = 100

COMMANDS_HEAD = """\
# Commands

<!-- written by docs/generate.py from the commands themselves -->

A run is named by its number, its id or the beginning of its id. Every command ends with one of these
[exit codes](exit-codes.md). `-C FOLDER` before the command's name says which project is meant;
otherwise it is the folder with a `pipekit.toml` in or above the working directory.
"""
CHANGELOG_HEAD = """\
# Changelog

What changed for those who use pipekit or write plugins for it, in the manner of
[Keep a Changelog](https://keepachangelog.com). Versions are [semantic](https://semver.org); the four
distributions carry the same one.
"""


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """The commands of this repository in the order of its help, each group before its members."""
    top = click.Context(cli, info_name="pipekit", terminal_width=WIDTH, **cli.context_settings)
    yield top, cli
    yield from _below(top, cli)


def _below(
    context: click.Context, group: click.Group
) -> Iterator[tuple[click.Context, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if not _is_ours(command):
            continue
        below = click.Context(command, info_name=name, parent=context)
        yield below, command
        if isinstance(command, click.Group):
            yield from _below(below, command)


def _is_ours(command: click.Command) -> bool:
    """Also a command of a plugin that belongs to this repository."""
    return getattr(command.callback, "__module__", "").startswith(("pipekit.", "pipekit_"))


def commands_page() -> str:
    """The help of each command."""
    parts = [COMMANDS_HEAD]
    for context, command in commands():
        parts.append(f"## `{context.command_path}`\n")
        parts.append(f"```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def changelog() -> str:
    """The fragments as the section of this version, then the sections of earlier ones."""
    parts = [CHANGELOG_HEAD, f"## {pipekit.__version__} (unreleased)\n"]
    for kind in KINDS:
        found = sorted(FRAGMENTS.glob(f"*.{kind.lower()}.md"))
        if found:
            parts.append(f"### {kind}\n")
            parts.append("\n".join(_entry(path) for path in found))
    return "\n".join(parts) + _released()


def _entry(path: Path) -> str:
    area = path.name.partition(".")[0]
    return f"#### {area}\n\n{path.read_text('utf-8').strip()}\n"


def _released() -> str:
    """What the file has of versions that are out: a heading with a date."""
    file = ROOT / "CHANGELOG.md"
    text = file.read_text("utf-8") if file.exists() else ""
    first = re.search(r"^## \S+ - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    return f"\n{text[first.start() :]}" if first else ""


def pages() -> dict[Path, str]:
    """Each generated page and what it should be."""
    configuration = ROOT / "docs/reference/configuration.md"
    return {
        ROOT / "docs/reference/commands.md": commands_page(),
        configuration: settings_tables.filled(configuration.read_text("utf-8")),
        ROOT / "CHANGELOG.md": changelog(),
    }


def stale() -> list[str]:
    """The names of the pages that are not what they should be."""
    return [
        path.relative_to(ROOT).as_posix()
        for path, text in pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]


def main(words: list[str]) -> int:
    """Write or check; returns the exit code."""
    if words == ["--check"]:
        for name in stale():
            print(f"{name} is stale: run `python docs/generate.py`", file=sys.stderr)
        return 1 if stale() else 0
    if words:
        print(__doc__, file=sys.stderr)
        return 64
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
