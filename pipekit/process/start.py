"""What a child is started with, and in plain words why it could not be; starts nothing itself."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pipekit.model.command import Command, Outcome

TREE_VARIABLE = "PIPEKIT_TREE"
"""Names the trees a process belongs to, the outermost first: so those that left are found."""


def carries(trees: str, name: str) -> bool:
    """Whether the value of `TREE_VARIABLE` names this tree, or one below this cookie."""
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

_ONE_STRING = 128 * 1024  # bytes: Linux takes no longer argument or variable (MAX_ARG_STRLEN)


class SpawnError(Exception):
    """The command could not be started; the text is one clause for people."""

    outcome = Outcome.SPAWN_FAILED


class LostError(SpawnError):
    """Nobody can tell whether the command was started."""

    outcome = Outcome.LOST


class CalledOffError(SpawnError):
    """The command was cancelled while it was being started; perhaps it was."""

    outcome = Outcome.CANCELLED


def child_environment(command: Command, tree: str) -> dict[str, str]:
    """What the child sees: an allow-list of our variables, then the command's own.

    `tree` is a name for the new tree. Python children are told to write at once, in the encoding
    that is read here: buffered output would look like a hang.
    """
    passed = _PASSED | _PASSED_ON_WINDOWS if sys.platform == "win32" else _PASSED
    outer = os.environ.get(TREE_VARIABLE)
    return {
        TREE_VARIABLE: f"{outer}:{tree}" if outer else tree,
        **{k: v for k, v in os.environ.items() if k in passed or k.startswith("LC_")},
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": command.encoding,
        **{k: v for k, v in command.env.items() if k != TREE_VARIABLE},
    }


def why_not_started(command: Command, env: Mapping[str, str], error: Exception) -> str:
    """One clause that says what is wrong and what to do, for an error met while starting."""
    if not isinstance(error, OSError):  # text that this system's file encoding lacks
        return f"its arguments or environment cannot be handed to a program: {error}"
    return (
        _too_large(command, env, error)
        or out_of(error)
        or _folder(command.cwd)
        or _program(command, env, error)
        or f"it could not be started: {_words(error)}"
    )


def must_be_there(command: Command, env: Mapping[str, str]) -> None:
    """Raise OSError for a program that cannot be started, where a shell would be started first."""
    path = _find(command, env)
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command.argv[0])
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _too_large(command: Command, env: Mapping[str, str], error: OSError) -> str | None:
    if error.errno != errno.E2BIG:
        return None
    words = [len(os.fsencode(word)) + 1 for word in command.argv]
    variables = {k: len(os.fsencode(k)) + len(os.fsencode(v)) + 2 for k, v in env.items()}
    limit = _argument_limit()
    heaviest = max(variables, key=lambda name: variables[name])
    sentence = (
        f"its arguments ({len(words)} words, {sum(words)} bytes, the longest {max(words)}) and its "
        f"environment ({sum(variables.values())} bytes, most in {heaviest}) are more than this "
        f"system can hand over ({limit} bytes in all"
    )
    single = f", {_ONE_STRING} in one" if sys.platform == "linux" else ""
    return f"{sentence}{single}); give them in a file or on standard input"


def _argument_limit() -> int:
    if sys.platform == "win32":
        return 32767  # characters of a command line
    return os.sysconf("SC_ARG_MAX")


def out_of(error: OSError) -> str | None:
    """What the system has run out of, in words, if this error says so."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        whose = "this process" if error.errno == errno.EMFILE else "the system"
        return f"{whose} is out of file descriptors; raise the limit (ulimit -n) or run fewer"
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return f"the system is out of processes or memory ({_words(error)}; see ulimit -u)"
    return None


def _folder(cwd: Path | None) -> str | None:
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
    path = _find(command, env)
    if path is None:
        where = "" if os.path.dirname(name) else f" in PATH ({env.get('PATH', os.defpath)})"
        return f"there is no program {name!r}{where}"
    if os.path.isdir(path):
        return f"{path} is a folder, not a program"
    if error.errno in (errno.EACCES, errno.EPERM):
        if os.access(path, os.X_OK):
            return f"{path} may not be executed here: {_words(error)} (a mount with noexec?)"
        return f"{path} is not executable; allow it: chmod +x {path}"
    if error.errno == errno.ENOEXEC:
        return f"{path} is not a program this system can run; has it a first line '#!...'?"
    if error.errno == errno.ENOENT:
        return f"{path} exists, but what it needs to run does not: {_interpreter(path)}"
    return None


def _find(command: Command, env: Mapping[str, str]) -> str | None:
    """The file that the system meant to run: what exists, best of all what may be executed."""
    name = command.argv[0]
    here = os.fspath(command.cwd) if command.cwd else os.curdir
    if os.path.dirname(name):
        folders = [here]
    else:
        folders = [os.path.join(here, folder) for folder in os.get_exec_path(env)]
    paths = [path for folder in folders if os.path.exists(path := os.path.join(folder, name))]
    return next((path for path in paths if os.access(path, os.X_OK)), next(iter(paths), None))


def _interpreter(path: str) -> str:
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        first = b""
    if first.startswith(b"#!"):
        return f"its first line asks for {first[2:].strip().decode(errors='replace')!r}"
    return "its loader or a library is missing (ldd shows which)"


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
