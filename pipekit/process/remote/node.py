"""What a node does with an attempt: begin it once, supervise it, and say how it ended.

The same supervisor as on the run's own machine: time-out, hang, cancellation and the end of whole
process trees are the same code. In addition the lease of the run is watched.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from attrs import evolve

from pipekit.errors import DefinitionError
from pipekit.model.command import Outcome, ProcessResult
from pipekit.process.cancel import Cancel
from pipekit.process.remote.folder import OUTPUT, AttemptFolder, begin, known_files, read_json
from pipekit.process.remote.lease import LeaseWatch
from pipekit.process.remote.outcome import TaskOutcome, write_outcome
from pipekit.process.remote.spec import Promise, TaskSpec, read_spec
from pipekit.process.supervisor import ProcessSupervisor
from pipekit.worker._files import open_own
from pipekit.worker._report import PUBLISH_VARIABLE, REPORT_VARIABLE

MARKER = ".pipekit-root"  # in the project's folder: its id, by which a node knows it again
_PULSES = 4  # in the time of a lease
_NAP = 0.02  # seconds between two looks at a command that is to end at once


class Answer(StrEnum):
    """What became of a request to carry out a spec."""

    ENDED = "ended"  # `outcome.json` says how
    DUPLICATE = "duplicate"  # it has begun elsewhere, or must not begin any more
    REFUSED = "refused"  # it has not begun: `reason` says why


class Reply(NamedTuple):
    """The answer of a node; `process` only if the command ended here."""

    answer: Answer
    node: str
    reason: str = ""
    process: ProcessResult | None = None


def node_name() -> str:
    """The name of this node: of the machine, and of the job or worker if there is one."""
    import platform  # only on a node

    slurm = os.environ.get("SLURMD_NODENAME", "")
    return slurm or platform.node()


def execute(spec_file: Path, *, digest: str = "", cancel: Cancel | None = None) -> Reply:
    """Carry out the spec in this file, in the calling thread, to the end of its process tree.

    `digest`: the SHA-256 that the file must have. `cancel`: stops it, as the run's lease does.
    Raises nothing for what can go wrong on a node: that is in the reply.
    """
    node, folder = node_name(), AttemptFolder(spec_file.parent)
    try:
        content, data = read_json(spec_file)
        if digest and hashlib.sha256(data).hexdigest() != digest:
            reason = f"{spec_file} is not the file that the run wrote: another folder of that name?"
            return Reply(Answer.REFUSED, node, reason)
        spec = read_spec(content)
        if not begin(folder, f"{node} process {os.getpid()}", spec.mode):
            return Reply(Answer.DUPLICATE, node, "it has begun before")
    except OSError as error:
        reason = f"{node} cannot use {error.filename or spec_file}: {error.strerror}"
        return Reply(Answer.REFUSED, node, reason)
    except (ValueError, DefinitionError) as error:
        return Reply(Answer.REFUSED, node, f"{spec_file}: {error}")
    began = time.time()
    try:
        process = _run(spec, folder, cancel)
        files = tuple(known_files(folder))
        outcome = TaskOutcome(spec.attempt, node, process, files, began, time.time())
        write_outcome(folder, outcome, spec.mode)
    except OSError as error:
        reason = f"{node} cannot use {error.filename or folder.path}: {error.strerror}"
        return Reply(Answer.ENDED, node, reason)
    return Reply(Answer.ENDED, node, process=process)


def _run(spec: TaskSpec, folder: AttemptFolder, cancel: Cancel | None) -> ProcessResult:
    """Supervise the command, unless something that was promised is not so. Raises OSError."""
    if broken := broken_promise(spec.promise):
        reason = f"{node_name()} is not fit for it: {broken}"
        return ProcessResult(Outcome.SPAWN_FAILED, reason=reason, started=time.time())
    with suppress(FileExistsError):  # the run has made it, if there is one
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        os.close(open_own(folder.report, flags, spec.mode))
    command = spec.command
    folder.files.mkdir(exist_ok=True)
    here = {REPORT_VARIABLE: str(folder.report), PUBLISH_VARIABLE: str(folder.files)}
    command = evolve(
        command,
        cwd=command.cwd or Path.cwd(),
        env={**command.env, **here},
        activity=command.activity or folder.report,
    )
    supervisor = ProcessSupervisor(folder.path, cookie=spec.cookie, spool_mode=spec.mode)
    with Cancel() as own:
        watch = _Watch(spec, folder, own, cancel)
        watch.start()
        try:
            result = supervisor.execute(command, None, own, name=OUTPUT)
        finally:
            watch.stop()
    if watch.lost and not result.success:
        reason = f"stopped on {node_name()}: {watch.lost}"
        return result._replace(outcome=Outcome.LOST, reason=reason, success=False)
    return result


class _Watch(threading.Thread):
    """Watches the lease, and a cancellation from here, while the command runs.

    `lost`: why the lease ended, empty if it did not.
    """

    def __init__(
        self, spec: TaskSpec, folder: AttemptFolder, own: Cancel, given: Cancel | None
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self.lost = ""
        self._attempt, self._terms = spec.attempt, spec.lease
        self._folder = folder
        self._mode = spec.mode
        self._own, self._given = own, given
        self._over = threading.Event()
        self._lease = LeaseWatch(Path(spec.lease.file), spec.lease.seconds) if self.leased else None
        self._beat, self._next = 0, 0.0
        self._look()

    @property
    def leased(self) -> bool:
        """Whether there is a lease."""
        return bool(self._terms.file)

    def stop(self) -> None:
        """The command has ended."""
        self._over.set()
        self.join()

    def run(self) -> None:
        nap = self._terms.poll if self.leased else 1.0
        if self._given is not None:
            nap = min(nap, 0.1)
        while not self._over.wait(_NAP if self._own.is_set() else nap):
            self._look()

    def _look(self) -> None:
        if self._given is not None and self._given.is_set():
            self._own.set(now=self._given.now)
        if self._lease is None:
            return
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._terms.seconds / _PULSES
            self._beat += 1
            with suppress(OSError):  # a full disk, or a share that is away: the lease decides
                write_pulse(self._folder, self._beat, self._mode)
        self._lease.look()
        orders = self._lease.orders
        if self.lost:
            return
        self.lost = self._lease.ended(self._attempt)
        if self.lost or orders.cancelled:
            self._own.set(now=orders.now)


def write_pulse(folder: AttemptFolder, beat: int, mode: int) -> None:
    """Say that the attempt is alive. Raises OSError."""
    descriptor = open_own(folder.pulse, os.O_WRONLY | os.O_CREAT, mode)
    with open(descriptor, "wb", buffering=0) as file:
        file.write(f"{beat}\n".encode())


def broken_promise(promise: Promise) -> str:
    """What this node lacks, as a clause; empty if it can do the work."""
    if promise.root:
        marker = Path(promise.root, MARKER)
        try:
            found = marker.read_text("utf-8", "replace").strip()
        except OSError as error:
            return f"it does not see the project in {promise.root} ({marker}: {error.strerror})"
        if found != promise.marker:
            return f"{promise.root} is another folder there (its {MARKER} differs)"
    for name, wanted in promise.versions.items():
        here = _installed(name)
        if here != wanted:
            has = f"has {name} {here}" if here else f"does not have {name}"
            return f"it {has}, the run has {wanted}: install the same version"
    return ""


def _installed(distribution: str) -> str:
    """The version of a distribution that is installed here; empty if it is not."""
    from importlib import metadata  # takes 30 ms, once in a process

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
