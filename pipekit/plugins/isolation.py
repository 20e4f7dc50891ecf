"""Calls a plugin's code in a thread, for a limited time, so that it fails its own part alone.

What remains, and why this is no process, is in docs/decisions/0018-plugins-in-threads.md.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Generic, NoReturn, TypeVar

from pipekit.errors import PipekitError
from pipekit.model.quantity import duration_text
from pipekit.worker._exit import end

T = TypeVar("T")

CALL_TIMEOUT = 60.0  # seconds, where no setting says otherwise
_POLL = 0.05  # seconds between two looks whether the run was cancelled
_SPARE = 5.0  # seconds after the timeout, then the system ends a process that cannot act itself
_PATIENCE = 2.0  # seconds for what plugins leave to the end of the process
_LONGEST_TEXT = 2_000  # characters of an exception's message
_NOT_OF_PLUGINS = ("<frozen", os.path.dirname(__file__), pkgutil.__file__, importlib.__file__)
_exit = os._exit
_process = os.getpid()
_streams: dict[int, int] = {}  # copies of the descriptors 0, 1 and 2


class PluginFault(Exception):  # noqa: N818  # it is the plugin's, and not an error of ours
    """A plugin's code raised an exception, or took too long.

    Its text is `ValueError: no such file`, or the sentence of one of pipekit's own errors
    (`explained`). `where`: the line of the plugin, as `module.py:12`, or empty. `traceback`: its
    last lines.
    """

    def __init__(
        self,
        text: str,
        *,
        timed_out: bool = False,
        explained: bool = False,
        where: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(text)
        self.timed_out = timed_out
        self.explained = explained
        self.where = where
        self.traceback = traceback


class AbandonedError(Exception):
    """The run was cancelled while a plugin's code was running, which is not waited for."""


def call(
    function: Callable[[], T],
    *,
    timeout: float = CALL_TIMEOUT,
    cancelled: Callable[[], bool] = lambda: False,
    left: list[str] | None = None,
) -> T:
    """Call a plugin's code and return its result. Raises PluginFault or AbandonedError.

    `timeout`: seconds. `left`: gets a clause if processes were left behind, which are killed.

    Afterwards the working directory, the environment and the standard streams are as before. Code
    that took too long, or was abandoned, may go on in its thread; exit by `leave_plugins`.
    """
    _refuse_exits()
    thread = _Call(function)
    with _surroundings_kept(), _system_timer(timeout + _SPARE):
        thread.start()
        deadline = monotonic() + timeout
        while not thread.ended.wait(min(_POLL, max(deadline - monotonic(), 0.0))):
            if cancelled():
                thread.abandon()
                raise AbandonedError
            if monotonic() >= deadline:
                thread.abandon()
                text = f"there was no result within {duration_text(timeout)}"
                raise PluginFault(text, timed_out=True)
    killed = _kill(thread.children)
    if killed and left is not None:
        these = "1 process" if killed == 1 else f"{killed} processes"
        left.append(f"left {these} running, killed now")
    return thread.result()


def described(error: BaseException) -> str:
    """`ValueError: text` for an exception, whatever its class does when it is asked for a text."""
    name = type(error).__name__
    try:
        text = f"{error}"[:_LONGEST_TEXT]
    except BaseException as second:  # its own `__str__` is a plugin's code as well
        return f"{name} (its message cannot be shown: {type(second).__name__})"
    return f"{name}: {text}" if text else name


def leave_plugins(code: int) -> NoReturn:
    """Exit. What plugins leave to the end, threads and atexit functions, has two seconds."""
    ours = (_Call, type(threading.main_thread()))
    others = [t for t in threading.enumerate() if not isinstance(t, ours)]
    waited_for = [thread for thread in others if not thread.daemon]
    if waited_for or atexit._ncallbacks():

        def end_plugins() -> None:
            for thread in waited_for:
                thread.join()
            atexit._run_exitfuncs()

        last = threading.Thread(target=end_plugins, daemon=True)
        last.start()
        last.join(_PATIENCE)
    end(code)


class _Call(threading.Thread, Generic[T]):
    """The thread of one call. `children`: the processes that it started and left running.

    It is no daemon, since threads that a plugin starts would be daemons as well.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="plugin")
        self.ended = threading.Event()
        self.children: list[int] = []
        self._function = function
        self._value: list[T] = []
        self._fault: Exception | None = None

    def run(self) -> None:
        try:
            self._value.append(self._function())
        except BaseException as error:  # the isolation boundary of plugins
            self._fault = _fault(error)
        if _has_children():
            self.children = _children("thread-self")
        self.ended.set()

    def result(self) -> T:
        if self._fault is not None:
            raise self._fault
        return self._value[0]

    def abandon(self) -> None:
        """Kill what it waits for, and end it at its next step in Python code, if it takes one."""
        _kill(_children(f"self/task/{self.native_id}"))
        import ctypes  # only here: its import takes milliseconds

        with contextlib.suppress(AttributeError):  # only CPython has it
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit)
            )


def _fault(error: BaseException) -> Exception:
    import traceback  # only on failure

    shown = ""
    with contextlib.suppress(BaseException):  # the exception's methods are a plugin's code as well
        shown = "".join(traceback.format_exception(error, limit=-5))
    if type(error).__module__ == PipekitError.__module__:
        text = str(error) or type(error).__name__
        return PluginFault(text, explained=True, traceback=shown)
    return PluginFault(described(error), where=_where(error), traceback=shown)


def _where(error: BaseException) -> str:
    """The last line of the plugin's code, as `module.py:12`; empty if there is none."""
    if isinstance(error, SyntaxError) and type(error.filename) is str:
        return f"{os.path.basename(error.filename)}:{error.lineno}"
    found, step = "", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith(_NOT_OF_PLUGINS):
            found = f"{os.path.basename(file)}:{step.tb_lineno}"
        step = step.tb_next
    return found


def _refuse_exits() -> None:
    """Make `os._exit` raise, except in the main thread and in a forked child."""
    if os._exit is not _exit:
        return

    def refuse(status: int) -> Any:
        if threading.current_thread() is threading.main_thread() or os.getpid() != _process:
            _exit(status)
        raise SystemExit(f"os._exit({status}) was refused: it would end pipekit itself")

    os._exit = refuse


@contextlib.contextmanager
def _surroundings_kept() -> Iterator[None]:
    """Restore the working directory, the environment and the standard streams afterwards."""
    if not _streams:
        for number in range(3):
            with contextlib.suppress(OSError):  # closed before we began
                _streams[number] = os.dup(number)
    folder, variables = _folder(), os.environ.copy()
    try:
        yield
    finally:
        if folder and _folder() != folder:
            with contextlib.suppress(OSError):  # it was removed
                os.chdir(folder)
        if os.environ.copy() != variables:
            os.environ.clear()
            os.environ.update(variables)
        for number, copy in _streams.items():
            if not _same(number, copy):
                os.dup2(copy, number)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _same(number: int, copy: int) -> bool:
    try:
        return os.path.sameopenfile(number, copy)
    except OSError:
        return False


@contextlib.contextmanager
def _system_timer(seconds: float) -> Iterator[None]:
    """Let the system end this process by SIGALRM, in case a C call keeps us from doing anything."""
    usable = (
        sys.platform != "win32"
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    )
    if usable:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if usable:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _has_children() -> bool:
    """Whether this process has any; quicker than to ask for those of one thread."""
    if sys.platform == "win32":
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children(task: str) -> list[int]:
    """The processes that a thread has started (Linux)."""
    try:
        with open(f"/proc/{task}/children", "rb", buffering=0) as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _kill(children: list[int]) -> int:
    """Kill those that have not exited; returns how many."""
    killed = 0
    for pid in children:
        with contextlib.suppress(OSError):  # it was reaped
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                killed += 1
    return killed
