"""What workers reported about files; in little memory, as there may be 100,000 of them."""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from pipekit.worker import Verb


class FileRecord(NamedTuple):
    """A worker's report about a file: `verb` is consumed, wrote, unchanged or rejected.

    `signature` and `detail` (JSON): texts as the ledger stores them. `sources`: the inputs that a
    published file was made from. `complete`: False for an input that was consumed in part.
    """

    verb: Verb
    path: str
    fingerprint: str = ""
    signature: str = ""
    unit: str | None = None
    reason: str = ""
    detail: str = "{}"
    sources: tuple[str, ...] | None = None
    complete: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether its detail says that the file had no content."""
        return '"empty"' in self.detail and bool(json.loads(self.detail).get("empty"))


class FileRecords(Sequence[FileRecord]):
    """File records, each kept as some 400 bytes instead of as objects of twice the size."""

    def __init__(self, records: Iterable[FileRecord] = ()) -> None:
        self._verbs: list[Verb] = []
        self._packed: list[bytes] = []
        for record in records:
            self.append(record)

    def append(self, record: FileRecord) -> None:
        """Add a record."""
        self._verbs.append(Verb(record.verb))
        self._packed.append(marshal.dumps(tuple(record)[1:]))

    def changed(self, change: Callable[[FileRecord], FileRecord | None]) -> FileRecords:
        """What `change` makes of them, without those of which it makes None.

        Those that it returns as they are take no more memory.
        """
        found = FileRecords()
        for record, packed in zip(self, self._packed, strict=True):
            new = change(record)
            if new is record:
                found._verbs.append(record.verb)
                found._packed.append(packed)
            elif new is not None:
                found.append(new)
        return found

    def number(self, verb: Verb) -> int:
        """How many there are with a verb."""
        return self._verbs.count(verb)

    def having(self, *verbs: Verb) -> Iterator[FileRecord]:
        """Those with one of the verbs, in order."""
        return (self[at] for at, verb in enumerate(self._verbs) if verb in verbs)

    def __len__(self) -> int:
        return len(self._verbs)

    def __iter__(self) -> Iterator[FileRecord]:
        return map(_unpacked, self._verbs, self._packed)

    @overload
    def __getitem__(self, at: int) -> FileRecord: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[FileRecord]: ...
    def __getitem__(self, at: int | slice) -> FileRecord | Sequence[FileRecord]:
        if isinstance(at, slice):
            return [self[each] for each in range(len(self))[at]]
        return _unpacked(self._verbs[at], self._packed[at])


def _unpacked(verb: Verb, data: bytes) -> FileRecord:
    return FileRecord(verb, *marshal.loads(data))  # noqa: S302  # this process has made them
