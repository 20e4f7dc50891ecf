"""`pipekit events`: the journal of a run, as it is or as it grows; imports no plugin."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pipekit.cli.common import find_run, folders, open_history
from pipekit.cli.help import A_RUN, Command
from pipekit.cli.output import say
from pipekit.errors import UsageError

_ENDS = frozenset({"success", "partial", "failure", "cancelled", "idle"})
_POLL_SECONDS = 0.2


@click.command(
    "events",
    cls=Command,
    arguments={"RUN": f"{A_RUN}; by default the latest."},
    example=("pipekit events --follow", "what the running run does, as it does it"),
)
@click.argument("run", required=False)
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the run has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, as journaled.")
@click.pass_context
def command(ctx: click.Context, run: str | None, follow: bool, as_json: bool) -> int:
    """Print the events of a run."""
    paths = folders(ctx)
    state = find_run(open_history(paths), run)
    path = paths.events / f"pipeline_{state.run_id}.jsonl"
    if not path.exists():
        raise UsageError(f"the journal of run {state.run_id} is gone (see [retention])")
    for event in _events(path, follow=follow and state.status is None):
        if as_json:
            click.echo(json.dumps(event, ensure_ascii=False))
        else:
            say(_line(event), hang=4)
    return 0


def _events(path: Path, *, follow: bool) -> Iterator[dict[str, Any]]:
    rest = b""
    with open(path, "rb") as file:
        while True:
            chunk = file.read()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                yield event
                if event["stage"] == "pipeline" and event["event"] in _ENDS:
                    return
            if not follow:
                return
            time.sleep(_POLL_SECONDS)


def _line(event: dict[str, Any]) -> str:
    said = event["msg"] or " ".join(f"{key}={value}" for key, value in event["data"].items())
    return f"{event['timestamp']} {event['stage']:<12} {event['event']:<11} {said}"
