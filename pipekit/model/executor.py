"""Executors: what an engine gets and says, and where a task was carried out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol


class OrderState(StrEnum):
    """What an engine says of an order. The truth about its work is in its folder, not here."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"  # well or badly: the engine does nothing more for it
    UNKNOWN = "unknown"  # the engine cannot tell, or not any more


class OrderStatus(NamedTuple):
    """The state of an order; the node it is on, and why it ended, as far as the engine knows."""

    state: OrderState
    node: str = ""
    reason: str = ""


class Order(NamedTuple):
    """One attempt at a task, as an engine gets it.

    `key`: unique, of letters, digits, `-`, `_`, `.` and `~`. `attempt`: its number in the ledger.
    `cores` and `memory` (bytes, 0 if unknown): what the task uses. `spec`: the file that
    `pipekit exec-task` carries out on a node, `digest` its SHA-256; both are empty for an executor
    that only calls `supervise`. `grace`: seconds that the task has to end when it is stopped.
    """

    key: str
    run_id: str
    stage: str
    task: str
    attempt: int = 0
    cores: int = 1
    memory: int = 0
    spec: str = ""
    digest: str = ""
    grace: float = 10.0


class Placement(NamedTuple):
    """Where another machine carried out an attempt at a task.

    `order`: the number of the attempt in the ledger. `engine_id`: what the engine calls it.
    `queued`: seconds until a node began, None if none did.
    """

    executor: str
    order: int
    engine_id: str = ""
    node: str = ""
    queued: float | None = None

    def record(self) -> dict[str, object]:
        """What events and reports say of it."""
        return self._asdict()

    def __str__(self) -> str:
        """For example `on n1 (slurm 4711, order 12), queued for 3.2 s`."""
        engine = " ".join(filter(None, (self.executor, self.engine_id)))
        where = f"on {self.node}" if self.node else "on no node"
        waited = "" if self.queued is None else f", queued for {self.queued:.1f} s"
        return f"{where} ({engine}, order {self.order}){waited}"


class Engine(Protocol):
    """What an executor's `open` yields: it starts orders, and says what has become of them.

    It may run an order twice, lose it or its result, and be wrong about it: the nodes and the run
    find out by the files of the attempt. It must not retry by itself. All methods are called by one
    thread. One that raises makes the order fail as one that could not be started.
    """

    def submit(self, order: Order) -> str:
        """Start an order as soon as there is room for it; returns the engine's id for it."""

    def poll(self, ids: Collection[str]) -> Mapping[str, OrderStatus]:
        """The states of these orders. Returns at once; what is left out is unknown."""

    def cancel(self, id: str) -> None:
        """Do not start this order any more. One that is running is stopped by its node."""

    def close(self) -> None:
        """End everything that was started only for this run; called once, at its end."""


class ExecutorContext(NamedTuple):
    """What an executor gets when it is opened: the run's id and folders, and its cores.

    `cores`: how many cores of this machine the run may use. `supervise(order)`: carries the order
    out in the calling thread, below the run's own supervisor; for executors that use this machine.
    `wake()`: may be called from any thread when an order has ended, so that the run need not wait
    for its next look.
    """

    run_id: str
    root: Path
    logs: Path
    state: Path
    cores: int
    supervise: Callable[[Order], None]
    wake: Callable[[], None]
