"""The date in the name of a file, or of an archive's member, whose rows have only a time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.stamps import StampReader
from pipekit_translator.work.table import Flags, Ints


class NamedDate:
    """The parts (Ymd) of the date in a name; none if rows have dates. Raises RejectedError."""

    def __init__(self, format: FileFormat, name: str) -> None:
        self._parts: dict[str, Ints] = {}
        if format.date is None:
            return
        text = format.date.of_name(name)
        found = _read(format.date.format, text) if text else None
        if found is None:
            raise RejectedError(
                f"the pattern {format.date.pattern!r} (date) finds no date of the form "
                f"{format.date.format} in the file name: rename the file or change the pattern"
            )
        self._parts = {code: np.array([value]) for code, value in found.items()}

    def of_rows(self, ok: Flags) -> dict[str, Ints]:
        """The same date for each row."""
        return {code: np.repeat(value, len(ok)) for code, value in self._parts.items()}


@lru_cache(256)
def _read(format: str, text: str) -> dict[str, int] | None:
    """The parts of a date; None if the text is none."""
    buffer = np.frombuffer(text.encode(), np.uint8)
    whole = np.zeros(1, np.int64), np.array([len(buffer)])
    parts, ok = StampReader(format, loose=False).read(buffer, *whole, 1)
    return {code: int(value[0]) for code, value in parts.items()} if ok.all() else None
