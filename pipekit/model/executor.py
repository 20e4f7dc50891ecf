"""Executors: what carries the tasks of a run to the machines that do their work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipekit.model.names import checked_name

LOCAL = "local"  # the executor that comes with pipekit, and is used unless another is named


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
    """What an executor gets when it is opened: the run's id and folders, and its core budget.

    `supervise(order)`: carries the order out in the calling thread, below the run's own
    supervisor; for executors that use this machine. `wake()`: may be called from any thread when
    an order has ended, so that the run need not wait for its next look.
    """

    run_id: str
    root: Path
    logs: Path
    state: Path
    cores: int
    supervise: Callable[[Order], None]
    wake: Callable[[], None]


class Executor:
    """An executor offered by a plugin: `open(ctx, settings)` is a context manager for an Engine.

    It is opened by the first stage of a run that uses it, and closed at the end of the run. Raises
    DefinitionError for an invalid name.
    """

    __slots__ = ("name", "open", "settings")

    def __init__(
        self,
        name: str,
        open: Callable[[ExecutorContext, Any], AbstractContextManager[Engine]],
        settings: type | None = None,
    ) -> None:
        checked_name(None, None, name)
        self.name = name
        self.open = open
        self.settings = settings
