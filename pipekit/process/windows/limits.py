"""A command's limits in the form of a Windows job. Importable and tested on any system."""

from __future__ import annotations

import ctypes

from pipekit.model.command import Command
from pipekit.process.start import SpawnError

_PROCESS_TIME, _PRIORITY_CLASS, _PROCESS_MEMORY = 0x2, 0x20, 0x100  # JOB_OBJECT_LIMIT_*
_KILL_ON_JOB_CLOSE = 0x2000
_BELOW_NORMAL, _IDLE = 0x4000, 0x40  # *_PRIORITY_CLASS
_IDLE_FROM = 10  # of `nice`
_TICKS = 10_000_000  # a second has so many units of 100 ns


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, with the structures in it laid out flat."""

    _fields_ = (
        ("per_process_time", ctypes.c_int64),
        ("per_job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


def job_limits(command: Command) -> ExtendedLimits:
    """The limits of the job of a command.

    The job ends with its last handle, and no process can leave it. Raises SpawnError for a limit
    that Windows does not have.
    """
    if command.max_open_files is not None:
        raise SpawnError("max_open_files: Windows has no such limit; leave it unset there")
    limits = ExtendedLimits(flags=_KILL_ON_JOB_CLOSE)
    if command.max_memory is not None:
        limits.flags |= _PROCESS_MEMORY
        limits.process_memory = min(command.max_memory, ctypes.c_size_t(-1).value)
    if command.max_cpu is not None:
        limits.flags |= _PROCESS_TIME
        limits.per_process_time = command.max_cpu * _TICKS
    if command.nice:
        limits.flags |= _PRIORITY_CLASS
        limits.priority_class = _IDLE if command.nice >= _IDLE_FROM else _BELOW_NORMAL
    return limits
