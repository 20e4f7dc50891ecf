"""The events of a run, from its journal: page by page, and from a certain one on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipekit.model.event import Event
from pipekit.read import lines
from pipekit.read.lines import Line, Page
from pipekit.storage.journal import parsed_record

_FEW = 16 * 1024  # bytes that are looked at to find the number of an event


class EventPage(NamedTuple):
    """Events in their order, each with the byte offset after it. Otherwise as `lines.Page`."""

    events: tuple[tuple[int, Event], ...]
    start: int
    end: int
    size: int


def events_before(path: Path, end: int | None = None, count: int = lines.PAGE_LINES) -> EventPage:
    """The last events before the byte `end`, by default of the journal. Raises OSError."""
    return _page(lines.lines_before(path, end, count=count))


def events_after(path: Path, start: int = 0, count: int = lines.PAGE_LINES) -> EventPage:
    """The events from the byte `start` on. Raises OSError."""
    return _page(lines.lines_after(path, start, count=count))


def find_events(path: Path, text: str, start: int = 0, count: int = 200) -> EventPage:
    """Events with this text from the byte `start` on; see `lines.search`. Raises OSError."""
    return _page(lines.search(path, text, start, count=count))


def offset_of(path: Path, seq: int) -> int:
    """Where the event with this number begins, or the first one after it. Raises OSError.

    Numbers grow, so about 20 looks find it in a journal of a million events.
    """
    low, high = 0, os.stat(path).st_size
    while low < high:
        middle = (low + high) // 2
        page = _page(lines.lines_after(path, middle, count=1, most=_FEW))
        first = page.events[0] if page.events else None
        if first is None or page.start >= high or first[1].seq >= seq:
            high = middle
        else:
            low = first[0]
    return low


def parse_events(found: Iterable[Line]) -> Iterator[tuple[int, Event]]:
    """The events of whole lines, each with the offset after it; damaged lines are left out."""
    for line in found:
        record = parsed_record(line.data) if line.is_complete else None
        if record is not None:
            yield line.end, _event(record)


def _page(page: Page) -> EventPage:
    return EventPage(tuple(parse_events(page.lines)), page.start, page.end, page.size)


def _event(record: Mapping[str, Any]) -> Event:
    seq, data = record.get("seq"), record.get("data")
    return Event(
        run_id=_text(record, "run_id"),
        seq=seq if isinstance(seq, int) else 0,
        stage=_text(record, "stage"),
        event=_text(record, "event"),
        timestamp=_text(record, "timestamp"),
        msg=_text(record, "msg"),
        data=data if isinstance(data, dict) else {},
    )


def _text(record: Mapping[str, Any], key: str) -> str:
    return str(record.get(key) or "")
