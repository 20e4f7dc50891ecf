"""Commands on Windows: a Job Object that ends with us, pipes that are polled; decides nothing.

NOT EXERCISED: written from the documentation and type-checked, never run. What differs by design:
pipes cannot be waited for without threads, so they are looked at every 10 ms; the polite signal is
Ctrl-Break and reaches only a child that shares a console with us; the job is inherited by every
descendant and kills all of them when its last handle is closed, also by our own death.
"""

from __future__ import annotations

import _winapi
import contextlib
import ctypes
import msvcrt
import os
import signal
import subprocess
import sys
import tempfile
import time
from ctypes import wintypes

from pipekit.model.command import Command, ProcessSnapshot
from pipekit.process import limits
from pipekit.process.cancel import Cancel
from pipekit.process.child import Exit, Force
from pipekit.process.sight import snapshot
from pipekit.process.start import SpawnError, child_environment, why_not_started
from pipekit.process.tree import Member, Reading

assert sys.platform == "win32"  # for the type checker: nothing below exists elsewhere

CHUNK = 64 * 1024
_SLICE = 0.01  # seconds between two looks at the pipes
_CREATE_SUSPENDED = 0x4
_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_PROCESS_IDS = 3  # JobObjectBasicProcessIdList
_MOST = 4096  # processes of one job that are listed

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
        ("pids", ctypes.c_size_t * _MOST),
    )


def start(command: Command, tree: str, cancel: Cancel | None = None) -> WindowsChild:
    """Start a command suspended, put it into a job of its own, let it go. Raises SpawnError."""
    env = child_environment(command, tree)
    job = _job(limits.of_job(command, ctypes.sizeof(ctypes.c_void_p)))
    ends: dict[str, int] = {}
    with contextlib.ExitStack() as given:  # what the child gets and we close after the start
        try:
            writers = {}
            for stream in ("stdout",) if command.merge_stderr else ("stdout", "stderr"):
                ends[stream], writers[stream] = os.pipe()
                given.callback(os.close, writers[stream])
            stdin = given.enter_context(tempfile.TemporaryFile())
            if isinstance(command.stdin, bytes):
                stdin.write(command.stdin)
            stdin.seek(0)
            popen = subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env=env,
                stdin=command.stdin if isinstance(command.stdin, int) else stdin,
                stdout=writers["stdout"],
                stderr=writers.get("stderr", subprocess.STDOUT),
                creationflags=_CREATE_SUSPENDED | subprocess.CREATE_NEW_PROCESS_GROUP,
            )
            _let_go(popen, job)
        except BaseException as error:
            _winapi.CloseHandle(job)
            for descriptor in ends.values():
                os.close(descriptor)
            if isinstance(error, (OSError, ValueError)):
                raise SpawnError(why_not_started(command, env, error)) from error
            raise
    return WindowsChild(popen, job, ends, cancel)


def _job(record: bytes) -> int:
    job = _kernel32.CreateJobObjectW(None, None)
    if not job or not _kernel32.SetInformationJobObject(job, _EXTENDED_LIMITS, record, len(record)):
        error = ctypes.WinError(ctypes.get_last_error())
        if job:
            _winapi.CloseHandle(job)
        raise SpawnError(f"no job object could be made: {error}")
    return int(job)


def _let_go(popen: subprocess.Popen[bytes], job: int) -> None:
    import psutil

    try:
        if not _kernel32.AssignProcessToJobObject(job, _handle(popen)):
            raise ctypes.WinError(ctypes.get_last_error())
        psutil.Process(popen.pid).resume()
    except BaseException as error:  # it would be suspended for ever
        popen.kill()
        popen.wait()
        if isinstance(error, psutil.Error):
            raise OSError(0, f"it was not let go: {error}") from error
        raise


def _handle(popen: subprocess.Popen[bytes]) -> int:
    return int(popen._handle)  # type: ignore[attr-defined]  # the only way to the handle


class WindowsChild:
    """See `Child`."""

    lost = False
    told_empty = None

    def __init__(
        self, popen: subprocess.Popen[bytes], job: int, ends: dict[str, int], cancel: Cancel | None
    ) -> None:
        self.pid = popen.pid
        self.capacity = CHUNK
        self._popen = popen
        self._job = job
        self._ends = ends
        self._cancel = cancel
        self._cancel_seen = False

    def streams(self) -> list[str]:
        """See `Child`."""
        return list(self._ends)

    def wait(self, seconds: float | None, *, output: bool = True) -> list[str]:
        """See `Child`."""
        deadline = time.monotonic() + (seconds if seconds is not None else float("inf"))
        was_alive = not self.exited()
        while True:
            ready = [stream for stream in self._ends if self._ready(stream)] if output else []
            rest = deadline - time.monotonic()
            if ready or rest <= 0 or self._cancelled() or (was_alive and self.exited()):
                return ready
            pause = min(_SLICE, rest)
            if was_alive:
                _winapi.WaitForSingleObject(_handle(self._popen), max(int(pause * 1000), 1))
            else:
                time.sleep(pause)

    def read(self, stream: str, most: int) -> bytes | None:
        """See `Child`."""
        descriptor = self._ends[stream]
        try:
            waiting = _winapi.PeekNamedPipe(msvcrt.get_osfhandle(descriptor), 0)[0]
            if not waiting:
                return None
            return os.read(descriptor, min(int(waiting), most))
        except OSError:  # the last writer has closed it
            del self._ends[stream]
            os.close(descriptor)
            return b""

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

    def readings(self) -> list[Reading]:
        """See `Child`."""
        import psutil

        readings = []
        for pid in [self.pid, *(member.pid for member in self.members())]:
            try:
                process = psutil.Process(pid)
                times, memory = process.cpu_times(), process.memory_info()
                moved = process.io_counters()
                started = process.create_time()
            except psutil.Error:
                continue
            cpu = times.user + times.system
            io = moved.read_bytes + moved.write_bytes
            readings.append(Reading(pid, started, cpu, 0.0, io, memory.rss, memory.peak_wset))
        return readings

    def snapshot(self) -> list[ProcessSnapshot]:
        """See `Child`."""
        return snapshot(self.pid)

    def send(self, force: Force, members: list[Member]) -> bool:  # noqa: ARG002  # the job has all
        """See `Child`."""
        alive = not self.exited()
        if force is Force.HARD:
            _kernel32.TerminateJobObject(self._job, 1)
        else:
            # fails where no console is shared; `os.kill` would then terminate the leader and raise
            _kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, self.pid)
        return alive

    def reap(self) -> Exit | None:
        """See `Child`."""
        code = self._popen.poll()
        return None if code is None else Exit(code, None, None)

    def close(self) -> None:
        """See `Child`."""
        for descriptor in self._ends.values():
            os.close(descriptor)
        self._ends.clear()
        _winapi.CloseHandle(self._job)

    def _ready(self, stream: str) -> bool:
        try:
            handle = msvcrt.get_osfhandle(self._ends[stream])
            return bool(_winapi.PeekNamedPipe(handle, 0)[0])
        except OSError:
            return True  # its end is to be read

    def _cancelled(self) -> bool:
        seen, self._cancel_seen = self._cancel_seen, bool(self._cancel and self._cancel.is_set())
        return self._cancel_seen and not seen
