"""Reads run files and refuses those that contradict themselves; knows nothing of merged months.

Small files are read whole and changed into integers together; a larger one is read in batches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from attrs import define, field

from pipekit.worker import Signature, hasher, look
from pipekit_merger import scope as scopes
from pipekit_merger.cells import Cells, Layer
from pipekit_merger.pile import Pile
from pipekit_merger.rows import Ints, Rows
from pipekit_merger.scope import Group
from pipekit_merger.table import BATCH, File, matrix

TOGETHER = 8  # run files that a thread opens one after the other
_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Entry(NamedTuple):
    """A file of the request (see `worker`), and its number in the order of all."""

    number: int
    file: Mapping[str, Any]


class RunFile(NamedTuple):
    """A run file that was opened: its content's identity, its scope as stated, its rows.

    `tables`: all of its rows, or the way to them where they are many.
    """

    layer: Layer
    signature: Signature
    fingerprint: str
    stated: Mapping[str, Any]
    tables: Iterable[Any]
    rows: int


class Taken(NamedTuple):
    """A run file whose rows are in the pile."""

    layer: Layer
    signature: Signature
    fingerprint: str
    stated: Mapping[str, Any]


@define
class Reading:
    """What came of reading a plan's run files.

    `layers`: all that can be used or are merged already, in order. `files`: those to be merged
    now; their rows are in the `pile`. `rejected`: (path, reason, fingerprint, signature) of those
    that never can be. `failed`: instrument → why its files have to wait.
    """

    pile: Pile
    layers: list[Layer] = field(factory=list)
    files: list[Taken] = field(factory=list)
    rejected: list[tuple[str, str, str, Signature]] = field(factory=list)
    failed: dict[str, str] = field(factory=dict)
    _small: list[RunFile] = field(factory=list)
    _rows: int = 0  # of the small ones

    def take(self, file: RunFile) -> None:
        """Take in a file, those before it first. Raises OSError."""
        if self._rows + file.rows > BATCH:
            self.take_small()
        if file.rows > BATCH:
            _take_large(self, file)
        else:
            self._small.append(file)
            self._rows += file.rows

    def take_small(self) -> None:
        """Take in the small files that have been waiting to be taken in together."""
        files, self._small, self._rows = self._small, [], 0
        _take_small(self, files)

    def refuse(self, file: RunFile, reason: str) -> None:
        """Reject a file of which some rows may be in the pile already."""
        self.pile.dropped.add(file.layer.number)
        self.rejected.append((file.layer.path, reason, file.fingerprint, file.signature))

    def accept(self, file: RunFile) -> None:
        """Take a file all of whose rows are in the pile."""
        self.files.append(Taken(*file[:4]))


class _Refused(NamedTuple):
    reason: str
    fingerprint: str
    signature: Signature


def read(
    entries: Sequence[Entry], folder: str, each: Callable[..., Iterable[Any]] = map
) -> Reading:
    """The run files of an instrument, in the order of the request.

    A file that cannot be opened stops its instrument: what came later must not be merged before
    it. One that can be read and is wrong is refused by itself. `folder`: for rows that wait.
    """
    reading = Reading(Pile(folder))
    some = [entries[start : start + TOGETHER] for start in range(0, len(entries), TOGETHER)]
    answers = chain.from_iterable(each(_attempts, some))
    for entry, answer in zip(entries, answers, strict=True):
        path = entry.file["path"]
        if isinstance(answer, OSError):
            reading.failed.setdefault(instrument_of(path), _cannot_read(path, answer))
        elif isinstance(answer, _Refused):
            reading.rejected.append((path, *answer))
        elif isinstance(answer, Layer):
            reading.layers.append(answer)
        else:
            reading.take(answer)
    reading.take_small()
    waiting = [f for f in reading.files if f.layer.scope.instrument in reading.failed]
    reading.pile.dropped.update(file.layer.number for file in waiting)
    reading.files = [f for f in reading.files if f.layer.scope.instrument not in reading.failed]
    reading.layers += _merged_before(entries, reading.rejected)
    reading.layers += [file.layer for file in reading.files]
    reading.layers.sort(key=lambda layer: layer.number)
    return reading


def _merged_before(
    entries: Sequence[Entry], rejected: Sequence[tuple[str, str, str, Signature]]
) -> list[Layer]:
    """Layers for files merged once and unusable now: what is published of them must stay."""
    refused = {path for path, *_ in rejected}
    return [
        Layer(number, file["path"], scopes.parse(file["known"]), left=frozenset())
        for number, file in entries
        if file["path"] in refused and "known" in file
    ]


def instrument_of(path: str) -> str:
    """The instrument a run file is named after."""
    return path.rpartition("/")[2].removesuffix(".parquet")


def _cannot_read(path: str, error: OSError) -> str:
    return f"{path} cannot be read ({error.strerror or error}): mend that and run again"


def _attempts(entries: Sequence[Entry]) -> list[RunFile | Layer | _Refused | OSError]:
    return [_attempt(entry) for entry in entries]


def _attempt(entry: Entry) -> RunFile | Layer | _Refused | OSError:
    path = entry.file["path"]
    if "scope" in entry.file:
        return Layer(entry.number, path, scopes.parse(entry.file["scope"]), left=frozenset())
    try:
        signature = look(path)
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return error
    fingerprint = hasher(data).hexdigest()
    try:
        opened = File(data)
        stated = json.loads(opened.metadata.get(scopes.METADATA, b"null"))
        if stated is None:
            raise ValueError("it states no scope (metadata pipekit.scope)")
        scope = scopes.parse(stated)
        if scope.instrument != instrument_of(path):
            raise ValueError(f"its scope is that of another instrument, {scope.instrument}")
        tables: Iterable[Any] = opened.tables()
        if opened.rows <= BATCH:
            tables = list(tables)
    except ValueError as error:
        return _Refused(str(error), fingerprint, signature)
    left = entry.file.get("left")
    groups = None if left is None else frozenset(map(Group.parse, left))
    layer = Layer(entry.number, path, scope, opened.zone, groups)
    return RunFile(layer, signature, fingerprint, stated, tables, opened.rows)


class _Lines:
    """A number for each line of the grids of some Cells, the same in all of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], int] = {}

    def of(self, cells: Cells) -> Ints:
        """The number of each row's line."""
        known = [self._known.setdefault(line, len(self._known)) for line in cells.lines]
        return np.array(known, np.int64)[cells.line]


class _Check:
    """Whether a file's rows contradict it or each other; is shown them a part after the other."""

    def __init__(self, file: RunFile) -> None:
        self._number, self._scope = file.layer.number, file.layer.scope
        self._places: list[Ints] = []

    def part(self, cells: Cells, lines: Ints, rows: Rows, which: slice) -> str | None:
        """What is wrong with some rows, seen by themselves. `lines`: the number of each's line."""
        for number in sorted(set(rows["stream"][which].tolist())):
            stream = rows.words["stream"][number]
            if not (_STREAM.fullmatch(stream) and stream.startswith(self._scope.instrument)):
                instrument = self._scope.instrument
                return f"it has rows of a stream {stream!r}, which cannot be one of {instrument}"
        cells.paint(self._scope, self._number)
        if (cells.owners(which) != self._number).any():
            return "it has rows outside of the scope it states"
        self._places.append((lines[which] << 32) + rows["date"][which])
        return None

    def whole(self) -> str | None:
        """What is wrong with all of them together."""
        places = np.sort(np.concatenate([np.empty(0, np.int64), *self._places]))
        if (places[1:] == places[:-1]).any():
            return "it has several rows of one variant, date, session and slot"
        return None


def _take_small(reading: Reading, files: Sequence[RunFile]) -> None:
    """Put the rows of files into the pile, all at once, and refuse those that contradict."""
    if not files:
        return
    pile = reading.pile
    values = matrix([table for file in files for table in file.tables], pile.words)
    counts = [file.rows for file in files]
    pile.add(values, np.repeat([file.layer.number for file in files], counts))
    rows = Rows(values, pile.words.listed())
    cells, end = Cells(rows), 0
    lines = _Lines().of(cells)
    for file in files:
        start, end = end, end + file.rows
        check = _Check(file)
        reason = check.part(cells, lines, rows, slice(start, end)) or check.whole()
        reading.refuse(file, reason) if reason else reading.accept(file)


def _take_large(reading: Reading, file: RunFile) -> None:
    """The same for one file, a batch after the other."""
    pile, check, lines = reading.pile, _Check(file), _Lines()
    try:
        for table in file.tables:
            values = matrix([table], pile.words)
            rows = Rows(values, pile.words.listed())
            cells = Cells(rows)
            reason = check.part(cells, lines.of(cells), rows, slice(None))
            if reason:
                raise ValueError(reason)
            pile.add(values, np.full(len(rows), file.layer.number, np.int64))
        reason = check.whole()
        if reason:
            raise ValueError(reason)
    except ValueError as error:
        reading.refuse(file, str(error))
    else:
        reading.accept(file)
