"""How a command ends: every error becomes a sentence on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from pipekit.cli.output import print_line, print_text
from pipekit.errors import (
    EXIT_ERROR,
    EXIT_HANGUP,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    PipekitError,
)
from pipekit.model.system import limits_hint

OF_PLUGIN = "in a command of "  # how the note of an error in one begins


class BrokenOff(BaseException):  # no error; and click must not take it for one
    """A signal ends a command at once: a sentence, and the exit code."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def exit_code_of(action: Callable[[], int]) -> int:
    """Call `action` and return its exit code; say what it raises on stderr, if that is possible."""
    _prepare_streams()
    try:
        with _signals_break_off():
            return action()
    except (PipekitError, BrokenOff) as error:
        _say(*str(error).splitlines())
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output is gone
        _discard_output()
        return 0
    except OSError as error:
        _say(_explained(error))
        return EXIT_ERROR
    except MemoryError:
        _say(f"out of memory ({limits_hint('-v')})")
        return EXIT_ERROR
    except ImportError as error:  # an incomplete installation, or no descriptor is left
        _say(f"a part of it could not be loaded: {error}")
        return EXIT_ERROR
    except SystemExit:  # a plugin's command may choose its own exit code
        raise
    except BaseException as error:  # the last boundary: Python's exit code 1 would say "partial"
        with suppress(BaseException):  # it cannot be imported, or not be printed
            import traceback  # only on failure

            for line in traceback.format_exc().splitlines():
                print_line(line, err=True)
        notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(OF_PLUGIN)]
        whose = notes[0].removeprefix(OF_PLUGIN) if notes else "pipekit"
        _say(f"internal error in {whose} (full traceback above)")
        return EXIT_ERROR


@contextmanager
def _signals_break_off() -> Iterator[None]:
    """End the command on SIGTERM or SIGHUP as on Ctrl-C, with what its plugins have started.

    Those that were ignored (nohup) stay so; a command may do otherwise while it runs.
    """
    codes = {"SIGTERM": EXIT_TERMINATED, "SIGHUP": EXIT_HANGUP}

    def stop(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        raise BrokenOff(f"stopped by {name}", codes[name])

    numbers = [getattr(signal, name) for name in codes if hasattr(signal, name)]
    before = {n: signal.signal(n, stop) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(*lines: str) -> None:
    """Print these on stderr; where that fails, the exit code says it alone."""
    with suppress(BaseException):
        for line in lines:
            print_text(f"pipekit: {line}", hang=2, err=True)


@contextmanager
def output_may_fail() -> Iterator[None]:
    """Keep the exit code of a run whose outcome cannot be printed: a closed pipe, a full disk."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        if not isinstance(error, BrokenPipeError):
            _say(f"the result cannot be printed: {error.strerror}; `pipekit show` has it")
    except ValueError:
        if not sys.stdout.closed:
            raise
        _say("the result cannot be printed: a plugin closed stdout; `pipekit show` has it")


def _explained(error: OSError) -> str:
    """The error in words, with the folder that is missing."""
    if not isinstance(error.filename, str):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        return f"{'the output cannot be written: ' * full}{error.strerror or error}"
    folder = Path(error.filename).parent
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"cannot open {error.filename}: there is no folder {folder}"
    return f"cannot open {error.filename}: {error.strerror}"


def _discard_output() -> None:
    """Discard further output; otherwise Python would try to write it again at the exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(devnull, stream.fileno())
    os.close(devnull)


def _prepare_streams() -> None:
    """Open closed standard streams on the null device; replace characters that cannot be shown."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # else the next file we open would take its number
            _open_devnull(name, descriptor)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _open_devnull(name: str, descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # which gets the lowest free number: this one
    mode = "r" if name == "stdin" else "w"
    setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # open until the exit
