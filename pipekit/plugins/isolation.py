"""Calls a plugin's code in a thread, for a limited time, so that it fails its own part alone.

What remains, and why this is no process, is in docs/decisions/0019-plugins-in-threads.md.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple, NoReturn, Self, TypeVar

from pipekit.model.quantity import duration_text
from pipekit.model.system import limits_hint
from pipekit.plugins.fault import PluginFault, fault_of, place_of
from pipekit.plugins.surroundings import Surroundings
from pipekit.worker._exit import end

T = TypeVar("T")

CALL_TIMEOUT = 60.0  # seconds, where no setting says otherwise
_POLL = 0.05  # seconds between two looks whether the run was cancelled
_SPARE = 5.0  # seconds after the timeout, then the system ends a process that cannot act itself
_PATIENCE = 2.0  # seconds for what plugins leave to the end of the process
_STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
_exit = os._exit
_process = os.getpid()


class AbandonedError(Exception):
    """The run was cancelled while a plugin's code was running, which is not waited for."""


class Outcome(NamedTuple):
    """What became of a call; `left`: a clause if it left processes running, else empty."""

    value: Any = None
    fault: PluginFault | None = None
    left: str = ""


def call(
    function: Callable[[], T],
    *,
    timeout: float = CALL_TIMEOUT,
    cancelled: Callable[[], bool] = lambda: False,
    left: list[str] | None = None,
) -> T:
    """Call a plugin's code and return its result. Raises PluginFault or AbandonedError.

    `timeout`: seconds. `left`: gets a clause if it left processes running.
    """
    [outcome] = call_each([(function, timeout)], cancelled)
    if outcome.fault is not None:
        raise outcome.fault
    if outcome.left and left is not None:
        left.append(outcome.left)
    value: T = outcome.value
    return value


def call_each(
    calls: Sequence[tuple[Callable[[], Any], float]],
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Call these functions in order, each for so many seconds. Raises AbandonedError.

    Together they cost little more than one. After each, processes that it left running are killed,
    and the working directory, the environment and the standard streams are as before. Code that
    took too long, or was abandoned, may go on in its thread; exit by `leave_plugins`.
    """
    _refuse_exits()
    surroundings = Surroundings()
    outcomes: list[Outcome] = []
    while len(outcomes) < len(calls):
        rest = calls[len(outcomes) :]
        with _SystemTimer() as timer:
            thread = _Thread(rest, surroundings, timer)
            try:
                outcomes += _watch(thread, [timeout for _, timeout in rest], cancelled)
            except BaseException:
                thread.abandon()
                raise
            finally:
                if not thread.ended.is_set():
                    surroundings.restore()
    return outcomes


def _watch(
    thread: _Thread, timeouts: Sequence[float], cancelled: Callable[[], bool]
) -> list[Outcome]:
    """The outcomes up to the first call that takes too long."""
    at, deadline = -1, 0.0
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:  # the system is out of processes or memory
        text = f"no thread could be started for it ({error}): {limits_hint('-u', '-v')}"
        return [Outcome(fault=PluginFault(text))] * len(timeouts)
    while not thread.ended.wait(_POLL if at >= 0 else 0):
        if at != (at := len(thread.outcomes)):
            deadline = monotonic() + timeouts[min(at, len(timeouts) - 1)]
        elif cancelled():
            raise AbandonedError
        elif monotonic() >= deadline:
            where, shown = place_of(thread)
            thread.abandon()
            text = f"there was no result within {duration_text(timeouts[at])}"
            fault = PluginFault(text, timed_out=True, where=where, traceback=shown)
            return [*thread.outcomes[:at], Outcome(fault=fault)]
    return thread.outcomes


def leave_plugins(code: int) -> NoReturn:
    """Exit. What plugins leave to the end, threads and atexit functions, has two seconds.

    Processes that they left running, from whatever thread, are killed.
    """
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    waited_for = [t for t in others if not t.daemon and not isinstance(t, _Thread)]
    if waited_for or atexit._ncallbacks():

        def end_plugins() -> None:
            for thread in waited_for:
                thread.join()
            atexit._run_exitfuncs()

        last = threading.Thread(target=end_plugins, daemon=True)
        last.start()
        last.join(_PATIENCE)
    if _has_children():
        sys.addaudithook(_refuse_programs)
        for _ in range(2):  # one may have been about to start
            for task in os.listdir("/proc/self/task"):
                _kill(_children(f"self/task/{task}"))
    end(code)


def _refuse_programs(event: str, _: object) -> None:
    """Keep threads that go on from starting another program in place of one that was killed."""
    if event in _STARTS:
        raise SystemExit("the run has ended: no program is started any more")


class _Thread(threading.Thread):
    """Calls functions in order.

    It is no daemon, since threads that a plugin starts would be daemons as well.
    """

    def __init__(
        self,
        calls: Sequence[tuple[Callable[[], Any], float]],
        surroundings: Surroundings,
        timer: _SystemTimer,
    ) -> None:
        super().__init__(name="plugin")
        self.ended = threading.Event()
        self.outcomes: list[Outcome] = []
        self._calls = calls
        self._timer = timer
        self._surroundings = surroundings
        self._abandoned = False

    def run(self) -> None:
        for function, timeout in self._calls:
            self._timer.set(timeout + _SPARE)
            outcome = self._outcome(function)
            if self._abandoned:
                return
            killed = _kill(_children("thread-self")) if _has_children() else 0
            if killed:
                these = "1 process" if killed == 1 else f"{killed} processes"
                outcome = outcome._replace(left=f"left {these} running, killed now")
            self._surroundings.restore()
            self.outcomes.append(outcome)
        self.ended.set()

    def _outcome(self, function: Callable[[], Any]) -> Outcome:
        try:
            return Outcome(function())
        except BaseException as error:  # the isolation boundary of plugins
            if self._abandoned:  # nobody asks, and the surroundings are those of others by now
                return Outcome()
            sys.settrace(None)  # what it left there would be called for each step below
            sys.setprofile(None)
            try:
                self._surroundings.restore()  # or the modules for its description may be missing
                return Outcome(fault=fault_of(error))
            except BaseException:  # the methods and attributes of the exception are its code too
                return Outcome(fault=PluginFault("an exception that cannot be shown"))

    def abandon(self) -> None:
        """Kill what it waits for, and end it at its next step in Python code, if it takes one."""
        self._abandoned = True
        _kill(_children(f"self/task/{self.native_id}"))
        import ctypes  # only here: its import takes milliseconds

        sys.unraisablehook = _report_unraisable
        with contextlib.suppress(AttributeError):  # only CPython has it
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit)
            )


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Say nothing of the end of an abandoned thread where Python cannot raise it."""
    if unraisable.exc_type is not SystemExit:
        sys.__unraisablehook__(unraisable)


def _refuse_exits() -> None:
    """Make `os._exit` raise, except in the main thread and in a forked child."""
    if os._exit is not _exit:
        return

    def refuse(status: int) -> Any:
        if threading.current_thread() is threading.main_thread() or os.getpid() != _process:
            _exit(status)
        raise SystemExit(f"os._exit({status}) was refused: it would end pipekit itself")

    os._exit = refuse


class _SystemTimer:
    """Lets the system end this process by SIGALRM, if a C call keeps us from doing anything."""

    def __init__(self) -> None:
        self._usable = (
            threading.current_thread() is threading.main_thread()
            and sys.platform != "win32"
            and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        )
        self._lock = threading.Lock()  # an abandoned thread must not set it again

    def set(self, seconds: float) -> None:
        with self._lock:
            if sys.platform != "win32" and self._usable:
                signal.setitimer(signal.ITIMER_REAL, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.set(0)
        self._usable = False


def _has_children() -> bool:
    """Whether this process has any (Linux); quicker than to ask for those of one thread."""
    if sys.platform != "linux":
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
    if sys.platform == "win32":
        return killed
    for pid in children:
        with contextlib.suppress(OSError):  # it was reaped
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                killed += 1
    return killed
