"""What commands print: lines, tables, JSON; a terminal gets colours and lines of its width.

Imports click for a terminal alone, since a run that nobody watches does without it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    line(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns of text on stdout, as wide as they need to be; the last one may be wrapped."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head) - 1)]
    for index, (*row, last) in enumerate([list(head), *cells]):
        lead = "".join(f"{cell.ljust(width)}  " for cell, width in zip(row, widths, strict=True))
        if index == 0:
            line(styled(f"{lead}{last}", bold=True))
        else:
            say(last, lead)


def say(text: str, lead: str = "", *, hang: int | None = None, err: bool = False) -> None:
    """A line; on a terminal it is broken between words, and goes on below its own beginning.

    `lead` stands before it and may be coloured; `hang`: where the further lines begin instead.
    """
    width = columns(err=err)
    if width:
        from textwrap import wrap

        import click

        before = " " * len(click.unstyle(lead))
        after = before if hang is None else " " * hang
        lines = wrap(
            text,
            width,
            initial_indent=before,
            subsequent_indent=after,
            break_long_words=False,  # a path stays in one piece, to be copied
            break_on_hyphens=False,
        )
        text = "\n".join(lines)[len(before) :]
    line(f"{lead}{text}".rstrip(), err=err)


def columns(*, err: bool = False) -> int | None:
    """How wide the terminal is; None where the output goes elsewhere and lines stay whole."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def when(moment: float | None) -> str:
    """A moment in local time, to the second."""
    return "-" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


COLOURS = {
    "success": "green",
    "idle": "green",
    "skipped": "bright_black",
    "partial": "yellow",
    "failure": "red",
    "blocked": "magenta",
    "cancelled": "magenta",
}


def coloured(status: object, width: int = 0) -> str:
    """A status in its colour."""
    return styled(str(status).ljust(width), fg=COLOURS.get(str(status)))


def styled(text: str, **style: Any) -> str:
    """Text for stdout in the style that click's `style` knows, where that is a terminal."""
    if not sys.stdout.isatty():
        return text
    import click  # who drops it again where colours are not wanted

    return click.style(text, **style)


def line(text: str = "", *, err: bool = False) -> None:
    """One line, out at once; only a terminal needs click, for its colours and its encoding."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        import click

        click.echo(text, err=err)
    else:
        stream.write(f"{text}\n")
        stream.flush()
