"""What a plugin's code may change in this process, put back after it has run."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import threading
from collections.abc import MutableMapping
from types import ModuleType
from typing import Any

_streams: dict[int, tuple[int, os.stat_result]] = {}  # copies of the descriptors 0, 1 and 2
_SYS = ("stdin", "stdout", "stderr", "modules", "path", "meta_path", "path_hooks")
_SEARCHED = ("path", "meta_path", "path_hooks")  # lists, to which a plugin may add


class Surroundings:
    """Everything as it is now, to be restored.

    Modules and places to import from that were added stay, since later code of a plugin needs them.
    """

    def __init__(self) -> None:
        if not _streams:
            for number in range(3):
                with contextlib.suppress(OSError):  # closed before we began
                    copy = os.dup(number)
                    _streams[number] = copy, os.fstat(copy)
        self._folder = _folder()
        self._environ = os.environ
        self._variables = os.environ.copy()
        self._sys = {name: getattr(sys, name) for name in _SYS}
        self._lists = {name: tuple(self._sys[name]) for name in _SEARCHED}
        self._modules: dict[str, ModuleType] = sys.modules.copy()
        self._builtins = vars(builtins).copy()
        self._recursion = sys.getrecursionlimit()
        self._switch = sys.getswitchinterval()
        self._trace, self._profile = threading.gettrace(), threading.getprofile()
        self._limits = _limits()
        self._umask = _umask()

    def restore(self) -> None:
        """Put back what is different. Does not raise."""
        _put_back(vars(builtins), self._builtins)
        for name, value in self._sys.items():
            setattr(sys, name, value)
        _put_back(sys.modules, self._modules)
        for name, entries in self._lists.items():
            found: list[Any] = self._sys[name]
            found += [entry for entry in entries if entry not in found]
        sys.setrecursionlimit(self._recursion)
        sys.setswitchinterval(self._switch)
        threading.settrace(self._trace)
        threading.setprofile(self._profile)
        os.environ = self._environ  # noqa: B003  # the object itself was replaced
        if os.environ.copy() != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)
        if self._limits and _limits() != self._limits:
            with contextlib.suppress(ImportError):  # it cannot be opened
                _set_limits(self._limits)
        if self._umask is not None and _umask() != self._umask:
            os.umask(self._umask)
        with contextlib.suppress(OSError):  # the folder was removed, or the copies were closed
            if self._folder and _folder() != self._folder:
                os.chdir(self._folder)
        with contextlib.suppress(OSError):
            for number, (copy, status) in _streams.items():
                if not _is(number, status):
                    _reopen(number, copy if _is(copy, status) else None)


def _put_back(found: MutableMapping[str, Any], before: dict[str, Any]) -> None:
    """Undo what was removed or replaced, without asking values whether they are equal."""
    for name, value in before.items():
        if name not in found or found[name] is not value:
            found[name] = value


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _is(descriptor: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), status)
    except OSError:  # it is closed
        return False


def _reopen(number: int, copy: int | None) -> None:
    """Make a standard stream what it was, or the null device if the copy was closed as well.

    Else the next file that is opened would have its number, and what is printed.
    """
    opened = os.open(os.devnull, os.O_RDWR) if copy is None else copy
    if opened != number:
        os.dup2(opened, number)
    if opened not in (number, copy):
        os.close(opened)


if sys.platform == "linux":

    def _limits() -> bytes:
        """The resource limits of this process, as the kernel writes them; empty if unknown."""
        try:
            with open("/proc/self/limits", "rb", buffering=0) as file:
                return file.read()
        except OSError:  # no descriptor is left
            return b""

    def _umask() -> int | None:
        """The umask of this process; None if it is unknown.

        From the kernel's text: a system call would have to change it for an instant.
        """
        try:
            with open("/proc/self/status", "rb", buffering=0) as file:
                return int(file.read(256).partition(b"\nUmask:")[2].split()[0], 8)
        except (OSError, IndexError, ValueError):
            return None

    def _set_limits(before: bytes) -> None:
        import resource  # only here: its import takes a part of a millisecond

        numbers = {
            b"Max cpu time": resource.RLIMIT_CPU,
            b"Max file size": resource.RLIMIT_FSIZE,
            b"Max data size": resource.RLIMIT_DATA,
            b"Max stack size": resource.RLIMIT_STACK,
            b"Max processes": resource.RLIMIT_NPROC,
            b"Max open files": resource.RLIMIT_NOFILE,
            b"Max locked memory": resource.RLIMIT_MEMLOCK,
            b"Max address space": resource.RLIMIT_AS,
        }
        for line in before.splitlines():
            name = line[:26].strip()
            if name in numbers:
                soft, hard = (
                    resource.RLIM_INFINITY if word == b"unlimited" else int(word)
                    for word in line[26:].split()[:2]
                )
                with contextlib.suppress(OSError, ValueError):  # only root may raise a hard limit
                    resource.setrlimit(numbers[name], (soft, hard))
else:

    def _limits() -> bytes:
        return b""

    def _umask() -> int | None:
        return None

    def _set_limits(before: bytes) -> None:
        pass
