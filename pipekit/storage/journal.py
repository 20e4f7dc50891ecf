"""The journal: one JSON object a line, appended with one write each; knows nothing of sinks."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_BLOCK = 64 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # `dumps` makes one a call


class Journal:
    """Appends records to a JSONL file whose tail is repaired when it is opened.

    `append` never raises: `healthy` turns False, with the reason in `problem`, when a record could
    not be written. Opening raises OSError.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self.path = path
        self.problem = ""
        self._descriptor = os.open(path, flags, 0o644)
        _drop_torn_line(self._descriptor)

    @property
    def healthy(self) -> bool:
        """Whether every record so far was written whole."""
        return not self.problem

    def append(self, record: Mapping[str, Any], *, sync: bool = False) -> None:
        """Write one record; with `sync` it is on the disk when this returns."""
        line = _line(record)
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                raise OSError("the disk is full")  # a short write on a file means just that
            if sync:
                os.fsync(self._descriptor)
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror or error}"

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        os.close(self._descriptor)


def _line(record: Mapping[str, Any]) -> bytes:
    r"""A record as strict JSON, whatever stands in it.

    What no text encoding holds (file names that are no text) becomes a `\udcXX` escape, which JSON
    knows; what JSON does not know becomes text.
    """
    try:
        text = _encode(record)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(_plain(record), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _plain(value: Any, depth: int = 20) -> Any:
    """The nearest JSON value; numbers that are none become null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if depth and isinstance(value, Mapping):
        return {_text(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # the isolation boundary of what others give events as data
        return f"<{type(value).__name__}>"


def _drop_torn_line(descriptor: int) -> None:
    """Cut off what a killed writer left after the last newline."""
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(end - _BLOCK, 0)
        os.lseek(descriptor, start, os.SEEK_SET)
        newline = os.read(descriptor, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a journal; a torn last line is passed over. Raises OSError."""
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record
