"""The command `pipekit results`; everything it prints besides the results goes to stderr.

Data libraries are imported when there is something to read, so that `--help` is fast.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from pipekit import PipekitError
from pipekit.commands import (
    PluginCommand,
    escaped,
    print_text,
    project_root,
    project_stages,
    stage_settings,
)
from pipekit_merger.results.question import Question
from pipekit_merger.settings import Settings

if TYPE_CHECKING:
    from pipekit_merger.results.select import Answer

PARTIAL = 1  # some months cannot be read: what is shown is incomplete
STDOUT = "-"

_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=str)


def _date(_ctx: click.Context, _option: click.Parameter, value: str | None) -> dt.date | None:
    try:
        return None if value is None else dt.date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a date; write it like 2024-01-31") from None


def _slots(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(value.zfill(5) for value in values)  # 7:30 is 07:30


def _file(_ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a file that cannot be written; only CSV may go to stdout."""
    if value == STDOUT and option.name != "csv":
        raise click.UsageError(f"--{option.name} needs the name of a file")
    folder = Path(value or STDOUT).parent
    if not folder.is_dir():
        raise PipekitError(f"cannot write {value}: there is no folder {folder}")
    return value


@click.command(
    "results",
    cls=PluginCommand,
    exits={PARTIAL: "some months cannot be read; they are named, the others are shown"},
    example=("pipekit results --stream ES1 --from 2024-01-01", "one stream, starting on a date"),
)
@click.option("--from", "first", metavar="DATE", callback=_date, help="Only this date and later.")
@click.option("--to", "last", metavar="DATE", callback=_date, help="Only this date and earlier.")
@click.option("--instrument", "instruments", multiple=True, help="Only this instrument, like ES.")
@click.option("--stream", "streams", multiple=True, help="Only this stream, like ES1.")
@click.option("--slot", "slots", multiple=True, callback=_slots, help="Only this slot, like 07:30.")
@click.option("--variant", "variants", multiple=True, help="Only this variant.")
@click.option("--stage", default="merger", help="The stage that merged them (default: merger).")
@click.option("--rows", is_flag=True, help="Show each row instead of sums.")
@click.option("--json", is_flag=True, help="Print JSON on stdout.")
@click.option(
    "--csv",
    type=_FILE,
    is_flag=False,
    flag_value=STDOUT,
    callback=_file,
    help="Write CSV to a file, or to stdout if no file is named.",
)
@click.option("--parquet", type=_FILE, callback=_file, help="Write a Parquet file.")
@click.option("--html", type=_FILE, callback=_file, help="Write a page with charts, for a browser.")
@click.pass_context
def command(ctx: click.Context, /, stage: str, **options: Any) -> int:
    """Show what the trades earned, by variant, stream and slot.

    Reads the merged results, also while a run is writing them. Each filter can be given several
    times. Dates are those of the exchange; both ends are included. Sums leave out open trades and
    slots without a trade, as the summary does; each stream has a line with its total.
    """
    if options["json"] and options["csv"] == STDOUT:
        raise click.UsageError("--json and --csv would both go to stdout: name a file for CSV")
    question = Question(**{name: options.pop(name) for name in attrs.fields_dict(Question)})
    if question.first and question.last and question.first > question.last:
        raise click.UsageError(f"--from {question.first} is after --to {question.last}")
    merged = stage_settings(ctx, stage, Settings).merged

    from pipekit_merger.results.select import ask  # loads numpy and pyarrow: --help does not

    answer = ask(project_root(ctx), merged, question)
    unknown = [name for name in question.streams if name not in answer.streams]
    if unknown and answer.streams:
        present = ", ".join(answer.streams)
        raise click.UsageError(f"unknown stream {', '.join(unknown)}; known are {present}")
    _write(answer, question, **options)
    if not answer.months:
        see = "`pipekit status` shows what the stages did"
        none_yet = f"no results yet: the {stage} has had nothing to merge; {see}"
        left_out = f"no results: the stage `{stage}` is not in this project's stages"
        print_text(none_yet if stage in project_stages(ctx) else left_out, err=True)
    else:
        _explain(answer, question)
    return PARTIAL if answer.unreadable else 0


def _write(
    answer: Answer,
    question: Question,
    *,
    rows: bool,
    json: bool,
    csv: str | None,
    parquet: str | None,
    html: str | None,
) -> None:
    """Write the results in the forms asked for; without any, a table on stdout."""
    from pipekit_merger.results import export  # loads numpy and pyarrow

    found = export.Rows(answer) if rows else export.Sums(answer)
    if csv == STDOUT:
        _print_csv(found.csv())
    elif csv:
        _write_file(csv, found.csv())
    if parquet:
        _write_file(parquet, found.parquet())
    if html:
        from pipekit_merger.results.page import Page  # loads plotly: only with --html

        _write_file(html, Page(answer, question).text().encode(), "; open it in a browser")
    if json:
        export.print_record(found.record())
    elif not (csv or parquet or html):
        found.print()


def _print_csv(data: bytes) -> None:
    if sys.stdout.isatty():
        data = "".join(f"{escaped(line)}\n" for line in data.decode().splitlines()).encode()
    click.echo(data, nl=False)


def _write_file(path: str, data: bytes, hint: str = "") -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise PipekitError(f"cannot write {path}: {error.strerror or error}") from error
    print_text(f"wrote {path}{hint}", err=True)


def _explain(answer: Answer, question: Question) -> None:
    """Report on stderr which values matched nothing, and which months are missing."""
    if not answer.table.num_rows and not answer.unreadable:
        asked = "; ".join(question.phrases())
        print_text(f"no rows for {asked}" if asked else "the months have no rows", err=True)
    for column, (missing, present) in answer.absent.items():
        hint = f"; known are {', '.join(present)}" if present else ""
        print_text(f"no row has the {column} {', '.join(missing)}{hint}", err=True)
    for month in answer.unreadable:
        print_text(f"pipekit: {month.path} cannot be read: {month.reason}", err=True)
    if answer.unreadable:
        print_text(
            "pipekit: the rows of these months are not shown: restore good copies, or "
            "rebuild the months with `pipekit run --rebuild`",
            err=True,
        )
