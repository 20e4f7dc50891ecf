"""`pipekit exec-task`: what a node runs for one attempt at a task."""

from __future__ import annotations

from pathlib import Path

import click

from pipekit.cli.help import Command
from pipekit.cli.output import print_line
from pipekit.errors import EXIT_ERROR, EXIT_FAILURE, EXIT_SUCCESS


@click.command(
    "exec-task",
    cls=Command,
    arguments={"SPEC": "A JSON file that says what to run (docs/reference/remote.md)."},
    exits={
        EXIT_SUCCESS: "the command succeeded; `outcome.json` beside SPEC says so",
        EXIT_FAILURE: "it ended in another way, which `outcome.json` tells",
        EXIT_ERROR: "SPEC cannot be used or has begun before, or the outcome cannot be written",
    },
    example=("pipekit exec-task logs/attempt/spec.json", "as a batch system does on a node"),
)
@click.argument("spec", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--digest", default="", metavar="SHA256", help="Refuse SPEC unless its SHA-256 is this."
)
def command(spec: Path, digest: str) -> int:
    """Carry out one attempt at a task, as a node of a cluster does.

    The command in SPEC runs under the same supervision as on the machine of the run. SIGTERM and
    Ctrl-C stop it politely, the second time at once. Its output, its report and the files that it
    would publish stay in the folder of SPEC; how it ended is in `outcome.json` there. Executors
    call this; by hand it shows what a node would do.
    """
    from pipekit.process.cancel import Cancel  # the supervisor: --help does not need it
    from pipekit.process.remote.node import Answer, execute
    from pipekit.process.shell import stop_on_signals

    with Cancel() as cancel, stop_on_signals(cancel):
        reply = execute(spec.absolute(), digest=digest, cancel=cancel)
    if reply.answer is Answer.DUPLICATE:
        print_line(f"{spec}: {reply.reason}: nothing was started", err=True)
        return EXIT_ERROR
    if reply.process is None:
        print_line(f"{spec}: {reply.reason}", err=True)
        return EXIT_ERROR
    process = reply.process
    for text in (*process.warnings, *([] if process.success else [process.reason])):
        print_line(text, err=True)
    return EXIT_SUCCESS if process.success else EXIT_FAILURE
