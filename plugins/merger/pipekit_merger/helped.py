"""A `map` for tasks in a pool of threads, in which those help that have nothing else to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Executor, ahead: int
) -> Iterator[Result]:
    """What the function makes of each item, in order, at most `ahead` more of them begun before.

    What no thread of the pool has begun is done here: a task never waits for a thread, though all
    may be busy with tasks like it.
    """
    begun: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        begun.append((item, pool.submit(function, item)))
        if len(begun) > ahead:
            yield _first(function, begun)
    while begun:
        yield _first(function, begun)


def _first(function: Callable[[Item], Result], begun: deque[tuple[Item, Future[Result]]]) -> Result:
    """The first one's result; until it is there, others are done."""
    for place, (item, future) in enumerate(tuple(begun)):
        if begun[0][1].done():
            break
        if future.cancel():
            done: Future[Result] = Future()
            done.set_result(function(item))
            begun[place] = item, done
    return begun.popleft()[1].result()
