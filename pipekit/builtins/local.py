"""The executor `local`: tasks on this machine, each supervised by a thread of the run."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from pipekit import Executor, ExecutorContext, Order, OrderState, OrderStatus, hookimpl

PIPEKIT_API = "1"


class Threads:
    """The engine: a thread for each order. `poll` and `cancel` have nothing to add."""

    def __init__(self, ctx: ExecutorContext) -> None:
        self._ctx = ctx
        self._threads: dict[str, threading.Thread] = {}

    def submit(self, order: Order) -> str:
        """Start a thread. Raises RuntimeError or MemoryError if the system has none left."""
        thread = threading.Thread(target=self._ctx.supervise, args=(order,), name=order.key)
        thread.start()
        self._threads = {key: each for key, each in self._threads.items() if each.is_alive()}
        self._threads[order.key] = thread
        return order.key

    def poll(self, ids: Collection[str]) -> dict[str, OrderStatus]:
        """An order has ended when its thread has."""
        alive = {id for id, thread in self._threads.items() if thread.is_alive()}
        return {
            id: OrderStatus(OrderState.RUNNING if id in alive else OrderState.ENDED) for id in ids
        }

    def cancel(self, id: str) -> None:
        """Nothing to do: an order starts at once, and its supervisor hears of a cancellation."""

    def close(self) -> None:
        """Wait for the threads, whose commands have been cancelled or have ended."""
        for thread in self._threads.values():
            thread.join()


@contextmanager
def open_local(ctx: ExecutorContext, _settings: None) -> Iterator[Threads]:
    """Open the engine; it has no settings."""
    engine = Threads(ctx)
    try:
        yield engine
    finally:
        engine.close()


@hookimpl
def pipekit_executors() -> Iterator[Executor]:
    """Tasks on this machine."""
    yield Executor("local", open_local)
