"""The engine: each order is one call of `pipekit.remote.execute` on a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import CancelledError
from threading import Lock
from typing import Any

from distributed import Client

from pipekit import Order, OrderState, OrderStatus
from pipekit.remote import execute, reply_of
from pipekit_dask.cluster import MEMORY, RESOURCE, largest_worker

_ANSWER_SECONDS = 20.0  # for a small text to come from a worker that has it
_WAITING = ("pending", "processing", "waiting")


class DaskEngine:
    """Submits orders to a Dask scheduler. `wake`: called when one has ended.

    Dask may run an order again after its worker was lost or retired, or when its result was: the
    node refuses that. Its own retries are off.
    """

    def __init__(self, client: Client, wake: Callable[[], None]) -> None:
        self._client = client
        self._wake = wake
        self._largest = 0
        self._lock = Lock()
        self._futures: dict[str, Any] = {}
        self._ended: dict[str, OrderStatus] = {}

    def submit(self, order: Order) -> str:
        """Queue the order; a task that wants more cores than any worker has gets all of one's."""
        if self._largest < order.cores:
            self._largest = largest_worker(self._client)
        cores = min(order.cores, self._largest or order.cores)
        memory = {MEMORY: order.memory} if order.memory else {}
        future = self._client.submit(
            execute,
            order.spec,
            order.digest,
            keep=True,
            key=order.key,
            pure=False,
            retries=0,
            resources={RESOURCE: cores, **memory},
        )
        with self._lock:
            self._futures[order.key] = future
        future.add_done_callback(self._done)
        return order.key

    def poll(self, ids: Collection[str]) -> dict[str, OrderStatus]:
        """What is known here, without asking the scheduler."""
        with self._lock:
            known = {id: self._ended.get(id) for id in ids}
            waiting = {id: self._futures[id].status for id in ids if id in self._futures}
        found = {}
        for id, ended in known.items():
            if ended is not None:
                found[id] = ended
            elif waiting.get(id) in (*_WAITING, "finished", "error"):
                found[id] = OrderStatus(OrderState.QUEUED)
        return found

    def cancel(self, id: str) -> None:
        """Forget the order: a scheduler does not start what nobody wants."""
        with self._lock:
            future = self._futures.pop(id, None)
        if future is not None:
            future.release()

    def close(self) -> None:
        """Forget all orders."""
        for id in list(self._futures):
            self.cancel(id)

    def _done(self, future: Any) -> None:
        """The order has ended, or Dask has lost it; called in a thread of the client's."""
        status = _status(future)
        with self._lock:
            if self._futures.pop(future.key, None) is None:
                return  # cancelled meanwhile
            self._ended[future.key] = status
        future.release()  # or Dask would compute it anew if its worker is lost
        self._wake()


def _status(future: Any) -> OrderStatus:
    try:
        return reply_of(future.result(timeout=_ANSWER_SECONDS)).status
    except CancelledError:
        return OrderStatus(OrderState.UNKNOWN, reason="Dask has lost track of it")
    except Exception as error:  # whatever Dask makes of a worker that died
        return OrderStatus(OrderState.ENDED, reason=f"{type(error).__name__}: {error}")
