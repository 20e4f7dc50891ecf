"""The engine of one executor while a run uses it: opened, guarded, and closed at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

import pipekit
from pipekit.config.digest import output_digest
from pipekit.errors import StorageError
from pipekit.model.event import EventKind
from pipekit.model.executor import Engine, ExecutorContext, Order, OrderState, OrderStatus
from pipekit.model.specs import Executor
from pipekit.plugins.fault import located
from pipekit.process.remote.node import MARKER
from pipekit.process.remote.spec import LeaseTerms, Promise
from pipekit.run.current_run import CurrentRun
from pipekit.run.project import Stage
from pipekit.run.remote.keeper import LeaseKeeper
from pipekit.storage.attempts import Attempt, Attempts
from pipekit.worker._files import make_folder, open_own

LEASE = "lease.json"  # in the run's folder
_SETTLERS = 4  # threads that wait for files of attempts, and hash them
_UNKNOWN = OrderStatus(OrderState.UNKNOWN)


class EngineError(Exception):
    """The executor's own code failed; the message is a clause."""


class RemoteEngine:
    """A context manager. `terms`: of the lease. `settlers`: see `settle`; `attempts`: the ledger's.

    `problem`: why the executor could not be opened, empty if it was. What an executor's code raises
    is an EngineError.
    """

    def __init__(
        self, run: CurrentRun, executor: Executor, settings: Any, context: ExecutorContext
    ) -> None:
        paths = run.project.paths
        self.run = run
        self.name = executor.name
        self.problem = ""
        self.attempts = Attempts(run.ledger)
        lease = paths.runs / run.run_id / f"{executor.name}.{LEASE}"
        self.terms = LeaseTerms(str(lease), run.project.configuration.pipeline.lease)
        self.settlers = ThreadPoolExecutor(_SETTLERS, thread_name_prefix="settle")
        self._executor, self._settings, self._context = executor, settings, context
        self._engine: Engine | None = None
        self._opened = ExitStack()
        self._settled: list[int] = []
        self._told = ""
        self._marker = ""
        make_folder(lease.parent, paths.file_mode)
        self.keeper = LeaseKeeper(lease, self.terms.seconds, paths.file_mode)

    def __enter__(self) -> Self:
        self.keeper.start()
        self._opened.callback(self.keeper.close)
        self._opened.callback(self.settlers.shutdown)
        try:
            self._marker = _marker(self.run)
            opening = self._executor.open(self._context, self._settings)
            self._engine = self._opened.enter_context(opening)
        except (Exception, SystemExit) as error:  # the isolation boundary of executors
            self.problem = f"the executor {self.name!r} cannot be used: {located(error)}"
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        try:
            self._opened.close()
        except (Exception, SystemExit) as error:  # the isolation boundary of executors
            self.warn(f"the executor {self.name!r} could not be closed: {located(error)}")

    def warn(self, text: str) -> None:
        """A warning of the run."""
        self.run.events.emit("pipeline", EventKind.WARNING, text, executor=self.name)

    def promise(self, stage: Stage) -> Promise:
        """What the nodes of a stage must have in common with the run."""
        installed = self.run.project.plugins.stages.get(stage.name)
        plugin = {installed.origin.distribution: installed.origin.version} if installed else {}
        return Promise(
            root=str(self.run.project.paths.root),
            marker=self._marker,
            versions={"pipekit": pipekit.__version__, **plugin},
            settings=output_digest(stage.settings),
        )

    def submit(self, order: Order) -> str:
        """Submit an order; returns the engine's id. Raises EngineError."""
        if self._engine is None:
            raise EngineError(self.problem)
        try:
            return str(self._engine.submit(order))
        except (Exception, SystemExit) as error:  # the isolation boundary of executors
            raise EngineError(
                f"the executor {self.name!r} did not take it: {located(error)}"
            ) from error

    def poll(self, ids: Sequence[str]) -> Mapping[str, OrderStatus]:
        """What the engine says; nothing if it fails, which is a warning once."""
        if self._engine is None:
            return {}
        try:
            return dict(self._engine.poll(ids))
        except (Exception, SystemExit) as error:  # the isolation boundary of executors
            text = f"the executor {self.name!r} does not answer: {located(error)}"
            if text != self.problem:
                self.problem = text
                self.warn(text)
            return {}

    def cancel(self, id: str) -> None:
        """Ask the engine not to start an order, or to remove it."""
        try:
            if self._engine is not None and id:
                self._engine.cancel(id)
        except (Exception, SystemExit) as error:  # the isolation boundary of executors
            self.warn(f"the executor {self.name!r} did not cancel {id}: {located(error)}")

    def tell_problems(self) -> None:
        """Warn that the lease cannot be renewed, once: the nodes will stop."""
        if self.keeper.problem and self.keeper.problem != self._told:
            self._told = self.keeper.problem
            self.warn(f"{self._told}; tasks on other machines stop within {self.terms.seconds:g} s")

    def settle(self, attempt: Attempt) -> None:
        """Nothing can be running any more for this attempt; noted with the next `flush`."""
        self._settled.append(attempt.number)

    def flush(self) -> None:
        """Note in the ledger which attempts are settled."""
        if self._settled:
            self.attempts.settle(self._settled)
            self._settled.clear()


def _marker(run: CurrentRun) -> str:
    """The id of the project's folder, made when it is first asked for. Raises StorageError."""
    paths = run.project.paths
    file = paths.root / MARKER
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(open_own(file, flags, 0o644), "wb", buffering=0) as new:
                new.write(f"{os.urandom(16).hex()}\n".encode())
                os.fsync(new.fileno())
        except FileExistsError:
            pass
        return file.read_text("utf-8", "replace").strip()
    except OSError as error:
        raise StorageError(f"cannot use {file}: {error.strerror}") from error
