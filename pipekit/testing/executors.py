"""The contract of executors: real orders, carried out by a real engine."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipekit.model.command import Command, Outcome
from pipekit.model.executor import Engine, ExecutorContext, Order, OrderState
from pipekit.model.specs import Executor
from pipekit.process.remote.folder import AttemptFolder, begin, read_json, write_json
from pipekit.process.remote.lease import Orders, write_lease
from pipekit.process.remote.outcome import TaskOutcome, read_outcome
from pipekit.process.remote.spec import LeaseTerms, TaskSpec
from pipekit.remote import execute
from pipekit.testing.contract import Contract, check_settings, chosen

_RUN_ID = "01900000-0000-7000-8000-000000000000"
_NAP = 0.02
_HELLO = "from pipekit.worker import publish; publish('data/out.txt', b'done'); print('hello')"
_SLEEP = "import time; time.sleep(600)"


class Attempts:
    """Makes orders in a project folder, as a run does, and waits for what becomes of them."""

    def __init__(self, root: Path, patience: float) -> None:
        self.root = root
        self.lease = root / "logs" / "lease.json"
        self._patience = patience
        self._made = 0

    def order(self, code: str) -> Order:
        """An order to run this Python code."""
        self._made += 1
        folder = self.root / "logs" / str(self._made)
        folder.mkdir(parents=True)
        self.renew()
        spec = TaskSpec(
            command=Command(argv=[sys.executable, "-c", code], cwd=self.root, grace=2.0),
            attempt=self._made,
            lease=LeaseTerms(str(self.lease), self._patience),
        )
        data = write_json(folder / "spec.json", spec.record())
        return Order(
            key=f"contract-{self.root.parent.name}-{self._made}",
            run_id=_RUN_ID,
            stage="contract",
            task=f"task-{self._made}",
            attempt=self._made,
            spec=str(folder / "spec.json"),
            digest=hashlib.sha256(data).hexdigest(),
            grace=2.0,
        )

    def renew(self, *, cancelled: bool = False) -> None:
        """Write the lease, as a run does again and again."""
        write_lease(self.lease, time.time_ns(), Orders(cancelled=cancelled))

    def folder(self, order: Order) -> AttemptFolder:
        """Where the node writes."""
        return AttemptFolder(Path(order.spec).parent)

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + self._patience
        while not is_so():
            assert time.monotonic() < deadline, f"not within {self._patience:g} s: {what}"
            time.sleep(_NAP)

    def outcome(self, order: Order) -> TaskOutcome:
        """Wait for the outcome of an order."""
        folder = self.folder(order)
        self.until(folder.outcome.exists, f"order {order.attempt} has an outcome")
        return read_outcome(read_json(folder.outcome)[0])


def _supervise(order: Order) -> None:
    execute(order.spec, order.digest)


class ExecutorContract(Contract):
    """The rules for all executors. Subclass it, and set `executor`.

    Override `settings` if the defaults cannot be used in a test (an address). `patience`: seconds
    within which an order that is submitted has begun and ended.
    """

    executor: ClassVar[Executor]
    patience: ClassVar[float] = 60.0

    @pytest.fixture
    def attempts(self, project: Path) -> Attempts:
        """Makes orders."""
        return Attempts(project, self.patience)

    @contextmanager
    def opened(self, root: Path, wake: Callable[[], None] = lambda: None) -> Iterator[Engine]:
        """The engine, opened as a run does."""
        context = ExecutorContext(
            run_id=_RUN_ID,
            root=root,
            logs=root / "logs",
            state=root / ".pipekit",
            cores=2,
            supervise=_supervise,
            wake=wake,
        )
        settings: Any = chosen(self.executor.settings, self.settings)
        with self.executor.open(context, settings) as engine:
            yield engine

    def test_every_setting_has_help_and_a_default(self) -> None:
        """Every setting can be explained, and omitted unless the test gives values."""
        check_settings(self.executor.settings, self.settings)

    def test_it_carries_out_orders(self, project: Path, attempts: Attempts) -> None:
        """Each is done once; its files stay in its folder; then the engine says that it ended."""
        woken = threading.Event()
        with self.opened(project, woken.set) as engine:
            orders = [attempts.order(_HELLO) for _ in range(3)]
            ids = [engine.submit(order) for order in orders]
            assert len(set(ids)) == 3, f"`submit` must return an id of its own each time, not {ids}"
            for order in orders:
                outcome = attempts.outcome(order)
                assert outcome.process.success
                assert outcome.attempt == order.attempt
                folder = attempts.folder(order)
                assert (folder.path / "command.out").read_text() == "hello\n"
                assert (folder.files / "data/out.txt").read_text() == "done"
            assert not (project / "data").exists()
            states = (OrderState.ENDED,)
            attempts.until(
                lambda: all(said.state in states for said in engine.poll(ids).values()),
                "`poll` says of all orders that they have ended",
            )
            unknown = set(ids) - set(engine.poll(ids))
            assert not unknown, f"`poll` must say of orders that they have ended; not of {unknown}"

    def test_a_failure_is_an_outcome(self, project: Path, attempts: Attempts) -> None:
        """A program that fails is no error of the engine's."""
        with self.opened(project) as engine:
            order = attempts.order("raise SystemExit(7)")
            engine.submit(order)
            assert attempts.outcome(order).process.returncode == 7

    def test_an_order_that_was_forbidden_does_nothing(
        self, project: Path, attempts: Attempts
    ) -> None:
        """Whatever the engine repeats or delays: who comes second does not begin."""
        with self.opened(project) as engine:
            order, other = attempts.order(_HELLO), attempts.order(_HELLO)
            assert begin(attempts.folder(order), "the run")
            engine.submit(order)
            engine.submit(other)
            attempts.outcome(other)
        assert not attempts.folder(order).outcome.exists()
        assert not attempts.folder(order).files.exists()

    def test_the_lease_stops_what_runs(self, project: Path, attempts: Attempts) -> None:
        """A run that is cancelled ends its tasks by the lease, on the node itself."""
        with self.opened(project) as engine:
            order = attempts.order(_SLEEP)
            engine.submit(order)
            attempts.until(attempts.folder(order).pulse.exists, "the order has begun")
            attempts.renew(cancelled=True)
            assert attempts.outcome(order).process.outcome is Outcome.CANCELLED

    def test_what_has_ended_or_never_was_can_be_cancelled(
        self, project: Path, attempts: Attempts
    ) -> None:
        """The run may be late."""
        with self.opened(project) as engine:
            order = attempts.order(_HELLO)
            id = engine.submit(order)
            attempts.outcome(order)
            engine.cancel(id)
            engine.cancel("never-was")
            again = attempts.order(_HELLO)
            engine.submit(again)
            assert attempts.outcome(again).process.success

    def test_it_can_be_opened_again(self, project: Path) -> None:
        """Each run opens it anew, and may have no order for it."""
        for _ in range(2):
            with self.opened(project) as engine:
                assert json.dumps(list(engine.poll([]))) == "[]"
