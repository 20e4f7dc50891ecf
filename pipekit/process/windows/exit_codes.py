"""What exit codes of Windows mean: numbers by which the system says how it ended a program."""

from __future__ import annotations

from pipekit.model.command import Command

_FROM = 0x40000000  # below that, programs choose their codes themselves
_NAMES = {
    0x40010004: "ended by a debugger",
    0x40010005: "Ctrl-C",
    0x80000003: "a breakpoint, or an assertion that failed",
    0xC0000005: "access violation",
    0xC0000006: "a file that it had mapped could not be read",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC000012D: "out of memory: the page file is too small",
    0xC0000135: "a DLL that it needs was not found",
    0xC0000138: "an ordinal that it needs is missing in a DLL",
    0xC0000139: "a function that it needs is missing in a DLL",
    0xC000013A: "Ctrl-C or Ctrl-Break, or its console was closed",
    0xC0000142: "a DLL could not be initialised",
    0xC0000374: "heap corruption",
    0xC0000409: "it stopped itself: a buffer overrun or a fatal error",
    0xC000041D: "an exception in a callback",
    0xE0434352: "an unhandled .NET exception",
    0xE06D7363: "an unhandled C++ exception",
}
_QUOTA = 1816  # ERROR_NOT_ENOUGH_QUOTA: by documentation, how a job ends who has used up its time


def explained(code: int, command: Command) -> str:
    """What happened, as a clause; empty for a code that a program chose itself."""
    if code == _QUOTA and command.max_cpu is not None:
        return (
            f"exited with code {code}: it used more CPU time than its max_cpu ({command.max_cpu} s)"
        )
    if code < _FROM:
        return ""
    name = _NAMES.get(code)
    return f"exited with code {code} (0x{code:08X}{f': {name}' if name else ''})"
