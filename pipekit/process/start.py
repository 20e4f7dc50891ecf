"""What every back end needs to start a command: environment, stdin, and why a start failed."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from pipekit.model.command import Command, Outcome
from pipekit.model.system import limits_hint

TREE_VARIABLE = "PIPEKIT_TREE"  # names the trees that a process belongs to, outermost first


def belongs_to(trees: str, name: str) -> bool:
    """Whether a value of `TREE_VARIABLE` names this tree, or one below this cookie."""
    return any(tree == name or tree.startswith(f"{name}.") for tree in trees.split(":"))


_PASSED = {
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "USER", "LOGNAME", "SHELL"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONWARNINGS", "PYTHONHASHSEED"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "PYTHONUSERBASE"),
    *("PYTHONPLATLIBDIR", "PYTHONSAFEPATH", "PYTHONTZPATH"),
}
_PASSED_ON_WINDOWS = {
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME"),
    *("USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
    *("PROGRAMFILES", "PROGRAMFILES(X86)", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
}

_EXECUTABLE = ".COM;.EXE;.BAT;.CMD"  # of PATHEXT, where it is not set
_COMMAND_LINE_TOO_LONG = 206  # ERROR_FILENAME_EXCED_RANGE, of Windows
_MAX_STRING = 128 * 1024  # bytes of one argument or variable on Linux (MAX_ARG_STRLEN)


class SpawnError(Exception):
    """The command could not be started; the message is one clause for people.

    `outcome`: LOST if it is unknown whether it was started, CANCELLED if that happened during the
    start, after which it may have been started as well.
    """

    def __init__(self, reason: str, outcome: Outcome = Outcome.SPAWN_FAILED) -> None:
        super().__init__(reason)
        self.outcome = outcome


def child_environment(command: Command, tree: str) -> dict[str, str]:
    """The child's environment: an allow-list of our variables, then the command's own.

    `tree` names the new tree. Python children are told to write unbuffered, which would otherwise
    look like a hang, and in the encoding that is read here.
    """
    passed = _PASSED | _PASSED_ON_WINDOWS if sys.platform == "win32" else _PASSED
    outer = os.environ.get(TREE_VARIABLE)
    return {
        TREE_VARIABLE: f"{outer}:{tree}" if outer else tree,
        **{k: v for k, v in os.environ.items() if k in passed or k.startswith("LC_")},
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": command.encoding,
        **{_variable(k): v for k, v in command.env.items() if k != TREE_VARIABLE},
    }


def _variable(name: str) -> str:
    """The name of a variable as `os.environ` has it: Windows makes no difference of `Path`."""
    return name.upper() if sys.platform == "win32" else name


@contextmanager
def open_stdio(
    command: Command, env: Mapping[str, str]
) -> Iterator[tuple[list[int], dict[str, int]]]:
    """The command's descriptors 0, 1 and 2, and the ends of its output pipes that we read, by name.

    The former are closed at the end of the block, the latter if it fails: an OSError or ValueError
    then becomes a SpawnError.
    """
    outputs: dict[str, int] = {}
    try:
        with ExitStack() as given:
            stdio = [unnamed_file(command.stdin)]
            given.callback(os.close, stdio[0])
            for stream in ("stdout",) if command.merge_stderr else ("stdout", "stderr"):
                outputs[stream], writer = os.pipe()
                given.callback(os.close, writer)
                stdio.append(writer)
            yield [*stdio, stdio[1]][:3], outputs
    except BaseException as error:  # an interrupt must not leave a descriptor behind either
        for descriptor in outputs.values():
            os.close(descriptor)
        if isinstance(error, (OSError, ValueError)):
            raise SpawnError(spawn_failure(command, env, error)) from error
        raise


def unnamed_file(data: bytes | int | None) -> int:
    """A descriptor to read `data` from; None: an empty input; a number: a copy of that descriptor.

    The data is in a file without a name, so that no thread has to write it.
    """
    if data is None:
        return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    if isinstance(data, int):
        return os.dup(data)
    with _memory_file() as file:
        file.write(data)
        file.seek(0)
        return os.dup(file.fileno())


def _memory_file() -> IO[bytes]:
    if sys.platform == "linux":
        return open(os.memfd_create("stdin"), "w+b")
    import tempfile  # Linux does without

    return tempfile.TemporaryFile()


def spawn_failure(command: Command, env: Mapping[str, str], error: Exception) -> str:
    """One clause that says why the start failed and what to do about it."""
    if not isinstance(error, OSError):  # text that the file system encoding cannot express
        return f"its arguments or environment cannot be passed to a program: {error}"
    return (
        _too_large(command, env, error)
        or resource_shortage(error)
        or _working_folder(command.cwd)
        or _program(command, env, error)
        or f"it could not be started: {_words(error)}"
    )


def _too_large(command: Command, env: Mapping[str, str], error: OSError) -> str | None:
    if error.errno != errno.E2BIG and getattr(error, "winerror", 0) != _COMMAND_LINE_TOO_LONG:
        return None
    words = [len(os.fsencode(word)) + 1 for word in command.argv]
    variables = {k: len(os.fsencode(k)) + len(os.fsencode(v)) + 2 for k, v in env.items()}
    largest = max(variables, key=lambda name: variables[name])
    if sys.platform == "win32":
        limit = 32767  # characters of a command line
    else:
        limit = os.sysconf("SC_ARG_MAX")
    single = f", {_MAX_STRING} bytes each" if sys.platform == "linux" else ""
    return (
        f"its arguments ({len(words)} words, {sum(words)} bytes, the longest {max(words)}) and its "
        f"environment ({sum(variables.values())} bytes, most of it in {largest}) exceed the limit "
        f"of this system ({limit} bytes in all{single}); pass them in a file or on standard input"
    )


def resource_shortage(error: OSError) -> str | None:
    """What the system has run out of, in words, if this error says so."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        owner = "this process" if error.errno == errno.EMFILE else "the system"
        return f"{owner} is out of file descriptors; run fewer ({limits_hint('-n')})"
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return f"the system is out of processes or memory ({_words(error)}; {limits_hint('-u')})"
    return None


def _working_folder(cwd: Path | None) -> str | None:
    if cwd is None:
        return None
    if not os.path.exists(cwd):
        return f"its working folder does not exist: {cwd}"
    if not os.path.isdir(cwd):
        return f"its working folder is not a folder: {cwd}"
    if not os.access(cwd, os.X_OK):
        return f"its working folder may not be entered: {cwd}"
    return None


def _program(command: Command, env: Mapping[str, str], error: OSError) -> str | None:
    name = command.argv[0]
    path = find_program(command, env)
    if path is None and sys.platform == "win32" and not os.path.dirname(name):
        endings = env.get("PATHEXT", _EXECUTABLE)
        return f"there is no program {name!r} ({endings}) in PATH ({env.get('PATH', '')})"
    if path is None:
        where = "" if os.path.dirname(name) else f" in PATH ({env.get('PATH', os.defpath)})"
        return f"there is no program {name!r}{where}"
    if os.path.isdir(path):
        return f"{path} is a folder, not a program"
    if sys.platform == "win32":
        return f"{path} could not be started: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        if os.access(path, os.X_OK):
            return f"{path} cannot be executed: {_words(error)} (is it on a noexec mount?)"
        return f"{path} is not executable; run: chmod +x {path}"
    if error.errno == errno.ENOEXEC:
        return f"{path} is not a program for this system; is its first line '#!...' missing?"
    if error.errno == errno.ENOENT:
        return f"{path} exists, but {_missing_part(path)}"
    return None


def find_program(command: Command, env: Mapping[str, str]) -> str | None:
    """The file that would be executed; if none may be, the first of that name; or None."""
    name = command.argv[0]
    here = os.fspath(command.cwd) if command.cwd else os.curdir
    if os.path.dirname(name):
        folders = [here]
    else:
        folders = [os.path.join(here, folder) for folder in os.get_exec_path(env)]
        if sys.platform == "win32":
            folders.append(here)  # as its shells do
    names = _with_endings(name, env) if sys.platform == "win32" else [name]
    candidates = (os.path.join(folder, each) for folder in folders for each in names)
    paths = [path for path in candidates if os.path.exists(path)]
    return next((path for path in paths if os.access(path, os.X_OK)), next(iter(paths), None))


def _with_endings(name: str, env: Mapping[str, str]) -> list[str]:
    """The names that a program of this name may have on Windows, the likeliest first."""
    endings = [ending for ending in env.get("PATHEXT", _EXECUTABLE).split(";") if ending]
    if name.lower().endswith(tuple(ending.lower() for ending in endings)):
        return [name]
    return [*(name + ending.lower() for ending in endings), name]


def _missing_part(path: str) -> str:
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        first = b""
    if first.startswith(b"#!"):
        interpreter = first[2:].strip().decode(errors="replace")
        return f"the interpreter in its first line does not: {interpreter!r}"
    return "its loader or one of its libraries is missing (ldd shows which)"


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
