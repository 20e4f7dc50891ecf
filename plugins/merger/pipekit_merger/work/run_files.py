"""Open run files, and check that their rows fit their scopes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pipekit.worker import Signature, hasher, look
from pipekit_merger.request import RunFileEntry, StatedScope
from pipekit_merger.work import scope as scopes
from pipekit_merger.work.coverage import Coverage, RunFile
from pipekit_merger.work.rows import Ints, Rows
from pipekit_merger.work.scope import parse_scope
from pipekit_merger.work.table import BATCH, ResultsFile

_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class OpenedRunFile(NamedTuple):
    """A run file that was opened. `stated`: its scope in JSON form.

    `tables`: its rows as Arrow tables, read already when there are few.
    """

    run_file: RunFile
    fingerprint: str
    signature: Signature
    stated: StatedScope
    tables: Iterable[Any]


class RejectedRunFile(NamedTuple):
    """A run file that can be read and cannot be used, with the reason."""

    path: str
    reason: str
    fingerprint: str
    signature: Signature


def instrument_of(path: str) -> str:
    """The instrument that a run file is named after."""
    return path.rpartition("/")[2].removesuffix(".parquet")


def open_run_file(entry: RunFileEntry) -> RunFile | OpenedRunFile | RejectedRunFile | OSError:
    """Open a run file of the request; of one that is merged already, only the scope is needed.

    An OSError is returned, not raised: a file that cannot be opened now may be usable later.
    """
    if entry.merged_scope is not None:
        return merged_run_file(entry, entry.merged_scope)
    try:
        signature = look(entry.path)
        with open(entry.path, "rb") as file:
            data = file.read()
    except OSError as error:
        return error
    fingerprint = hasher(data).hexdigest()
    try:
        return _opened(entry, data, fingerprint, signature)
    except ValueError as error:
        return RejectedRunFile(entry.path, str(error), fingerprint, signature)


def merged_run_file(entry: RunFileEntry, stated: StatedScope) -> RunFile:
    """A run file that is merged into every month already."""
    return RunFile(entry.number, entry.path, parse_scope(stated), pending=frozenset())


def _opened(
    entry: RunFileEntry, data: bytes, fingerprint: str, signature: Signature
) -> OpenedRunFile:
    """Raises ValueError with a clause about the file."""
    opened = ResultsFile(data)
    stated = json.loads(opened.metadata.get(scopes.METADATA, b"null"))
    if stated is None:
        raise ValueError("it states no scope (metadata pipekit.scope)")
    scope = parse_scope(stated)
    if scope.instrument != instrument_of(entry.path):
        raise ValueError(f"its scope is that of another instrument, {scope.instrument}")
    tables: Iterable[Any] = opened.tables()
    if opened.rows <= BATCH:
        tables = list(tables)
    months = entry.months
    pending = None if months is None else frozenset(months)
    run_file = RunFile(entry.number, entry.path, scope, opened.zone, pending)
    return OpenedRunFile(run_file, fingerprint, signature, stated, tables)


class RowCheck:
    """Checks the rows of a run file against its scope and each other, batch after batch."""

    def __init__(self, run_file: RunFile) -> None:
        self._number, self._scope = run_file.number, run_file.scope
        self._keys = [np.empty(0, np.int64)]

    def batch(self, coverage: Coverage, rows: Rows, keys: Ints, which: slice) -> None:
        """Check some rows by themselves; `keys` are equal for equal keys. Raises ValueError."""
        instrument = self._scope.instrument
        for code in sorted(set(rows["stream"][which].tolist())):
            stream = rows.words["stream"][code]
            if not (_STREAM.fullmatch(stream) and stream.startswith(instrument)):
                raise ValueError(
                    f"it has rows of a stream {stream!r}, which cannot be {instrument}'s"
                )
        coverage.cover(self._scope, self._number)
        if (coverage.decisive(which) != self._number).any():
            raise ValueError("it has rows outside the scope that it states")
        self._keys.append(keys[which])

    def whole(self) -> None:
        """Check all rows against each other. Raises ValueError."""
        keys = np.sort(np.concatenate(self._keys))
        if (keys[1:] == keys[:-1]).any():
            raise ValueError("it has several rows of one variant, date, session and slot")
