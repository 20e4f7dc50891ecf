"""Limits of a command where no guardian sets them: pure, so that any system can test it.

Linux: the guardian, by setrlimit. macOS: a shell around the command. Windows: the job.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pipekit.model.command import Command
from pipekit.process.start import SpawnError

_PROCESS_TIME, _PRIORITY_CLASS, _PROCESS_MEMORY = 0x2, 0x20, 0x100  # JOB_OBJECT_LIMIT_*
_KILL_ON_JOB_CLOSE = 0x2000
_BELOW_NORMAL, _IDLE = 0x4000, 0x40  # *_PRIORITY_CLASS
_IDLE_FROM = 10  # of `nice`
_TICKS = 10_000_000  # of 100 ns, in which Windows counts


class _Field(NamedTuple):
    """Where a number of JOBOBJECT_EXTENDED_LIMIT_INFORMATION lies, by bytes of a pointer."""

    at: dict[int, int]
    code: dict[int, str]


_SIZE = {8: 144, 4: 112}
_TIME = _Field({8: 0, 4: 0}, {8: "<q", 4: "<q"})
_FLAGS = _Field({8: 16, 4: 16}, {8: "<I", 4: "<I"})
_PRIORITY = _Field({8: 56, 4: 36}, {8: "<I", 4: "<I"})
_MEMORY = _Field({8: 112, 4: 96}, {8: "<Q", 4: "<I"})


def of_job(command: Command, pointer: int) -> bytes:
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION for a system whose pointers have 8 or 4 bytes.

    The job ends with its last handle; nobody may break away from it. Raises SpawnError for a limit
    that Windows does not have.
    """
    if command.max_open_files is not None:
        raise SpawnError("max_open_files is a limit that Windows does not have; leave it out there")
    flags = _KILL_ON_JOB_CLOSE
    record = bytearray(_SIZE[pointer])

    def put(field: _Field, number: int) -> None:
        struct.pack_into(field.code[pointer], record, field.at[pointer], number)

    if command.max_memory is not None:
        flags |= _PROCESS_MEMORY
        put(_MEMORY, min(command.max_memory, (1 << (8 * pointer)) - 1))
    if command.max_cpu is not None:
        flags |= _PROCESS_TIME
        put(_TIME, command.max_cpu * _TICKS)
    if command.nice:
        flags |= _PRIORITY_CLASS
        put(_PRIORITY, _IDLE if command.nice >= _IDLE_FROM else _BELOW_NORMAL)
    put(_FLAGS, flags)
    return bytes(record)


def by_shell(command: Command, *, memory: bool) -> tuple[str, ...]:
    """The command's words with a shell before them that sets its limits; as they are without any.

    `memory`: whether this system keeps a limit of memory (macOS does not). Raises SpawnError.
    """
    if command.max_memory is not None and not memory:
        raise SpawnError("max_memory is a limit that this system does not keep; leave it out here")
    settings = []
    if command.max_memory is not None:
        settings.append(f"ulimit -d {max(command.max_memory // 1024, 1)}")
    if command.max_cpu is not None:  # SIGXCPU first, which says what it was
        settings += [f"ulimit -S -t {command.max_cpu}", f"ulimit -H -t {command.max_cpu + 1}"]
    if command.max_open_files is not None:
        settings.append(f"ulimit -n {command.max_open_files}")
    if not settings and not command.nice:
        return command.argv
    program = f'nice -n {command.nice} "$@"' if command.nice else '"$@"'
    return ("/bin/sh", "-c", " && ".join([*settings, f"exec {program}"]), "sh", *command.argv)
