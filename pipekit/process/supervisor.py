"""ProcessSupervisor: start a command, see it through with all its descendants, say what came of it.

Knows no stage and no run. On Linux each command runs below a guardian (guarded.py), which ends all
of it also when this process dies. macOS and Windows have their own files behind the same interface,
which are not exercised; docs/reference/platforms.md says what holds where.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from attrs import evolve

from pipekit.errors import DefinitionError
from pipekit.model.command import (
    Command,
    Outcome,
    ProcessResult,
    ProcessSnapshot,
    StreamResult,
)
from pipekit.process import verdict
from pipekit.process.cancel import Cancel
from pipekit.process.child import Child
from pipekit.process.loop import Run
from pipekit.process.output.listener import OnLines
from pipekit.process.output.stream import OutputStream
from pipekit.process.start import SpawnError

_numbers = itertools.count(1)
_WIDTH = 200  # characters of a command line in a snapshot
_SUFFIX = {"stdout": ".out", "stderr": ".err"}


class ProcessSupervisor:
    """Runs commands, each to the end of its whole process tree; may be used by many threads.

    `spool_dir`: the folder for output files, made when there is output; None keeps only the tails.
    `hold_fds`: descriptors that are to outlive this process with its commands (a run's lock), and
    that no command gets: on Linux each command's guardian keeps a copy until nothing is left of it.
    `cookie`: a word that names what this starts, for `sweep`; by default one that nobody knows.
    """

    def __init__(
        self, spool_dir: Path | None = None, hold_fds: Iterable[int] = (), cookie: str = ""
    ) -> None:
        if any(letter in cookie for letter in ":\0"):
            raise DefinitionError(f"cookie {cookie!r} holds a colon or a NUL character")
        self._spool_dir = spool_dir
        self._hold_fds = tuple(hold_fds)
        self._cookie = cookie or f"{os.getpid()}.{os.urandom(6).hex()}"
        self._spawner: object = None  # kept, so that it is there for the next command

    def execute(
        self,
        command: Command,
        on_lines: OnLines | None = None,
        cancel: Cancel | None = None,
        *,
        name: str = "command",
    ) -> ProcessResult:
        """Run `command` in the calling thread until nothing of it is left, and say how it went.

        `on_lines(stream, lines)` hears the output in batches, in a thread of its own: what it
        raises becomes a warning, as does a call that does not return. Where it is slow the command
        has to wait with writing once 4 MiB are unheard. `cancel` stops the command from any thread.
        The output is kept in `{spool_dir}/{name}.out` and `.err`; a stream without output leaves no
        file, and one of that name from before is replaced.

        Returns within the command's deadline, its grace and half a second. Never raises for what
        the command does or for how it cannot be started: that is a result. Raises DefinitionError
        for a name that is not one of a file. An exception out of a signal handler ends the whole
        tree at once before it passes.
        """
        streams = self._streams(command, name, cut=on_lines is not None or _awaits(command))
        started = time.time()
        if cancel is not None and cancel.is_set():
            return _unstarted(Outcome.CANCELLED, "cancelled before it was started", started)
        oom_kills = _oom_kills()
        try:
            run = self._see_through(command, streams, on_lines, cancel)
        except SpawnError as error:
            return _unstarted(error.outcome, _redacted(str(error), command), started)
        result = _result(command, run, streams, oom=_oom_kills() > oom_kills)
        return evolve(result, started=started, duration=run.now())

    def warm(self) -> None:
        """Start now, in the background, what the first command would have to wait for.

        On Linux that is the process which forks a guardian for each command. All supervisors of a
        process share it, and it ends with the last of them that used it.
        """
        if sys.platform == "linux":
            from pipekit.process.linux import spawner_client as spawner

            with contextlib.suppress(SpawnError):  # the first command will say it
                self._spawner = spawner.shared()

    def cool(self) -> None:
        """Let end now, without waiting for it, what `warm` started; a later command starts anew."""
        leave = getattr(self._spawner, "leave", None)
        if leave is not None:
            leave()

    def _see_through(
        self,
        command: Command,
        streams: dict[str, OutputStream],
        on_lines: OnLines | None,
        cancel: Cancel | None,
    ) -> Run:
        """A finished run; or SpawnError; or an interrupt, with the tree ended that it cut off."""
        tree = f"{self._cookie}.{next(_numbers)}"
        run = None
        try:
            run = Run(command, self._start(command, tree, cancel), streams, on_lines, cancel)
            run.supervise()
        except BaseException as error:
            if run is None and getattr(error, "outcome", None) is not Outcome.SPAWN_FAILED:
                _end_by_name(tree)
            raise
        finally:
            if run is not None:
                run.close()
        return run

    def _start(self, command: Command, tree: str, cancel: Cancel | None) -> Child:
        wake = cancel.fileno() if cancel is not None else -1
        if sys.platform == "linux":
            from pipekit.process.linux import child as guarded
            from pipekit.process.linux import spawner_client as spawner

            self._spawner = spawner.shared()
            return guarded.start(command, tree, self._spawner, self._hold_fds, wake)
        if sys.platform == "win32":
            from pipekit.process.windows import child as windows

            return windows.start(command, tree, cancel)
        from pipekit.process.macos import child as posix

        return posix.start(command, tree, wake)

    def _streams(self, command: Command, name: str, *, cut: bool) -> dict[str, OutputStream]:
        if not name or name.startswith(".") or any(c in name for c in "/\\:\0"):
            raise DefinitionError(f"{name!r} cannot name the output files of a command")
        names = ("stdout",) if command.merge_stderr else ("stdout", "stderr")
        files = (
            {s: self._spool_dir / f"{name}{_SUFFIX[s]}" for s in names} if self._spool_dir else {}
        )
        return {
            stream: OutputStream(files.get(stream), command.encoding, command.redact, cut=cut)
            for stream in names
        }


def _awaits(command: Command) -> bool:
    return command.done_pattern is not None or command.done is not None


def _unstarted(outcome: Outcome, reason: str, started: float) -> ProcessResult:
    return ProcessResult(outcome=outcome, reason=reason, started=started)


def _end_by_name(tree: str) -> tuple[int, int]:
    if sys.platform == "win32":
        return 0, 0  # there the job ends with its last handle
    from pipekit.process.macos import child as posix

    return posix.end_by_name(tree)


def sweep(cookie: str) -> tuple[int, int]:
    """End at once every process of the supervisors with this cookie, which must be gone themselves.

    That is for what outlived even its guardian (both were killed). Returns how many processes there
    were, and how many could not be ended within half a second. One that has dropped its environment
    is not found. On Windows there is never anything to find.
    """
    if not cookie:
        raise DefinitionError("a cookie is needed: without one, every process would match")
    return _end_by_name(cookie)


def _result(
    command: Command,
    run: Run,
    streams: dict[str, OutputStream],
    *,
    oom: bool,
) -> ProcessResult:
    facts = verdict.Facts(
        outcome=run.outcome or Outcome.EXITED, stopped=run.stopped, exit=run.exit, oom=oom
    )
    result = verdict.judge(command, facts)
    peak, cpu, source = verdict.usage(run.vigil.usage, run.exit)
    escaped = [member.pid for member in run.left]
    warnings = [*_warnings(run, streams), *run.warnings()]
    return evolve(
        result,
        stdout=streams["stdout"].result(),
        stderr=streams["stderr"].result() if "stderr" in streams else StreamResult(),
        peak_rss=peak,
        cpu_seconds=cpu,
        usage_source=source,
        signals=run.ladder.signals,
        survivors=run.ladder.survivors,
        escaped=tuple(escaped if run.exit else [run.pid, *escaped]),
        snapshot=tuple(_masked(seen, command) for seen in run.snapshot),
        reason=_redacted(result.reason, command),
        warnings=tuple(_redacted(text, command) for text in warnings),
    )


def _warnings(run: Run, streams: dict[str, OutputStream]) -> list[str]:
    found = []
    if run.ladder.survivors:
        count = run.ladder.survivors
        found.append(
            f"{count} process{'es' * (count > 1)} outlived the command and had to be ended"
        )
    if run.left or run.exit is None:
        found.append("some of its processes could not be ended: see `escaped`")
    elif run.held_open:
        names = " and ".join(run.held_open)
        verb = "are" if len(run.held_open) > 1 else "is"
        found.append(f"{names} {verb} still held open by a process out of reach")
    if run.blind is not None:
        found.append(f"could not look for processes that outlived it: {run.blind}")
    for name, stream in streams.items():
        if stream.spool.error is not None:
            words = f"{stream.spool.error.strerror} ({stream.spool.path})"
            found.append(f"{name}: {stream.spool.dropped} bytes are not in its file: {words}")
    return found


def _masked(seen: ProcessSnapshot, command: Command) -> ProcessSnapshot:
    """Redacted first and cut then, or half a secret would stand at the cut."""
    text = _redacted(seen.command, command)
    return evolve(seen, command=text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}...")


def _redacted(text: str, command: Command) -> str:
    for secret in sorted(command.redact, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text


def _oom_kills() -> int:
    """How often this system's out-of-memory killer struck so far, in any container."""
    if sys.platform != "linux":
        return 0
    from pipekit.process.linux import procfs

    try:
        content = procfs.read("/proc/vmstat")
    except OSError:
        return 0
    found = content.find(b"\noom_kill ")
    return int(content[found + 10 : content.find(b"\n", found + 1)]) if found >= 0 else 0
