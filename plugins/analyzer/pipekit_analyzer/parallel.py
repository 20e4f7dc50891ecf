"""A function over many items in a few threads; knows no bars. pyarrow and numpy let threads run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def together(
    function: Callable[[_Item], _Found], items: Iterable[_Item], threads: int
) -> list[_Found]:
    """The function's results in the order of the items. Raises the first exception of one."""
    todo = list(enumerate(items))
    places = iter(todo)
    lock = threading.Lock()
    found: dict[int, _Found] = {}
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not errors:
                with lock:
                    place = next(places, None)
                if place is None:
                    return
                found[place[0]] = function(place[1])
        except BaseException as error:  # raised below, in the caller's thread
            errors.append(error)

    others = [threading.Thread(target=work) for _ in range(min(threads, len(todo)) - 1)]
    for thread in others:
        thread.start()
    work()
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
    return [found[number] for number in sorted(found)]
