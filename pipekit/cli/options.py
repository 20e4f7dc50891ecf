"""The options that several commands have: `--json`, `--set`."""

from __future__ import annotations

import click

from pipekit.cli import complete
from pipekit.cli.output import only_json_on_stdout


def _keep_stdout(ctx: click.Context, _option: click.Parameter, as_json: bool) -> bool:
    if as_json:
        ctx.with_resource(only_json_on_stdout(ctx))
    return as_json


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_keep_stdout, help="Print JSON on stdout."
)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=complete.assignments,
    help="Override a configuration value; repeatable.",
)
