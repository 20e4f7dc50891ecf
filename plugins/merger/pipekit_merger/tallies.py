"""Tallies of months by what is in the months, so that a summary reads a month once.

They are kept in a file, of which nothing depends: a month whose content it does not know is read.
Knows neither where months are nor what is done with their tallies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np  # noqa: TID253  # a worker's module: no plan imports it
import pyarrow as pa  # noqa: TID253  # as above
import pyarrow.parquet as pq  # noqa: TID253  # as above

from pipekit_merger.months import publish
from pipekit_merger.rows import Ints, Rows, Words, ordered
from pipekit_merger.table import array, matrix
from pipekit_merger.tally import AMOUNTS, columns, tally

GROUPS = ("variant", "stream", "slot")
COLUMNS = columns(GROUPS)
_VERSION = b"1"  # of what a tally is
_MONTHS = b"months"


class Tallies:
    """Tallies of months by the fingerprint of their files; several threads may add to it.

    `path`: of the file they are kept in.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._words = Words()
        self._found: dict[str, Ints] = {}
        self._kept: set[str] = set()
        with suppress(pa.ArrowException, OSError, KeyError, ValueError):
            self._load()

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._found

    def add(self, fingerprint: str, tallies: Rows) -> None:
        """Take in the tallies of one month."""
        values = tallies.values.copy()
        for line, name in enumerate(GROUPS, COLUMNS.index(GROUPS[0])):
            values[line] = self._words.numbers(name, tallies.words[name])[values[line]]
        self._found[fingerprint] = values

    def of(self, fingerprints: Iterable[str]) -> Rows:
        """The tallies of these months."""
        parts = [self._found[fingerprint] for fingerprint in fingerprints]
        values = np.concatenate([np.empty((len(COLUMNS), 0), np.int64), *parts], axis=1)
        return ordered(values, self._words, COLUMNS)

    def keep(self, fingerprints: Iterable[str]) -> None:
        """Write the file anew with these months alone, unless it has just them already."""
        wanted = sorted(set(fingerprints))
        if self._kept == set(wanted):
            return
        counts = [(fingerprint, self._found[fingerprint].shape[1]) for fingerprint in wanted]
        stated = {b"version": _VERSION, _MONTHS: json.dumps(counts).encode()}
        data = _parquet(self.of(wanted), stated)
        with suppress(OSError):  # then the next summary reads more months
            publish(self._path, data)

    def _load(self) -> None:
        with open(self._path, "rb") as file:
            data = file.read()
        file = pq.ParquetFile(
            pa.BufferReader(data),
            read_dictionary=list(GROUPS),
            pre_buffer=False,
            page_checksum_verification=True,
        )
        stated = file.schema_arrow.metadata
        if stated[b"version"] != _VERSION:
            return
        values = matrix([file.read(use_threads=False)], self._words, COLUMNS)
        end = 0
        for fingerprint, count in json.loads(stated[_MONTHS]):
            start, end = end, end + count
            self._found[fingerprint] = values[:, start:end]
        self._kept = set(self._found)


def tally_of(rows: Rows) -> Rows:
    """A month's tallies as they are kept."""
    return tally(rows, GROUPS)


def _parquet(tallies: Rows, stated: dict[bytes, bytes]) -> Any:
    kinds = {name: pa.string() for name in GROUPS} | {name: pa.float64() for name in AMOUNTS}
    schema = pa.schema([(name, kinds.get(name, pa.int64())) for name in COLUMNS], stated)
    arrays = [array(tallies, field.name, field.type) for field in schema]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, schema, compression="snappy", use_dictionary=list(GROUPS), write_page_checksum=True
    ) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return sink.getvalue()
