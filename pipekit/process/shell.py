"""Supervise any command from a shell: `pipekit exec`, and `python -m pipekit.process`.

The exit codes are those of timeout(1) and env(1).
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

from pipekit.model import quantity
from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.process.cancel import Cancel
from pipekit.process.console import on_console_close
from pipekit.process.records import result_record
from pipekit.process.start import find_program
from pipekit.process.supervisor import ProcessSupervisor
from pipekit.process.verdict import shell_signal

TIMED_OUT, FAILED, NOT_EXECUTABLE, NOT_FOUND, BY_SIGNAL = 124, 125, 126, 127, 128
_NOT_KEPT = "bytes are not in its file"  # of --spool-dir
_SIGPIPE = 13  # Windows has no name for it
_LARGEST_INT = 0x7FFFFFFF

EXITS = {
    0: "COMMAND exited with 0, or was done (--done-pattern); any other code is COMMAND's own",
    TIMED_OUT: "COMMAND timed out or hung, and was stopped",
    FAILED: "wrong usage, a write that failed (output, --json, --spool-dir), or a lost exit status",
    NOT_EXECUTABLE: "COMMAND was found but cannot be executed",
    NOT_FOUND: "COMMAND was not found",
    BY_SIGNAL: "+ N: COMMAND was killed by signal N, or stopped because we got signal N "
    "(130: Ctrl-C, 143: SIGTERM, 129: SIGHUP, 141: nobody reads the output)",
}
EXAMPLE = (
    "pipekit exec --hang-timeout 10m -- rsync -a /data /backup",
    "stop it after ten minutes of silence and idleness",
)
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code}  {when}" for code, when in EXITS.items())


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
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
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
    help="Folder to keep the output in: command.out and command.err, or command-2.out, ...",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write the result to this file; '-': to stdout, without the command's output.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print no messages of our own.")
def supervise(
    command: tuple[str, ...],
    cwd: Path | None,
    redact_env: tuple[str, ...],
    spool_dir: Path | None,
    json_file: str | None,
    quiet: bool,
    max_cpu: float | None,
    **options: Any,
) -> int:
    """Supervise a command and stop its whole process tree with it.

    Returns when all processes of COMMAND have ended. They are stopped when it times out, when it
    hangs, and when pipekit is interrupted or killed. Its output is passed on byte for byte; if
    that fails, COMMAND is stopped.
    """
    if json_file and not Path(json_file).absolute().parent.is_dir():
        raise click.BadParameter(f"the folder of {json_file!r} does not exist", param_hint="--json")
    secrets = [os.environ[name] for name in redact_env if os.environ.get(name)]
    passed_on = json_file != "-"
    wanted = Command(
        argv=command,
        cwd=cwd,
        env=os.environ,
        stdin=_stdin(),
        redact=secrets,
        max_cpu=None if max_cpu is None else max(round(max_cpu), 1),
        completed_ok=True,
        merge_stderr=passed_on and _same_file(1, 2),
        **options,
    )
    with Cancel() as cancel, stop_on_signals(cancel) as received:
        output = Output(cancel)
        supervisor = ProcessSupervisor(spool_dir)
        result = supervisor.execute(wanted, None, cancel, on_output=output if passed_on else None)
    if not quiet:
        _print_messages(result, output)
    problems = output.problems(result) + [text for text in result.warnings if _NOT_KEPT in text]
    if json_file and (problem := _write_result(json_file, result)):
        problems.append(problem)
    for problem in problems:
        print_message(problem)
    return _exit_code(wanted, result, received, output, problems)


def _stdin() -> int | None:
    """Our stdin, unless it is a terminal: reading it from another session stops a process."""
    try:
        return None if os.isatty(0) else 0
    except OSError:
        return None


def _same_file(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same file: `2>&1`. Then the order is to be kept."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


class Output:
    """Writes the command's output to our stdout and stderr; cancels it when that is impossible."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self._busy = False
        self._errors: dict[str, OSError] = {}

    def __call__(self, stream: str, data: bytes) -> None:
        """The callback `on_output`."""
        if stream in self._errors:
            return
        self._busy = True
        try:
            _write_all(stream, data)
        except OSError as error:
            self._errors[stream] = error
            self._cancel.set()
        self._busy = False

    @property
    def broken_pipe(self) -> bool:
        """Whether a reader has closed the pipe."""
        return any(isinstance(error, BrokenPipeError) for error in self._errors.values())

    @property
    def failed(self) -> bool:
        """Whether a write has failed, which has cancelled the command."""
        return bool(self._errors)

    def problems(self, result: ProcessResult) -> list[str]:
        """A sentence for each reason why not all of the output was passed on."""
        stopped = " and the command was stopped" if result.outcome is Outcome.CANCELLED else ""
        found = [
            f"{stream} cannot be written{stopped}: {error.strerror}"
            for stream, error in self._errors.items()
        ]
        if not found and (self._busy or result.undelivered):
            threadless = any(text.startswith("on_output had no thread") for text in result.warnings)
            why = "no thread could be started" if threadless else "its reader was too slow"
            found.append(f"not all of the output was passed on: {why}")
        return found


def _write_all(stream: str, data: bytes) -> None:
    """Write to our own `stdout` or `stderr`. Raises OSError."""
    if getattr(sys, f"__{stream}__") is None:  # closed by our caller, and now the null device
        raise OSError(errno.EBADF, "it is closed")
    descriptor = 1 if stream == "stdout" else 2
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody has made it non-blocking: wait for room
            select.select([], [descriptor], [])


@contextmanager
def stop_on_signals(cancel: Cancel) -> Iterator[list[int]]:
    """Stop politely on the first Ctrl-C, SIGTERM or SIGHUP, at once on the second.

    Yields the list of signals received.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        cancel.set(now=cancel.is_set())

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Ctrl-Break, on Windows
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    wanted = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, stop) for number in wanted}
    ignore_terminal_stop()
    try:
        with on_console_close(cancel.set):
            yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_terminal_stop() -> None:
    """From now on write to the terminal also from the background, where `stty tostop` forbids it.

    Otherwise SIGTTOU would stop this process, and with it all time-outs.
    """
    if hasattr(signal, "SIGTTOU"):
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def _exit_code(
    command: Command,
    result: ProcessResult,
    received: list[int],
    output: Output,
    problems: list[str],
) -> int:
    code = _code_of(command, result, received, output)
    return code or (FAILED if problems else 0)


def _code_of(command: Command, result: ProcessResult, received: list[int], output: Output) -> int:
    if result.outcome is Outcome.CANCELLED:
        if received:
            return BY_SIGNAL + received[0]
        return BY_SIGNAL + _SIGPIPE if output.broken_pipe else FAILED
    if result.outcome in (Outcome.TIMED_OUT, Outcome.HUNG):
        return TIMED_OUT
    if result.outcome is Outcome.SPAWN_FAILED:
        return _start_failure(command)
    if result.outcome is Outcome.COMPLETED and result.success:
        return 0
    if result.returncode is None:
        return FAILED
    if result.returncode > _LARGEST_INT:  # of Windows: the same 32 bits, as Python can exit with
        return result.returncode - (1 << 32)
    return result.returncode if result.returncode >= 0 else BY_SIGNAL - result.returncode


def _start_failure(command: Command) -> int:
    if command.cwd is not None and not command.cwd.is_dir():
        return FAILED
    return NOT_EXECUTABLE if find_program(command, command.env) else NOT_FOUND


def _write_result(file: str, result: ProcessResult) -> str:
    """Write the result as JSON; a sentence if that fails."""
    text = json.dumps(result_record(result), indent=2, default=str) + "\n"
    try:
        if file == "-":
            _write_all("stdout", text.encode("utf-8", "backslashreplace"))
        else:
            Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        target = "stdout" if file == "-" else file
        return f"the result cannot be written to {target}: {error.strerror}"
    return ""


def _print_messages(result: ProcessResult, output: Output) -> None:
    """On stderr: the reason, unless the command exited by itself, and the warnings."""
    by_itself = result.outcome is Outcome.EXITED and not result.signal
    if not output.failed and not (by_itself and not shell_signal(result.returncode)):
        print_message(result.reason)
    for text in [*result.warnings, *(f"process {seen}" for seen in result.snapshot)]:
        if not text.startswith("on_output ") and _NOT_KEPT not in text:  # these are problems
            print_message(text)


def print_message(text: str) -> None:
    """A message of ours on stderr, if that can be written."""
    with suppress(OSError):
        _write_all("stderr", f"pipekit: {text}\n".encode("utf-8", "backslashreplace"))
