"""How a command ends: every error becomes a sentence on stderr and an exit code; knows no command.

Imports no click, since a run that nobody watches does without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipekit.cli.output import say
from pipekit.errors import EXIT_ERROR, EXIT_INTERRUPTED, PipekitError


def ended(action: Callable[[], int]) -> int:
    """The exit code of `action`; what it raises is told on stderr."""
    _never_fail_to_print()
    try:
        return action()
    except PipekitError as error:
        for line in str(error).splitlines():
            say(f"pipekit: {line}", hang=2, err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away
        _silence()
        return 0
    except OSError as error:
        say(f"pipekit: {error}", err=True)
        return EXIT_ERROR
    except SystemExit:  # a command of a plugin's may know its own exit code
        raise
    except BaseException:  # the last boundary: exit code 1 would say "partial"
        import traceback

        traceback.print_exc()
        say("pipekit: this is an error in pipekit itself; nothing was hidden", err=True)
        return EXIT_ERROR


@contextmanager
def told() -> Iterator[None]:
    """For what tells how a run ended: where nobody can be told, its exit code still stands."""
    try:
        yield
    except OSError:  # a pipe that nobody reads, a full disk
        _silence()


def _silence() -> None:
    """Let all further output go nowhere: what cannot be written would be tried again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _never_fail_to_print() -> None:
    """A console that cannot show a character shows a replacement instead of a traceback."""
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # closed: the next file we open would take its number
            _open_nowhere(name, descriptor)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _open_nowhere(name: str, descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # which is given the lowest number that is free
    mode = "r" if name == "stdin" else "w"
    setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # for good
