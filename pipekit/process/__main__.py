"""`python -m pipekit.process -- COMMAND...`: the supervisor from a shell, for any command.

Knows neither stages nor projects. Its exit codes are those of timeout(1) and env(1).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import click

from pipekit.errors import DefinitionError
from pipekit.model import quantity as units
from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.process.cancel import Cancel
from pipekit.process.supervisor import ProcessSupervisor

TOO_LONG, OURS, CANNOT_RUN, NOT_FOUND, BY_SIGNAL = 124, 125, 126, 127, 128
_SIGPIPE = 13  # which Windows has no name for

_EPILOG = """\b
Exit codes:
  that of COMMAND, when it ended by itself; 0 when it was done (--done-pattern)
  124     it took too long or hung, and was stopped
  125     bad usage, or how it ended cannot be known
  126     COMMAND was found and cannot be run
  127     COMMAND was not found
  128+N   it was ended by signal N; 130, 143, 129: we were asked to stop

\b
Example: stop a backup that is silent and idle for ten minutes, and keep its output:
  python -m pipekit.process --hang-timeout 10m --spool-dir logs -- rsync -a /data /backup
"""


class _Quantity(click.ParamType[Any]):
    """A duration or a size, written as in pipekit.toml."""

    def __init__(self, name: str, read: Callable[[object], Any], example: str) -> None:
        self.name = name
        self._read = read
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        read = self._read(value)
        if read is None:
            self.fail(f"{value!r} is no {self.name}; write it like {self._example}", param, ctx)
        return read


DURATION = _Quantity("duration", units.seconds, "90s, 15m or 2h")
SIZE = _Quantity("size", units.byte_count, "500MB or 2GiB")


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option("--timeout", type=DURATION, help="Stop it when it takes longer.")
@click.option(
    "--hang-timeout",
    type=DURATION,
    help="Stop it when it is silent and idle for so long, with all it has started.",
)
@click.option(
    "--grace", type=DURATION, default="10s", show_default=True, help="From SIGTERM to SIGKILL."
)
@click.option(
    "--linger",
    type=DURATION,
    default="5s",
    show_default=True,
    help="What it leaves behind may go on for so long; so may it after --done-pattern.",
)
@click.option(
    "--done-pattern", metavar="REGEX", help="A line of output that says: the work is done."
)
@click.option("--cwd", type=click.Path(path_type=Path), help="The folder to start it in.")
@click.option("--max-memory", type=SIZE, help="Private memory of each of its processes.")
@click.option("--max-cpu", type=DURATION, help="CPU time of each of its processes.")
@click.option("--max-open-files", type=click.IntRange(1), help="For each of its processes.")
@click.option("--nice", type=click.IntRange(0, 19), default=0, help="So much lower a priority.")
@click.option(
    "--redact-env",
    multiple=True,
    metavar="NAME",
    help="Show *** wherever the value of this environment variable would stand.",
)
@click.option(
    "--spool-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the output there, byte for byte: command.out, command.err.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write the result there; '-': to stdout, and do not pass on the output.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of our own on stderr.")
def supervise(
    words: tuple[str, ...],
    cwd: Path | None,
    redact_env: tuple[str, ...],
    spool_dir: Path | None,
    json_file: str | None,
    quiet: bool,
    max_cpu: float | None,
    **options: Any,
) -> int:
    """Run COMMAND, and see to it that nothing of it is left when this returns.

    It is stopped with every process it has started: when it takes too long, when it hangs, when
    this is interrupted, and also when this is killed. Its output is passed on line by line.
    """
    if json_file and not Path(json_file).absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder for {json_file!r}", param_hint="--json")
    secrets = [os.environ[name] for name in redact_env if os.environ.get(name)]
    command = Command(
        argv=words,
        cwd=cwd,
        env=os.environ,
        stdin=_stdin(),
        redact=secrets,
        max_cpu=None if max_cpu is None else max(round(max_cpu), 1),
        completed_ok=True,
        **options,
    )
    with Cancel() as cancel, _signals(cancel) as received:
        output = None if json_file == "-" else _Output(cancel)
        supervisor = ProcessSupervisor(spool_dir)
        result = supervisor.execute(command, output, cancel)
    if json_file:
        _write(json_file, result)
    code = _exit_code(command, result, received, broken=output is not None and output.broken)
    if not quiet:
        _tell(result)
    return code


def _stdin() -> int | None:
    """Ours; but a terminal cannot be read from another session, and would only stop the command."""
    try:
        return None if os.isatty(0) else 0
    except OSError:
        return None


class _Output:
    """Passes lines on; when nobody reads them any more, the command is stopped."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self.broken = False

    def __call__(self, stream: str, lines: list[str]) -> None:
        file: IO[str] = sys.stdout if stream == "stdout" else sys.stderr
        if self.broken:
            return
        try:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
        except BrokenPipeError:
            self.broken = True
            self._cancel.set()


@contextmanager
def _signals(cancel: Cancel) -> Iterator[list[int]]:
    """The first Ctrl-C, SIGTERM or SIGHUP stops politely, the second at once; which came first."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        cancel.set(now=cancel.is_set())

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [signal.Signals[name] for name in names]
    wanted = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(
    command: Command, result: ProcessResult, received: list[int], *, broken: bool
) -> int:
    if result.outcome is Outcome.CANCELLED:
        return BY_SIGNAL + (_SIGPIPE if broken else received[0])
    if result.outcome in (Outcome.TIMED_OUT, Outcome.HUNG):
        return TOO_LONG
    if result.outcome is Outcome.SPAWN_FAILED:
        return _unstarted(command)
    if result.outcome is Outcome.COMPLETED and result.success:
        return 0
    if result.returncode is None:
        return OURS
    return result.returncode if result.returncode >= 0 else BY_SIGNAL - result.returncode


def _unstarted(command: Command) -> int:
    if command.cwd is not None and not command.cwd.is_dir():
        return OURS
    folder = command.cwd or Path()
    name = command.argv[0]
    there = os.path.lexists(folder / name) if os.path.dirname(name) else None
    if there is None:
        there = shutil.which(name, mode=os.F_OK) is not None
    return CANNOT_RUN if there else NOT_FOUND


def _write(file: str, result: ProcessResult) -> None:
    import json

    import attrs

    record = attrs.asdict(result, value_serializer=_plain)
    text = json.dumps(record, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text, encoding="utf-8")


def _tell(result: ProcessResult) -> None:
    """On stderr: what happened, but for an exit of its own."""
    if result.outcome is not Outcome.EXITED or result.signal:
        _say(result.reason)
    for text in [*result.warnings, *(f"then: {seen}" for seen in result.snapshot)]:
        _say(text)


def _plain(_instance: object, _attribute: object, value: object) -> object:
    return os.fspath(value) if isinstance(value, Path) else value


def _say(text: str) -> None:
    sys.stderr.write(f"pipekit: {text}\n")


def _open_what_is_closed() -> None:
    """Give each standard stream that our caller has closed a place: nowhere.

    Its number would be that of the next file or pipe we open, and the command's input or output.
    """
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def main() -> int:
    """The exit code. Usage errors are 125: 2 could be the command's own."""
    _open_what_is_closed()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper
    try:
        code: int = supervise.main(prog_name="python -m pipekit.process", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return OURS
    except (DefinitionError, OSError) as error:
        _say(str(error))
        return OURS
    return code


if __name__ == "__main__":
    sys.exit(main())
