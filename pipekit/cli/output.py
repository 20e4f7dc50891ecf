"""What commands print: text, tables and JSON, in colours and at the width of a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import click

from pipekit.model.secrets import Mask
from pipekit.model.status import PipelineStatus, StageStatus

RUNNING = "running"
DIED = "died"  # killed before it could end

COLOURS: Mapping[str, str] = {
    StageStatus.SUCCESS: "green",
    StageStatus.PARTIAL: "yellow",
    StageStatus.FAILURE: "red",
    StageStatus.BLOCKED: "magenta",
    StageStatus.CANCELLED: "magenta",
    StageStatus.SKIPPED: "bright_black",
    PipelineStatus.IDLE: "green",
    RUNNING: "cyan",
    "run": "cyan",  # what `pipekit plan` says of a stage that has work
    DIED: "red",
}
"""The colour of each status of a run, stage, task or unit, as click and rich name it."""

_GAP = "  "
_NARROWEST_TEXT = 36  # columns below which wrapped text is hard to read


class _MaskedStream:
    """A text stream in which secrets are masked, whoever writes to it."""

    def __init__(self, stream: Any, mask: Mask) -> None:
        self._stream = stream
        self._mask = mask

    def write(self, text: str) -> int:
        return int(self._stream.write(self._mask.text(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_output(secrets: Sequence[str]) -> None:
    """Mask these in everything that this process prints from now on, tracebacks included."""
    mask = Mask(secrets)
    if mask.forms:
        sys.stdout = _MaskedStream(sys.stdout, mask)
        sys.stderr = _MaskedStream(sys.stderr, mask)


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_text(text: str, lead: str = "", *, hang: int | None = None, err: bool = False) -> None:
    """Print a paragraph: one line, or on a terminal several, wrapped between words.

    `lead` is printed before it and may be coloured. Further lines are indented by `hang` columns,
    or by the width of `lead`.
    """
    width = terminal_width(err=err)
    if width:
        from textwrap import wrap

        before = " " * len(click.unstyle(lead))
        lines = wrap(
            text,
            width,
            initial_indent=before,
            subsequent_indent=before if hang is None else " " * hang,
            break_long_words=False,  # a path stays in one piece, to be copied
            break_on_hyphens=False,
        )
        text = "\n".join(lines)[len(before) :]
    click.echo(f"{lead}{text}".rstrip(), err=err)


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: int | None = None,
    bold: Collection[int] = (),
    drop: Sequence[str] = (),
    hint: str = "",
) -> None:
    """Print a table on stdout, each column as wide as its widest cell.

    The first `left` columns are text, the others numbers, which are aligned to the right. By
    default all are text; then a terminal wraps the last one. `bold`: indices of rows in bold.

    `drop`: heads of the columns to leave out, in this order, while the terminal is too narrow.
    `hint` says how to get them, and is printed on stderr with their names.
    """
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    wrapped = left is None
    left = len(head) if left is None else left
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = list(widths)
    if wrapped:
        room[-1] = min(room[-1], _NARROWEST_TEXT)
    shown = _that_fit(head, room, drop)
    for number, row in enumerate(cells):
        parts = [row[i].ljust(widths[i]) if i < left else row[i].rjust(widths[i]) for i in shown]
        strong = number == 0 or number - 1 in bold
        if wrapped and not strong:
            print_text(row[shown[-1]], "".join(f"{part}{_GAP}" for part in parts[:-1]))
        else:
            click.echo(click.style(_GAP.join(parts).rstrip(), bold=strong))
    dropped = [name for i, name in enumerate(head) if i not in shown]
    if dropped and hint:
        click.echo(f"terminal too narrow for: {', '.join(dropped)} ({hint})", err=True)


def _that_fit(head: Sequence[str], widths: Sequence[int], drop: Sequence[str]) -> list[int]:
    """The columns that the terminal has room for."""
    shown = list(range(len(head)))
    available = terminal_width()
    if available:
        for name in drop:
            if sum(widths[i] + len(_GAP) for i in shown) - len(_GAP) <= available:
                break
            shown.remove(head.index(name))
    return shown


def terminal_width(*, err: bool = False) -> int | None:
    """Columns of the terminal; None if the output goes elsewhere, so that lines are not wrapped."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def local_time(moment: float | None) -> str:
    """A Unix time as local time, to the second; `-` for None."""
    return "-" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def coloured(status: str, width: int = 0) -> str:
    """A status in its colour, padded to `width`; `click.echo` drops it outside terminals."""
    return click.style(status.ljust(width), fg=COLOURS.get(status))


def last_line(*texts: str) -> str:
    """The last line of the first text that has one: of stderr, or else of stdout."""
    return next((text.strip().splitlines()[-1].strip() for text in texts if text.strip()), "")


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `1,371 rows`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
