"""Reads run files and refuses those that contradict themselves; knows nothing of merged months."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
from attrs import define, field

from pipekit.worker import Signature, hasher, look
from pipekit_merger import scope as scopes
from pipekit_merger.cells import Cells, Layer
from pipekit_merger.scope import Group
from pipekit_merger.table import Ints, Rows, decode, joined, rows_of, sort_key, take

_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Entry(NamedTuple):
    """A file of the request (see `worker`), and its number in the order of all."""

    number: int
    file: Mapping[str, Any]


class RunFile(NamedTuple):
    """A run file as read: its content's identity, its scope as stated, its rows (INNER table)."""

    layer: Layer
    signature: Signature
    fingerprint: str
    stated: Mapping[str, Any]
    table: Any


@define
class Reading:
    """What came of reading a plan's run files.

    `layers`: all that can be used or are merged already, in order. `files`: those to be merged
    now, `table`: their rows one below the other, with the number of each row's file in `numbers`.
    `rejected`: (path, reason, fingerprint, signature) of those that never can be. `failed`:
    instrument → why its files have to wait.
    """

    layers: list[Layer] = field(factory=list)
    files: list[RunFile] = field(factory=list)
    rejected: list[tuple[str, str, str, Signature]] = field(factory=list)
    failed: dict[str, str] = field(factory=dict)
    table: Any = None
    numbers: Ints = field(factory=lambda: np.zeros(0, np.int64))


class _Refused(NamedTuple):
    reason: str
    fingerprint: str
    signature: Signature


def read(entries: Sequence[Entry], each: Callable[..., Iterable[Any]] = map) -> Reading:
    """The run files of an instrument, in the order of the request.

    A file that cannot be opened stops its instrument: what came later must not be merged before
    it. One that can be read and is wrong is refused by itself.
    """
    reading = Reading()
    for entry, answer in zip(entries, each(_attempt, entries), strict=True):
        path = entry.file["path"]
        if isinstance(answer, OSError):
            reading.failed.setdefault(instrument_of(path), _cannot_read(path, answer))
        elif isinstance(answer, _Refused):
            reading.rejected.append((path, *answer))
        elif isinstance(answer, Layer):
            reading.layers.append(answer)
        else:
            reading.files.append(answer)
    reading.files = [f for f in reading.files if f.layer.scope.instrument not in reading.failed]
    _refuse_contradictions(reading)
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
        table, zone, metadata = decode(data)
        stated = json.loads(metadata.get(scopes.METADATA, b"null"))
        if stated is None:
            raise ValueError("it states no scope (metadata pipekit.scope)")
        scope = scopes.parse(stated)
        if scope.instrument != instrument_of(path):
            raise ValueError(f"its scope is that of another instrument, {scope.instrument}")
    except ValueError as error:
        return _Refused(str(error), fingerprint, signature)
    left = entry.file.get("left")
    groups = None if left is None else frozenset(map(Group.parse, left))
    layer = Layer(entry.number, path, scope, zone, groups)
    return RunFile(layer, signature, fingerprint, stated, table)


def _refuse_contradictions(reading: Reading) -> None:
    """Move files whose rows cannot be theirs to the rejected, and join the others."""
    files, reading.files = reading.files, []
    table = joined([file.table for file in files])
    rows = rows_of(table)
    cells, order = Cells(rows), sort_key(rows)
    numbers = np.repeat(
        np.array([file.layer.number for file in files], np.int64),
        np.array([file.table.num_rows for file in files], np.int64),
    )
    end = 0
    for number, file in enumerate(files, 1):
        lines = slice(end, end + file.table.num_rows)
        end = lines.stop
        cells.paint(file.layer.scope, number)
        inside = bool((cells.owners(lines) == number).all())
        reason = _contradiction(file, rows, lines, inside, order[lines])
        if reason is None:
            reading.files.append(file)
        else:
            refused = (file.layer.path, reason, file.fingerprint, file.signature)
            reading.rejected.append(refused)
            numbers[lines] = 0
    if len(reading.files) < len(files):
        table, numbers = take(table, np.flatnonzero(numbers)), numbers[numbers > 0]
    reading.table, reading.numbers = table, numbers


def _contradiction(file: RunFile, rows: Rows, lines: slice, inside: bool, keys: Ints) -> str | None:
    instrument = file.layer.scope.instrument
    for rank in np.unique(rows["stream"][lines]):
        stream = rows.words["stream"][rank]
        if not (_STREAM.fullmatch(stream) and stream.startswith(instrument)):
            return f"it has rows of a stream {stream!r}, which cannot be one of {instrument}"
    if not inside:
        return "it has rows outside of the scope it states"
    if len(np.unique(keys)) != len(keys):
        return "it has several rows of one variant, date, session and slot"
    return None
