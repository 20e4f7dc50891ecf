"""The command `pipekit results`: what is asked for, and where it goes; heavy libraries come late.

Results go to stdout or to the files named, talk to stderr.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click

from pipekit.commands import PluginCommand, project_root, stage_settings
from pipekit_merger.plugin import Settings
from pipekit_merger.results.select import Answer, Question, ask

PARTIAL = 1  # some months cannot be read: what is shown is not all
STDOUT = "-"

_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=str)


def _date(_ctx: click.Context, _option: click.Parameter, value: str | None) -> dt.date | None:
    try:
        return None if value is None else dt.date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date: write it like 2024-01-31") from None


def _slots(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(value.zfill(5) for value in values)  # 7:30 is 07:30


_FILTERS = (
    click.option("--from", "first", metavar="DATE", callback=_date, help="The first day."),
    click.option("--to", "last", metavar="DATE", callback=_date, help="The last day."),
    click.option("--instrument", "instruments", multiple=True, help="Only this one, as ES."),
    click.option("--stream", "streams", multiple=True, help="Only this one, as ES1."),
    click.option(
        "--slot", "slots", multiple=True, callback=_slots, help="Only this one, as 07:30."
    ),
    click.option("--variant", "variants", multiple=True, help="Only this one."),
)


def _filters(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say which rows."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@attrs.frozen
class Wanted:
    """The forms in which the answer is given; without any, a table on stdout."""

    rows: bool
    json: bool
    csv: str | None
    parquet: str | None
    html: str | None

    def check(self) -> None:
        """Raise UsageError where two of them would be mixed on stdout."""
        for name in ("parquet", "html"):
            if getattr(self, name) == STDOUT:
                raise click.UsageError(f"--{name} needs the name of a file")
        if self.json and self.csv == STDOUT:
            raise click.UsageError("--json and --csv would both go to stdout: name a file for CSV")


@click.command(
    "results",
    cls=PluginCommand,
    exits={PARTIAL: "some months cannot be read; they are named, the others shown"},
    example=("pipekit results --stream ES1 --from 2024-01-01", "one stream since a day"),
)
@_filters
@click.option(
    "--rows", is_flag=True, help="Every row, not sums: trades, open ones, days without a trade."
)
@click.option("--json", is_flag=True, help="Print JSON on stdout.")
@click.option(
    "--csv", type=_FILE, is_flag=False, flag_value=STDOUT, help="CSV; on stdout without a file."
)
@click.option("--parquet", type=_FILE, help="Write a Parquet file.")
@click.option("--html", type=_FILE, help="Write a page with pictures, to look at in a browser.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Show what the trades came to, by variant, stream and slot.

    Reads the merged results, also while a run is writing them. Every filter may be given several
    times; days are those of the exchange, both ends included. Sums leave out open trades and days
    without a trade, as in the summary; each stream has a line with the total of its slots.
    """
    wanted = Wanted(**{field.name: options.pop(field.name) for field in attrs.fields(Wanted)})
    wanted.check()
    question = Question(**options)
    if question.first and question.last and question.first > question.last:
        raise click.UsageError(f"--from {question.first} is after --to {question.last}")
    merged = stage_settings(ctx, "merger", Settings).merged
    answer = ask(project_root(ctx), merged, question)
    unknown = [name for name in question.streams if name not in answer.streams]
    if unknown and answer.streams:
        there = ", ".join(answer.streams)
        raise click.UsageError(f"there is no stream {', '.join(unknown)}; there are: {there}")
    _give(answer, question, wanted)
    _talk(answer, question)
    return PARTIAL if answer.unreadable else 0


def _give(answer: Answer, question: Question, wanted: Wanted) -> None:
    from pipekit_merger.results import export

    given = export.rows(answer) if wanted.rows else export.sums(answer)
    files = {wanted.csv: given.csv, wanted.parquet: given.parquet}
    for name, make in files.items():
        if name == STDOUT:
            click.echo(make(), nl=False)
        elif name:
            Path(name).write_bytes(make())
            click.echo(f"wrote {name}", err=True)
    if wanted.html:
        from pipekit_merger.results.page import Page

        Path(wanted.html).write_text(Page(answer, question).text(), encoding="utf-8")
        click.echo(f"wrote {wanted.html}: open it in a browser", err=True)
    if wanted.json:
        click.echo(given.json())
    elif not (wanted.csv or wanted.parquet or wanted.html):
        given.print()


def _talk(answer: Answer, question: Question) -> None:
    """What the numbers are about, and what is not in them."""
    if not answer.months:
        click.echo("no results yet: `pipekit run` makes them", err=True)
    elif not answer.table.num_rows and not answer.unreadable:
        asked = "; ".join(question.words())
        click.echo(f"nothing for {asked}" if asked else "the months hold no rows", err=True)
    for column, (missing, there) in answer.absent.items():
        known = f"; there are: {', '.join(there)}" if there else ""
        click.echo(f"no row has the {column} {', '.join(missing)}{known}", err=True)
    for month in answer.unreadable:
        click.echo(f"pipekit: {month.path} cannot be read: {month.reason}", err=True)
    if answer.unreadable:
        click.echo(
            "pipekit: the rows of these months are not shown: put back good copies, or make them "
            "anew with `pipekit run --rebuild`",
            err=True,
        )
