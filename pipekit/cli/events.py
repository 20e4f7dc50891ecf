"""`pipekit events`: print the journal of a run, or follow it as it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pipekit.cli.common import find_run, folders
from pipekit.cli.help import RUN_MEANING, Command
from pipekit.cli.output import print_text
from pipekit.errors import UsageError
from pipekit.model.event import RUN_ENDS

_POLL_SECONDS = 0.2


@click.command(
    "events",
    cls=Command,
    arguments={"RUN": f"{RUN_MEANING} (default: the latest)."},
    example=("pipekit events --follow", "what the current run is doing"),
)
@click.argument("run", required=False)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def command(ctx: click.Context, run: str | None, follow: bool, as_json: bool) -> int:
    """Print the events of a run."""
    paths = folders(ctx)
    state = find_run(paths, run)
    path = paths.events / f"pipeline_{state.run_id}.jsonl"
    if not path.exists():
        raise UsageError(
            f"the journal of run {state.number} is gone: it was older than [retention] allows"
        )
    for event in _events(path, follow=follow and state.status is None):
        if as_json:
            click.echo(json.dumps(event, ensure_ascii=False))
        else:
            print_text(_line(event), hang=4)
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
                if event["stage"] == "pipeline" and event["event"] in RUN_ENDS:
                    return
            if not follow:
                return
            time.sleep(_POLL_SECONDS)


def _line(event: dict[str, Any]) -> str:
    text = event["msg"] or " ".join(f"{key}={value}" for key, value in event["data"].items())
    return f"{event['timestamp']} {event['stage']:<12} {event['event']:<11} {text}"
