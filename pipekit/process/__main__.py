"""`python -m pipekit.process -- COMMAND...`: supervise any command from a shell.

Its exit codes are those of timeout(1) and env(1).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import click

from pipekit.errors import DefinitionError
from pipekit.model import quantity
from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.process.cancel import Cancel
from pipekit.process.start import find_program
from pipekit.process.supervisor import ProcessSupervisor

TIMED_OUT, FAILED, NOT_EXECUTABLE, NOT_FOUND, BY_SIGNAL = 124, 125, 126, 127, 128
_SIGPIPE = 13  # Windows has no name for it

_EPILOG = """\b
Exit codes:
  that of COMMAND, if it exited by itself; 0 if it was done (--done-pattern)
  124     COMMAND timed out or hung, and was stopped
  125     wrong usage, or the exit status was lost
  126     COMMAND was found but cannot be executed
  127     COMMAND was not found
  128+N   COMMAND was killed by signal N, or stopped because we got signal N
          (130: Ctrl-C, 143: SIGTERM, 129: SIGHUP, 141: nobody reads the output)

\b
Example: stop a backup after ten minutes of silence and idleness; keep its output:
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
            self.fail(f"invalid {self.name} {value!r}: write it like {self._example}", param, ctx)
        return read


DURATION = _Quantity("duration", quantity.seconds, "90s, 15m or 2h")
SIZE = _Quantity("size", quantity.byte_count, "500MB or 2GiB")


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option(
    "--timeout", type=DURATION, help="Stop the command after this time (default: unlimited)."
)
@click.option(
    "--hang-timeout",
    type=DURATION,
    help="Stop the command when its whole process tree has been silent and idle for this time.",
)
@click.option(
    "--grace", type=DURATION, default="10s", show_default=True, help="From SIGTERM to SIGKILL."
)
@click.option(
    "--linger",
    type=DURATION,
    default="5s",
    show_default=True,
    help="Time for leftover processes to end; also for the command itself after --done-pattern.",
)
@click.option(
    "--done-pattern", metavar="REGEX", help="The work is done when a line of output matches."
)
@click.option("--cwd", type=click.Path(path_type=Path), help="Working folder of the command.")
@click.option("--max-memory", type=SIZE, help="Limit of private memory, per process.")
@click.option("--max-cpu", type=DURATION, help="Limit of CPU time, per process.")
@click.option("--max-open-files", type=click.IntRange(1), help="Limit of open files, per process.")
@click.option("--nice", type=click.IntRange(0, 19), default=0, help="Niceness, 0 to 19.")
@click.option(
    "--redact-env",
    multiple=True,
    metavar="NAME",
    help="Replace the value of this environment variable by *** in all output.",
)
@click.option(
    "--spool-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep the output in, byte for byte: command.out, command.err.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write the result to this file; '-': to stdout, without the command's output.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print no messages of our own.")
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
    """Run COMMAND, and return when all of its processes have ended.

    COMMAND is stopped with every process that it has started when it times out, when it hangs, and
    when this program is interrupted or killed. Its output is passed on line by line.
    """
    if json_file and not Path(json_file).absolute().parent.is_dir():
        raise click.BadParameter(f"the folder of {json_file!r} does not exist", param_hint="--json")
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
        _print_messages(result)
    return code


def _stdin() -> int | None:
    """Our stdin, unless it is a terminal: reading it from another session stops a process."""
    try:
        return None if os.isatty(0) else 0
    except OSError:
        return None


class _Output:
    """Passes lines on; cancels the command when the reader has closed the pipe."""

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
    """Stop politely on the first Ctrl-C, SIGTERM or SIGHUP, at once on the second.

    Yields the list of signals received.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        cancel.set(now=cancel.is_set())

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    wanted = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]  # nohup
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
        return TIMED_OUT
    if result.outcome is Outcome.SPAWN_FAILED:
        return _start_failure(command)
    if result.outcome is Outcome.COMPLETED and result.success:
        return 0
    if result.returncode is None:
        return FAILED
    return result.returncode if result.returncode >= 0 else BY_SIGNAL - result.returncode


def _start_failure(command: Command) -> int:
    if command.cwd is not None and not command.cwd.is_dir():
        return FAILED
    return NOT_EXECUTABLE if find_program(command, command.env) else NOT_FOUND


def _write(file: str, result: ProcessResult) -> None:
    import json

    record = result._asdict() | {
        "stdout": result.stdout._asdict(),
        "stderr": result.stderr._asdict(),
        "signals": [sent._asdict() for sent in result.signals],
        "snapshot": [seen._asdict() for seen in result.snapshot],
    }
    text = json.dumps(record, indent=2, default=str) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text, encoding="utf-8")


def _print_messages(result: ProcessResult) -> None:
    """On stderr: the reason, unless the command exited by itself, and the warnings."""
    if result.outcome is not Outcome.EXITED or result.signal:
        _print_message(result.reason)
    for text in [*result.warnings, *(f"process {seen}" for seen in result.snapshot)]:
        _print_message(text)


def _print_message(text: str) -> None:
    sys.stderr.write(f"pipekit: {text}\n")


def _reopen_closed_streams() -> None:
    """Connect each standard stream that our caller has closed to the null device.

    Otherwise the next file that we open would get its number, and become the command's stream.
    """
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def main() -> int:
    """The exit code. A usage error is 125, because 2 could be the command's own."""
    _reopen_closed_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper
    try:
        code: int = supervise.main(prog_name="python -m pipekit.process", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return FAILED
    except (DefinitionError, OSError) as error:
        _print_message(str(error))
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
