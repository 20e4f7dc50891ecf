"""The program and the command line of a command on Windows. Importable and tested on any system."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from pipekit.model.command import Command
from pipekit.process.start import SpawnError, find_program

_BATCH = (".bat", ".cmd")
_TAKEN_BY_CMD = '"%!\r\n\0'  # cannot be handed to a batch file, whatever they are quoted with


class Words(NamedTuple):
    """The program's file, and the line that it splits into words itself."""

    program: str | None
    line: str


def words_of(command: Command, env: Mapping[str, str]) -> Words:
    """Look the program up as on other systems: from the command's folder, in its own PATH.

    Windows itself would look from our folder, in our PATH, for .exe alone. Raises SpawnError for
    words that a batch file would not get as they are.
    """
    program = find_program(command, env)
    if program is None:
        return Words(None, subprocess.list2cmdline(command.argv))  # it will say what is wrong
    if not program.lower().endswith(_BATCH):
        return Words(program, subprocess.list2cmdline([program, *command.argv[1:]]))
    for word in command.argv[1:]:
        if found := [letter for letter in _TAKEN_BY_CMD if letter in word]:
            raise SpawnError(
                f"the word {word!r} cannot be passed to a batch file: cmd.exe would change its "
                f"{found[0]!r}; pass it in a file or a variable"
            )
    line = " ".join(f'"{word}"' for word in (program, *command.argv[1:]))
    shell = env.get("COMSPEC", "cmd.exe")
    return Words(shell, f'"{shell}" /d /v:off /s /c "{line}"')
