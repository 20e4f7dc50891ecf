"""The verdict on a command: outcome, exit status and reason. Never a false success."""

from __future__ import annotations

import signal
import sys

from pipekit.model.command import Command, Outcome, ProcessResult
from pipekit.process.child import LOST_EXIT, Exit
from pipekit.process.hang import TreeUsage

if sys.platform == "win32":
    from pipekit.process.windows import exit_codes

_SHELL_SIGNAL = 128  # and the signal's number: a shell's exit code when its command was killed
_SIGKILL_CODES = (-9, _SHELL_SIGNAL + 9)

_LOST = (
    "its exit status was lost: its guardian was killed, by somebody or for lack of memory"
    if sys.platform == "linux"
    else "its exit status was lost: this process ignores SIGCHLD, or something in it waits for all "
    "child processes"
)


def judge(
    command: Command,
    outcome: Outcome,
    exit: Exit | None,
    *,
    stopped: bool = False,
    oom_kill: bool = False,
) -> ProcessResult:
    """The result, without streams, times and usage.

    `stopped`: the leader got signals of ours; `oom_kill`: the kernel's out-of-memory killer was
    active during the command.
    """
    code = exit.returncode if exit else None
    by_itself = code is not None and not stopped
    if code is None and outcome in (Outcome.EXITED, Outcome.COMPLETED):
        outcome = Outcome.LOST
    result = ProcessResult(
        outcome=outcome,
        returncode=code,
        signal=signal_name(-code) if code is not None and code < 0 else None,
        out_of_memory=by_itself and oom_kill and code in _SIGKILL_CODES,
        success=_success(command, outcome, code, by_itself=by_itself),
    )
    return result._replace(reason=_reason(command, result, by_itself=by_itself))


def _success(command: Command, outcome: Outcome, code: int | None, *, by_itself: bool) -> bool:
    if outcome is Outcome.EXITED:
        return by_itself and code == 0
    if outcome is Outcome.COMPLETED:
        return code == 0 if by_itself else command.completed_ok
    return False


def signal_name(number: int) -> str:
    """SIGKILL for 9; `SIG` and the number for a signal without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _reason(command: Command, result: ProcessResult, *, by_itself: bool) -> str:
    ending = _ending(command, result)
    match result.outcome:
        case Outcome.TIMED_OUT:
            return f"stopped: it took longer than its timeout of {command.timeout:g} s"
        case Outcome.HUNG:
            return (
                f"stopped: it hung, with no output, no activity and an idle process tree for "
                f"{command.hang_timeout:g} s"
            )
        case Outcome.CANCELLED:
            return "stopped: it was cancelled"
        case Outcome.LOST:
            return _LOST
        case Outcome.COMPLETED:
            return f"reported that it was done, then {ending if by_itself else 'was stopped'}"
        case _:
            return ending


def _ending(command: Command, result: ProcessResult) -> str:
    code = result.returncode
    if result.signal == "SIGXCPU" and command.max_cpu is not None:
        return f"killed by SIGXCPU: it used more CPU time than its max_cpu of {command.max_cpu} s"
    if result.out_of_memory:
        return "killed while the system ran out of memory"
    if result.signal is not None:
        return f"killed by {result.signal}, which pipekit did not send"
    if sys.platform == "win32" and (text := exit_codes.explained(code or 0, command)):
        return text
    if name := shell_signal(code):
        return f"exited with code {code}: a shell's way to say that its program died of {name}"
    return f"exited with code {code}"


def shell_signal(code: int | None) -> str | None:
    """The signal that a shell means with this exit code: SIGTERM for 143, None for 1."""
    number = (code or 0) - _SHELL_SIGNAL
    return signal_name(number) if number in signal.valid_signals() else None


def combined_usage(tree: TreeUsage, exit: Exit | None) -> tuple[int | None, float | None, str]:
    """Peak memory (bytes) and CPU time (seconds) of a tree, and where the figures come from."""
    if exit is None and tree.peak_rss is None:
        return None, None, ""
    exit = exit or LOST_EXIT
    peaks = [(tree.peak_rss, "memory: sampled"), (exit.peak_rss, "memory: wait4")]
    times = [(exit.cpu, "cpu: wait4"), (tree.cpu, "cpu: sampled")]  # more: not all were waited for
    peak, peak_source = max(peaks, key=lambda figure: figure[0] or 0)
    cpu, cpu_source = max(times, key=lambda figure: -1 if figure[0] is None else figure[0])
    return peak, cpu, f"{peak_source}; {cpu_source}" if peak is not None else cpu_source
