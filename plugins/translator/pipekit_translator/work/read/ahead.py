"""Runs an iterator in a thread of its own, a few items ahead of whoever takes them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Queue
from typing import TypeVar

T = TypeVar("T")

DEPTH = 4  # items


class _Ended:
    """The last item: no more, or the error with which the iterator ended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[T]) -> Generator[T]:
    """The items, made meanwhile. The thread ends with the iterator, or when this one is closed."""
    queue: Queue[T | _Ended] = Queue(DEPTH)
    closed = threading.Event()
    thread = threading.Thread(target=_run, args=(items, queue, closed), daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        while not queue.empty():
            queue.get()
        thread.join()


def _run(items: Iterator[T], queue: Queue[T | _Ended], closed: threading.Event) -> None:
    ended = _Ended()
    try:
        for item in items:
            if closed.is_set():
                return
            queue.put(item)
    except BaseException as error:  # given to the thread that takes the items
        ended = _Ended(error)
    finally:
        queue.put(ended)
