"""What commands print: text, tables and JSON, in colours and at the width of a terminal.

Commands print by these functions alone: they escape what a file, a program or a plugin could use to
control the reader's terminal.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from pipekit.model.secrets import Mask
from pipekit.model.status import DIED, HELD, REFUSED, RUNNING, PipelineStatus, StageStatus
from pipekit.model.text import escaped, escaped_output, json_text

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
    REFUSED: "red",
    HELD: "yellow",
}
"""The colour of each status of a run, stage, task or unit, as click and rich name it."""

_KEPT = "pipekit.stdout"  # in a context's `meta`: the stream that is kept for JSON
_GAP = "  "
_MOMENT = re.compile(r"(?<=\d\d\d\d-\d\d-\d\d) (?=\d\d:\d\d)")  # between a date and its time
_JOINED = "\0"  # which no escaped text has
_NARROWEST_TEXT = 36  # columns below which wrapped text is hard to read


class _MaskedStream:
    """A text stream in which secrets are masked, whoever writes to it."""

    def __init__(self, stream: Any, mask: Mask) -> None:
        self._stream = stream
        self._mask = mask

    def write(self, text: str) -> int:
        return int(self._stream.write(self._mask.text(text)))

    def masked(self, text: str) -> str:
        """The text as it is written: this stream may be around another one like it."""
        return as_written(self._stream, self._mask.text(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def as_written(stream: Any, text: str) -> str:
    """A text without what a stream would mask in it, for somebody who writes it elsewhere."""
    return stream.masked(text) if isinstance(stream, _MaskedStream) else text


def mask_output(secrets: Sequence[str]) -> None:
    """Mask these in everything that this process prints from now on, tracebacks included."""
    mask = Mask(secrets)
    if mask.forms:
        sys.stdout = _MaskedStream(sys.stdout, mask)
        sys.stderr = _MaskedStream(sys.stderr, mask)
        ctx = click.get_current_context(silent=True)
        if ctx is not None and _KEPT in ctx.meta:
            ctx.meta[_KEPT] = _MaskedStream(ctx.meta[_KEPT], mask)


def print_json(value: Any, *, indent: int | None = 1, default: Callable[[Any], Any] = str) -> None:
    """Print one JSON value on stdout; `default` makes one of a value that JSON does not have."""
    ctx = click.get_current_context(silent=True)
    file = None if ctx is None else ctx.meta.get(_KEPT)
    click.echo(json_text(value, indent=indent, default=default), file=file)


@contextlib.contextmanager
def only_json_on_stdout(ctx: click.Context) -> Iterator[None]:
    """Keep stdout for `print_json`; what a plan or a plugin prints goes to stderr.

    This includes what their C code and their child processes print, and what is printed after the
    command has ended: descriptor 1 of the process is stderr from now on.
    """
    stdout = sys.stdout
    stdout.flush()
    try:
        out, err = stdout.fileno(), sys.stderr.fileno()
    except OSError:  # no file: whoever called us in this process reads it
        ctx.meta[_KEPT], sys.stdout = stdout, sys.stderr
        try:
            yield
        finally:
            sys.stdout = stdout
        return
    kept = open(os.dup(out), "w", encoding="utf-8")  # noqa: SIM115  # an error to close it is old
    os.dup2(err, out)
    ctx.meta[_KEPT] = kept
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            kept.close()


def print_line(text: object = "", *, err: bool = False) -> None:
    """Print one line, however long it is."""
    click.echo(escaped(text), err=err)


def print_click_error(error: click.ClickException) -> None:
    """Print what click says of a wrong command line, with the words of that line, on stderr."""
    text = io.StringIO()
    error.show(text)
    for line in text.getvalue().expandtabs(4).splitlines():
        print_line(line, err=True)


def print_output(text: str) -> None:
    """Print a piece of a program's output."""
    click.echo(escaped_output(text), nl=False)


def print_text(text: str, lead: str = "", *, hang: int | None = None, err: bool = False) -> None:
    """Print a paragraph: one line, or on a terminal several, wrapped between words.

    `lead` is printed before it as it is, and may be coloured. Further lines are indented by `hang`
    columns, or by the width of `lead`.
    """
    text = escaped(text)
    width = terminal_width(err=err)
    if width:
        from textwrap import wrap  # only on a terminal

        before = " " * len(click.unstyle(lead))
        lines = wrap(
            _MOMENT.sub(_JOINED, text),
            width,
            initial_indent=before,
            subsequent_indent=before if hang is None else " " * hang,
            break_long_words=False,  # a path stays in one piece, to be copied
            break_on_hyphens=False,
        )
        text = "\n".join(lines).replace(_JOINED, " ")[len(before) :]
    click.echo(f"{lead}{text}".rstrip(), err=err)


def print_failure(error: str, last_lines: Mapping[str, str], logs: str, indent: str) -> None:
    """Print why a stage failed, the last line of each failed task, and the command for all of it.

    `error`: a line for each task, which begins with its name. `last_lines`: by task. `logs`: that
    command, in one piece to be copied.
    """
    rest = dict(last_lines)
    for line in error.splitlines():
        last = rest.pop(line.partition(": ")[0], "")
        print_text(f"{line}; last line: {last}" if last else line, indent)
    for task, last in rest.items():
        print_text(f"{task}: last line: {last}", indent)
    if last_lines:
        print_line(f"{indent}Full output: {logs}")


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
    default all are text; then a terminal wraps the last one, below the others where it is too
    narrow for a word of it. `bold`: indices of rows in bold.

    `drop`: heads of the columns to leave out, in this order, while the terminal is too narrow.
    `hint` says how to get them, and is printed on stderr with their names.
    """
    cells = [[escaped(cell) for cell in row] for row in [head, *rows]]
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
            _print_row([f"{part}{_GAP}" for part in parts[:-1]], row[shown[-1]])
        else:
            click.echo(click.style(_GAP.join(parts).rstrip(), bold=strong))
    dropped = [name for i, name in enumerate(head) if i not in shown]
    if dropped and hint:
        print_line(f"terminal too narrow for: {', '.join(dropped)} ({hint})", err=True)


def _print_row(parts: Sequence[str], text: str) -> None:
    """Print a row whose last cell is wrapped, or begins on a line of its own."""
    lead, width = "".join(parts), terminal_width()
    longest = max(map(len, text.split()), default=0)
    if width and len(lead) + longest > width and len(parts) > 1:
        click.echo(lead.rstrip())
        lead = " " * len(parts[0])
    print_text(text, lead)


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
    import shutil  # only on a terminal

    return shutil.get_terminal_size().columns


def coloured(status: str, width: int = 0) -> str:
    """A status in its colour, padded to `width`; `click.echo` drops it outside terminals."""
    return click.style(escaped(status).ljust(width), fg=COLOURS.get(status))


def last_line(*texts: str) -> str:
    """The last line of the first text that has one: of stderr, or else of stdout."""
    return next((text.strip().splitlines()[-1].strip() for text in texts if text.strip()), "")
