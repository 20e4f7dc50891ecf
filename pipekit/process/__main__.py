"""`python -m pipekit.process -- COMMAND...`: `pipekit exec` without the rest of pipekit."""

from __future__ import annotations

import os
import sys

import click

from pipekit.errors import DefinitionError
from pipekit.process.shell import BY_SIGNAL, FAILED, print_message, supervise

_SIGINT = 2


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
    try:
        code: int = supervise.main(prog_name="python -m pipekit.process", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return FAILED
    except click.Abort:
        return BY_SIGNAL + _SIGINT
    except (DefinitionError, OSError, ImportError, MemoryError) as error:
        print_message(str(error) or "out of memory")
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
