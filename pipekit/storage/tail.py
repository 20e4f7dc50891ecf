"""Reads journals from their end, in blocks, however large they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipekit.model.event import RUN_ENDS, EventKind
from pipekit.model.names import is_name
from pipekit.model.status import StageStatus
from pipekit.worker._files import open_own

_BLOCK = 64 * 1024
_LONGEST_LINE = 8 * 1024 * 1024  # a longer one is skipped: memory stays bounded
_LOOK_BACK = 2_000  # records in which the ends of stages are looked for
_TEXTS = ("stage", "event")  # without these, a line is not an event
_STAGE_ENDS = frozenset(map(EventKind, StageStatus))


class Tail(NamedTuple):
    """What the end of a journal says about its run.

    `records`: whether there is any. `last_seq`: of its last event. `last_time`: of the last event,
    as text. `end`: the last event, if it is the end of the run. `running`: the stage that had begun
    and not ended. `ended`: the data of each stage's end, in the order of the run.
    """

    records: bool = False
    last_seq: int = 0
    last_time: str = ""
    end: Mapping[str, Any] | None = None
    running: str = ""
    ended: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


def read_tail(path: Path, count: int = _LOOK_BACK) -> Tail:
    """What the last `count` records of a journal say; nothing if it cannot be read."""
    last: dict[str, Any] | None = None
    seq = 0
    running: str | None = None
    ended: dict[str, Mapping[str, Any]] = {}
    for record in islice(newest_records(path), count):
        last = last or record
        seq = seq or _integer(record.get("seq"))
        stage, kind = record.get("stage"), record.get("event")
        if stage == "pipeline" and kind == EventKind.START:
            break
        if is_name(stage):
            over = kind in _STAGE_ENDS
            if over:
                ended.setdefault(stage, _mapping(record.get("data")))
            if running is None:  # only the last one can be
                running = "" if over else stage
    if last is None:
        return Tail()
    return Tail(
        records=True,
        last_seq=seq,
        last_time=str(last.get("timestamp", "")),
        end=last if _is_end(last) else None,
        running=running or "",
        ended=dict(reversed(ended.items())),
    )


def has_ended(descriptor: int) -> bool:
    """Whether the last event of an open journal is the end of its run."""
    return any(map(_is_end, islice(_records_backwards(descriptor), 1)))


def last_records(path: Path, count: int) -> list[dict[str, Any]]:
    """The last records of a journal, oldest of them first. Raises OSError."""
    with open(open_own(path, os.O_RDONLY), "rb"):  # an error is the caller's matter
        return list(islice(newest_records(path), count))[::-1]


def first_record(path: Path) -> dict[str, Any]:
    """The first record of a journal; empty if it cannot be read."""
    try:
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            return _record(file.readline(_BLOCK)) or {}
    except OSError:
        return {}


def newest_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a journal, the last one first; none if it cannot be read.

    Lines that are incomplete or no events are left out.
    """
    try:
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            yield from _records_backwards(file.fileno())
    except OSError:
        return


def _records_backwards(descriptor: int) -> Iterator[dict[str, Any]]:
    return filter(None, map(_record, _lines_backwards(descriptor)))


def _lines_backwards(descriptor: int) -> Iterator[bytes]:
    """The complete lines of a file, the last one first."""
    end = os.fstat(descriptor).st_size
    rest = b""  # the part of a line that has been read: its end
    drop = True  # that line: nothing follows the last line end, unless a writer was killed
    while end > 0:
        start = max(end - _BLOCK, 0)
        os.lseek(descriptor, start, os.SEEK_SET)
        first, *lines = os.read(descriptor, end - start).split(b"\n")
        end = start
        if lines:
            lines[-1] += rest
            if drop:
                lines.pop()
            drop = False
            yield from reversed(lines)
            rest = first
        elif not drop:
            rest = first + rest
        if len(rest) > _LONGEST_LINE:
            rest, drop = b"", True
    if rest and not drop:
        yield rest


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(record, dict) and all(isinstance(record.get(key), str) for key in _TEXTS)
    return record if known else None


def _is_end(record: dict[str, Any]) -> bool:
    return record.get("stage") == "pipeline" and record.get("event") in RUN_ENDS


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
