"""A command's limits where no guardian sets them: by a shell around the command."""

from __future__ import annotations

from pipekit.model.command import Command
from pipekit.process.start import SpawnError


def with_limits(command: Command) -> tuple[str, ...]:
    """The command's words, behind a shell that sets its limits if it has any.

    Raises SpawnError for `max_memory`, which macOS does not enforce.
    """
    if command.max_memory is not None:
        raise SpawnError("max_memory: this system does not enforce it; leave it unset here")
    settings = []
    if command.max_cpu is not None:  # SIGXCPU first: it names the cause
        settings += [f"ulimit -S -t {command.max_cpu}", f"ulimit -H -t {command.max_cpu + 1}"]
    if command.max_open_files is not None:
        settings.append(f"ulimit -n {command.max_open_files}")
    if not settings and not command.nice:
        return command.argv
    program = f'nice -n {command.nice} "$@"' if command.nice else '"$@"'
    return ("/bin/sh", "-c", " && ".join([*settings, f"exec {program}"]), "sh", *command.argv)
