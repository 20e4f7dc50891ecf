"""ProcessSupervisor: run a command to the end of its whole process tree and report the result.

On Linux each command runs below a guardian (linux/guardian.py), which ends the whole tree even if
this process dies. macOS and Windows have back ends of their own behind the same interface; see
docs/reference/platforms.md for what holds where.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipekit.errors import DefinitionError
from pipekit.model.command import (
    Command,
    Outcome,
    ProcessResult,
    ProcessSnapshot,
    StreamResult,
)
from pipekit.model.place import Place
from pipekit.process.cancel import Cancel
from pipekit.process.child import Child
from pipekit.process.leftovers import kill_leftovers
from pipekit.process.loop import Supervision
from pipekit.process.output.listener import OnLines, OnOutput
from pipekit.process.output.spool import Spool, SpoolFiles
from pipekit.process.output.stream import OutputStream
from pipekit.process.start import SpawnError, resource_shortage
from pipekit.process.verdict import combined_usage, judge
from pipekit.worker._files import PRIVATE

_numbers = itertools.count(1)
_MAX_COMMAND_LINE = 200  # characters of a command line in a snapshot
_SUFFIX = {"stdout": ".out", "stderr": ".err"}


class ProcessSupervisor:
    """Runs commands, each to the end of its whole process tree; may be used by many threads.

    `spool_dir`: the folder for output files, created with the first output; None keeps only the
    tails. It is created only while `within` is there (default: no condition). `spool_mode`: the
    mode of these files; by default only their owner may read them. `hold_fds`: descriptors that
    stay open as long as a command's tree lives, even if this process dies (a run's lock); on Linux
    the guardians hold them, the commands never get them. `cookie`: names all processes of this
    supervisor, for `kill_leftovers`; random by default.

    On Linux all supervisors of a process share one spawner process. It is started by the first
    command and ends with the last supervisor that has used it.
    """

    def __init__(
        self,
        spool_dir: Path | None = None,
        hold_fds: Iterable[int] = (),
        cookie: str = "",
        *,
        spool_mode: int = PRIVATE,
        within: Place | None = None,
    ) -> None:
        if any(letter in cookie for letter in ":\0"):
            raise DefinitionError(f"cookie {cookie!r} contains a colon or a NUL character")
        self._spool_dir = spool_dir
        self._spool_mode = spool_mode
        self._within = within
        self._commands: dict[str, int] = {}  # how many of each name were executed
        self._hold_fds = tuple(hold_fds)
        self._cookie = cookie or f"{os.getpid()}.{os.urandom(6).hex()}"
        self._spawner: object = None  # a reference keeps it alive for the next command

    def execute(
        self,
        command: Command,
        on_lines: OnLines | None = None,
        cancel: Cancel | None = None,
        *,
        name: str = "command",
        on_output: OnOutput | None = None,
    ) -> ProcessResult:
        """Run `command` in the calling thread until nothing of it is left.

        `on_lines(stream, lines)` gets the output in batches, in a thread of its own. An exception
        that it raises becomes a warning, as does a call that does not return. If it is slow, the
        command has to wait once 4 MiB of lines are pending. `on_output(stream, data)` gets the same
        as bytes; it may take as long as it likes while there is no timeout and no cancellation.
        `cancel` stops the command from any thread. The output is kept in `{spool_dir}/{name}.out`
        and `.err`, byte for byte. If one of these files is there already, the next free name is
        used (`{name}-2.out`); the result says which. A stream without output leaves no file.

        Returns within the command's deadline, its grace and half a second. Never raises for what
        the command does or if it cannot be started: that is a result. Raises DefinitionError for a
        name that cannot be a file's. If a signal handler raises, the whole tree is killed before
        the exception passes on.
        """
        streams = self._streams(command, name, lines=on_lines is not None)
        started, begun = time.time(), time.monotonic()
        if cancel is not None and cancel.is_set():
            return _not_started(Outcome.CANCELLED, "cancelled before it was started", started)
        oom_kills = _oom_kills()
        try:
            supervision = self._supervise(
                command, streams, cancel, on_lines=on_lines, on_output=on_output
            )
        except SpawnError as error:
            return _not_started(error.outcome, _redacted(str(error), command), started)
        except OSError as error:
            if error.errno is None:  # raised by a signal handler
                raise
            return _broken_off(error, streams, started, begun)
        except MemoryError:
            return _broken_off(OSError(errno.ENOMEM, ""), streams, started, begun)
        except ImportError as error:  # no descriptor, or no memory, is left to load a module
            reason = f"a part of the supervisor could not be loaded: {error}"
            return _not_started(Outcome.SPAWN_FAILED, reason, started)
        result = _result(command, supervision, streams, oom_kill=_oom_kills() > oom_kills)
        return result._replace(started=started, duration=supervision.now())

    def _supervise(
        self,
        command: Command,
        streams: dict[str, OutputStream],
        cancel: Cancel | None,
        **callbacks: Any,
    ) -> Supervision:
        """The finished supervision. Raises SpawnError; after an interrupt the tree is killed."""
        tree = f"{self._cookie}.{next(_numbers)}"
        child = supervision = None
        try:
            child = self._start(command, tree, cancel)
            supervision = Supervision(command, child, streams, cancel=cancel, **callbacks)
            supervision.run()
        except BaseException as error:
            if supervision is None and getattr(error, "outcome", None) is not Outcome.SPAWN_FAILED:
                kill_leftovers(tree)
            raise
        finally:
            if supervision is not None:
                supervision.close()
            elif child is not None:
                child.close()
        return supervision

    def _start(self, command: Command, tree: str, cancel: Cancel | None) -> Child:
        if sys.platform == "win32":
            from pipekit.process.windows import child as windows  # the back end of this system

            return windows.start(command, tree, cancel)
        cancel_fd = cancel.fileno() if cancel is not None else -1
        if sys.platform == "linux":
            from pipekit.process.linux import child as linux  # the back end of this system
            from pipekit.process.linux import spawner_client

            self._spawner = spawner_client.shared_spawner()
            return linux.start(command, tree, self._spawner, self._hold_fds, cancel_fd)
        from pipekit.process.macos import child as macos  # the back end of this system

        return macos.start(command, tree, cancel_fd)

    def _next(self, name: str) -> int:
        """The number of the next command of this name; another supervisor may have taken it."""
        self._commands[name] = self._commands.get(name, 0) + 1
        return self._commands[name]

    def _streams(self, command: Command, name: str, *, lines: bool) -> dict[str, OutputStream]:
        if not name or name.startswith(".") or any(c in name for c in "/\\:\0"):
            raise DefinitionError(f"{name!r} cannot be the name of output files")
        lines = lines or command.done_pattern is not None or command.done is not None
        names = ("stdout",) if command.merge_stderr else ("stdout", "stderr")
        folder, encoding, redact = self._spool_dir, command.encoding, command.redact
        files = None
        if folder is not None:
            files = SpoolFiles(
                folder,
                name,
                _SUFFIX.values(),
                within=self._within,
                number=self._next(name),
                mode=self._spool_mode,
            )
        return {
            s: OutputStream(Spool(files, _SUFFIX[s]), encoding, redact, lines=lines) for s in names
        }


def _not_started(outcome: Outcome, reason: str, started: float) -> ProcessResult:
    return ProcessResult(outcome=outcome, reason=reason, started=started)


def _broken_off(
    error: OSError, streams: dict[str, OutputStream], started: float, begun: float
) -> ProcessResult:
    """The result when the system refused something while the command ran, which was then killed."""
    why = resource_shortage(error) or os.strerror(error.errno or 0)
    return ProcessResult(
        outcome=Outcome.LOST,
        reason=f"its supervision failed, so it was killed: {why}",
        started=started,
        duration=time.monotonic() - begun,
        stdout=streams["stdout"].result(),
        stderr=streams["stderr"].result() if "stderr" in streams else StreamResult(),
    )


def _result(
    command: Command,
    supervision: Supervision,
    streams: dict[str, OutputStream],
    *,
    oom_kill: bool,
) -> ProcessResult:
    outcome, exit = supervision.outcome or Outcome.EXITED, supervision.exit
    result = judge(command, outcome, exit, stopped=supervision.stopped, oom_kill=oom_kill)
    peak, cpu, source = combined_usage(supervision.hang_watch.usage, exit)
    remaining = [member.pid for member in supervision.remaining]
    warnings = [*_warnings(supervision, streams), *supervision.warnings()]
    return result._replace(
        stdout=streams["stdout"].result(),
        stderr=streams["stderr"].result() if "stderr" in streams else StreamResult(),
        peak_rss=peak,
        cpu_seconds=cpu,
        usage_source=source,
        signals=supervision.stop.signals,
        survivors=supervision.stop.survivors,
        undelivered=supervision.undelivered,
        escaped=tuple(remaining if exit else [supervision.pid, *remaining]),
        snapshot=tuple(_shortened(seen, command) for seen in supervision.snapshot),
        reason=_redacted(result.reason, command),
        warnings=tuple(_redacted(text, command) for text in warnings),
    )


def _warnings(supervision: Supervision, streams: dict[str, OutputStream]) -> list[str]:
    found = []
    if survivors := supervision.stop.survivors:
        processes = f"{survivors} process{'es' * (survivors > 1)}"
        found.append(f"{processes} outlived the command and had to be killed")
    if supervision.remaining or supervision.exit is None:
        found.append("some of its processes could not be killed: see `escaped`")
    elif names := supervision.open_streams:
        verb = "are" if len(names) > 1 else "is"
        found.append(f"{' and '.join(names)} {verb} still held open by a process out of reach")
    if supervision.scan_error is not None:
        found.append(f"could not look for processes that outlived it: {supervision.scan_error}")
    for name, stream in streams.items():
        found += [f"{name}: {loss}" for loss in stream.spool.losses]
        if (error := stream.spool.error) is not None:
            where = error.filename or stream.spool.path
            why = f"{error.strerror} ({where})" if where else error.strerror
            found.append(f"{name}: {stream.spool.dropped} bytes are not in its file: {why}")
    return found


def _shortened(seen: ProcessSnapshot, command: Command) -> ProcessSnapshot:
    text = _redacted(seen.command, command)  # first, or half a secret could remain at the cut
    short = text if len(text) <= _MAX_COMMAND_LINE else f"{text[: _MAX_COMMAND_LINE - 3]}..."
    return seen._replace(command=short)


def _redacted(text: str, command: Command) -> str:
    for secret in sorted(command.redact, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text


def _oom_kills() -> int:
    """How often this system's out-of-memory killer has struck so far, in any container."""
    if sys.platform != "linux":
        return 0
    try:
        from pipekit.process.linux import procfs  # only on Linux

        content = procfs.read("/proc/vmstat")
    except (OSError, ImportError, MemoryError):
        return 0
    found = content.find(b"\noom_kill ")
    return int(content[found + 10 : content.find(b"\n", found + 1)]) if found >= 0 else 0
