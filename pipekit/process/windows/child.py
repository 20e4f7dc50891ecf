"""Commands on Windows: a Job Object that ends with our last handle, and polled pipes.

Run under Wine by `nox -s windows`, not yet on Windows itself. It differs by design: pipes cannot
be waited for without threads, so they are polled every 10 ms; the polite signal is Ctrl-Break,
which reaches only a child that shares a console with us; every descendant inherits the job, which
kills all of them when its last handle is closed, so also when we die.
"""

from __future__ import annotations

import _winapi
import ctypes
import msvcrt
import os
import signal
import subprocess
import sys
import time
from ctypes import wintypes

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process import psutil_tree
from pipekit.process.cancel import Cancel
from pipekit.process.child import Exit, Force, Member, ProcessUsage, Sent
from pipekit.process.start import SpawnError, child_environment, open_stdio
from pipekit.process.windows.limits import ExtendedLimits, job_limits
from pipekit.process.windows.words import words_of

assert sys.platform == "win32"  # tells the type checker to look at this file only there

_PIPE_SIZE = 64 * 1024  # bytes
_POLL_INTERVAL = 0.01  # seconds
_CREATE_SUSPENDED = 0x4
_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_PROCESS_IDS = 3  # JobObjectBasicProcessIdList
_MAX_LISTED = 4096  # processes of one job

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
_kernel32.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
_kernel32.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
_kernel32.GenerateConsoleCtrlEvent.argtypes = [wintypes.DWORD, wintypes.DWORD]
_kernel32.SetInformationJobObject.argtypes = [
    *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
]
_kernel32.QueryInformationJobObject.argtypes = [
    *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p)
]


class _ProcessIds(ctypes.Structure):
    """JOBOBJECT_BASIC_PROCESS_ID_LIST."""

    _fields_ = (
        ("assigned", wintypes.DWORD),
        ("listed", wintypes.DWORD),
        ("pids", ctypes.c_size_t * _MAX_LISTED),
    )


def start(command: Command, tree: str, cancel: Cancel | None = None) -> WindowsChild:
    """Start a command suspended, put it into a job of its own, resume it. Raises SpawnError."""
    env = child_environment(command, tree)
    job = _create_job(job_limits(command))
    try:
        with open_stdio(command, env) as ((stdin, stdout, stderr), outputs):
            program, line = words_of(command, env)
            popen = subprocess.Popen(
                line,
                executable=program,
                cwd=command.cwd,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                creationflags=_CREATE_SUSPENDED | subprocess.CREATE_NEW_PROCESS_GROUP,
            )
            _resume_in_job(popen, job)
    except BaseException:
        _winapi.CloseHandle(job)
        raise
    return WindowsChild(popen, job, outputs, cancel)


def _create_job(limits: ExtendedLimits) -> int:
    job = _kernel32.CreateJobObjectW(None, None)
    size = ctypes.sizeof(limits)
    if not job or not _kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMITS, ctypes.byref(limits), size
    ):
        error = ctypes.WinError(ctypes.get_last_error())
        if job:
            _winapi.CloseHandle(job)
        raise SpawnError(f"no job object could be created for it: {error}")
    return int(job)


def _resume_in_job(popen: subprocess.Popen[bytes], job: int) -> None:
    import psutil  # takes long; only when a command starts

    try:
        if not _kernel32.AssignProcessToJobObject(job, _handle(popen)):
            raise ctypes.WinError(ctypes.get_last_error())
        psutil.Process(popen.pid).resume()
    except BaseException as error:
        popen.kill()
        popen.wait()
        if isinstance(error, psutil.Error):
            raise OSError(0, f"it could not be resumed: {error}") from error
        raise


def _handle(popen: subprocess.Popen[bytes]) -> int:
    return int(popen._handle)  # type: ignore[attr-defined]  # the only way to the handle


class WindowsChild:
    """A `Child` in a job."""

    lost = False
    tree_empty = None

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        job: int,
        outputs: dict[str, int],
        cancel: Cancel | None,
    ) -> None:
        self.pid = popen.pid
        self.capacity = _PIPE_SIZE
        self._popen = popen
        self._job = job
        self._outputs = outputs
        self._cancel = cancel
        self._cancel_seen = False

    def streams(self) -> list[str]:
        """See `Child`."""
        return list(self._outputs)

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        deadline = time.monotonic() + (seconds if seconds is not None else float("inf"))
        was_alive = not self.exited()
        while True:
            ready = [stream for stream in self._outputs if self._waiting(stream)] if output else []
            rest = deadline - time.monotonic()
            if ready or rest <= 0 or self._cancelled() or (was_alive and self.exited()):
                return ready
            pause = min(_POLL_INTERVAL, rest)
            if was_alive:
                _winapi.WaitForSingleObject(_handle(self._popen), max(int(pause * 1000), 1))
            else:
                time.sleep(pause)

    def read(self, stream: str) -> bytes | None:
        """See `Child`."""
        waiting = self._waiting(stream)
        if waiting == 0:
            return None
        data = os.read(self._outputs[stream], min(waiting, _PIPE_SIZE)) if waiting > 0 else b""
        if not data:
            os.close(self._outputs.pop(stream))
        return data

    def exited(self) -> bool:
        """See `Child`."""
        return _winapi.WaitForSingleObject(_handle(self._popen), 0) == _winapi.WAIT_OBJECT_0

    def members(self) -> list[Member]:
        """See `Child`."""
        ids = _ProcessIds()
        size = ctypes.sizeof(ids)
        if not _kernel32.QueryInformationJobObject(
            self._job, _PROCESS_IDS, ctypes.byref(ids), size, None
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        return [Member(pid, 0, 0.0) for pid in ids.pids[: ids.listed] if pid != self.pid]

    def usage(self) -> list[ProcessUsage]:
        """See `Child`."""
        return psutil_tree.usage(self)

    def network(self) -> dict[int, int]:
        """See `Child`; unknown here."""
        return {}

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return psutil_tree.snapshot(self)

    def send(self, force: Force, members: list[Member]) -> Sent:  # noqa: ARG002  # the job has them
        """See `Child`."""
        running = not self.exited()
        if force is Force.HARD:
            sent = _kernel32.TerminateJobObject(self._job, 1)
        else:
            # fails without a shared console; `os.kill` would then terminate the leader and raise
            sent = _kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, self.pid)
        return Sent(leader=running, delivered=bool(sent))

    def reap(self) -> Exit | None:
        """See `Child`."""
        code = self._popen.poll()
        return None if code is None else Exit(code, None, None)

    def close(self) -> None:
        """See `Child`."""
        for descriptor in self._outputs.values():
            os.close(descriptor)
        self._outputs.clear()
        _winapi.CloseHandle(self._job)

    def _waiting(self, stream: str) -> int:
        """How many bytes can be read now; -1 once the last writer has closed the stream."""
        try:
            handle = msvcrt.get_osfhandle(self._outputs[stream])
            return int(_winapi.PeekNamedPipe(handle, 0)[0])
        except OSError:
            return -1

    def _cancelled(self) -> bool:
        seen, self._cancel_seen = self._cancel_seen, bool(self._cancel and self._cancel.is_set())
        return self._cancel_seen and not seen
