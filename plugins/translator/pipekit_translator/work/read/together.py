"""Reads small files together: many of them are parsed as one block, in a tenth of the time.

This is for new files of whole, valid rows in order. Any other file is read alone (`rawfile`), which
also says what is wrong with it; of files that cannot be parsed together, each half is tried again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipekit.worker import Signature, hasher
from pipekit_translator import layout
from pipekit_translator.contracts import CODED, MARK, parts_of, with_contract
from pipekit_translator.dialects import FileFormat
from pipekit_translator.request import FileGroup, FileJob
from pipekit_translator.work import contracts
from pipekit_translator.work.assemble.file_rows import FileRows, Section, keep
from pipekit_translator.work.parse.header import RejectedError, code_of, instrument_of
from pipekit_translator.work.parse.parser import Parser, Rows
from pipekit_translator.work.passes import Fold
from pipekit_translator.work.read.decode import BOM, SNIFFED, kind_of
from pipekit_translator.work.read.held import BusyError, open_raw
from pipekit_translator.work.read.outliers import are_smooth
from pipekit_translator.work.read.rawfile import check_unchanged, signature_of
from pipekit_translator.work.read.record import RawFile, ReadContext
from pipekit_translator.work.read.spacing import are_usual
from pipekit_translator.work.table import Ints, Table

SMALL = 64 << 10  # bytes
BLOCK = 64 << 10  # bytes of files that are parsed as one block

Alone = Callable[[FileJob], RawFile | Exception]


class Small(NamedTuple):
    """A small file and its content; `head`: the line that names the columns, or nothing."""

    job: FileJob
    group: FileGroup
    signature: Signature
    head: bytes
    data: bytes


def read_together(
    jobs: Iterable[FileJob], groups: Sequence[FileGroup], context: ReadContext, alone: Alone
) -> Iterator[RawFile | Exception]:
    """The files of the jobs, in this order. `alone` reads one that cannot be read with others."""
    waiting: list[Small] = []
    size = 0
    for job in jobs:
        small = _small(job, groups[job.group])
        if waiting and (small is None or size >= BLOCK or not _alike(small, waiting[0])):
            yield from _files(waiting, context, alone)
            waiting, size = [], 0
        if small is None:
            yield alone(job)
        else:
            waiting.append(small)
            size += len(small.data)
    yield from _files(waiting, context, alone)


def _small(job: FileJob, group: FileGroup) -> Small | None:
    """A new, small file of whole lines; None if it is anything else."""
    if (job.resume and job.before.prefix) or not _is_usual(group.format):
        return None
    try:
        with open_raw(job.path) as file:
            signature = signature_of(file, group)
            data = file.read(signature.size) if signature.size <= SMALL else b""
            check_unchanged(file, job.path, group, signature)
    except (BusyError, OSError):
        return None
    head = data[: data.find(b"\n") + 1] if group.format.header else b""
    usual = head.removeprefix(BOM).strip() if group.format.header else not data.startswith(BOM)
    if not usual or data[-1:] != b"\n" or len(data) != signature.size or not _is_plain(data):
        return None
    return Small(job, group, signature, head, data)


def _is_usual(format: FileFormat) -> bool:
    """Whether each row of such files stands for itself, below one header or none."""
    return not (
        format.aggregate
        or format.carry
        or format.date
        or format.skip_lines
        or format.skip_footer
        or format.header > 1
    )


def _is_plain(data: bytes) -> bool:
    try:
        return not kind_of(data[:SNIFFED])
    except RejectedError:
        return False


def _alike(one: Small, other: Small) -> bool:
    return one.group is other.group and one.head == other.head


def _files(
    smalls: Sequence[Small], context: ReadContext, alone: Alone
) -> Iterator[RawFile | Exception]:
    if len(smalls) < 2:
        yield from (alone(small.job) for small in smalls)
    elif files := _parsed(smalls, context):
        context.progress(sum(len(small.data) for small in smalls))
        yield from files
    else:
        half = len(smalls) // 2
        yield from _files(smalls[:half], context, alone)
        yield from _files(smalls[half:], context, alone)


def _parsed(smalls: Sequence[Small], context: ReadContext) -> list[RawFile] | None:
    """The files, parsed as one block; None if anything is unusual in one of them."""
    format, head = smalls[0].group.format, smalls[0].head
    lines = [small.data.count(b"\n") for small in smalls]
    files = [_file(*both, context) for both in zip(smalls, lines, strict=True)]
    try:
        rows = _rows(format, head, smalls, context)
        names = [] if format.instrument.column else [_instrument(format, file) for file in files]
        codes = [code_of(format, os.path.basename(file.path)) for file in files]
        ends = np.cumsum(np.array(lines) - bool(head))
        tables = rows.tables if rows else {}
        for instrument, (table, numbers) in tables.items():
            of = ends.searchsorted(numbers)
            plain = names if names and MARK not in instrument else [instrument] * len(files)
            named = _Names(plain, codes)
            if not _keep(table, of, files, named, context, whole=len(tables) == 1):
                return None
        for file in files:
            file.contracts()
    except (RejectedError, OSError):
        return None
    return files if rows else None


def _file(small: Small, lines: int, context: ReadContext) -> RawFile:
    rows = FileRows(small.group.format.series_written, context.assembly)
    return RawFile(
        job=small.job,
        group=small.group,
        rows=rows,
        signature=small.signature,
        fingerprint=hasher(small.data).hexdigest(),
        prefix=len(small.data),
        lines=lines,
    )


def _instrument(format: FileFormat, file: RawFile) -> str:
    return instrument_of(format, os.path.basename(file.path))


def _rows(
    format: FileFormat, head: bytes, smalls: Sequence[Small], context: ReadContext
) -> Rows | None:
    """The rows of all files; None if some are invalid or in a repeated hour.

    Raises RejectedError.
    """
    folds: dict[str, Fold] = {}
    parser = Parser(format, os.path.basename(smalls[0].job.path), folds, context.kernel)
    if head and not (parser.begin(head.removeprefix(BOM)) and parser.ready):
        return None
    rows = parser.feed(b"".join([small.data[len(head) :] for small in smalls]), 1)
    odd = rows.bad or any(fold.visited for fold in folds.values())
    return None if odd else rows


class _Names(NamedTuple):
    """The instrument of each file, and the code of its contract, or none."""

    names: list[str]
    codes: list[str]

    def targets(self, files: list[RawFile]) -> list[str] | None:
        """What the rows of each file become part of; None if the contract is not sure."""
        found = []
        for at, file in enumerate(files):
            name = self._whole(at)
            contract = parts_of(name)[1]
            if len(contract) == CODED:
                return None
            found.append(contracts.target(file.format, name, contract))
        return found

    def note(self, file: RawFile, at: int, target: str) -> None:
        """Note the contract of a file that has rows."""
        contract = parts_of(self._whole(at))[1]
        contracts.note(file.rows.contracts, file.format, target, contract)

    def _whole(self, at: int) -> str:
        return with_contract(self.names[at], self.codes[at])


def _are_regular(table: Table, of: Ints, format: FileFormat, *, whole: bool) -> bool:
    """Whether the rows of each file are in order, and no time or price is far off; see `_keep`."""
    series = format.series_written
    other, step = of[1:] != of[:-1], np.diff(table.time)
    if not (other | (step >= 0 if series.grouped else step > 0)).all():
        return False
    if not series.grouped and not are_usual(series, table.time, of, whole=whole):
        return False
    if format.outliers != "keep" and not are_smooth(table, series, of):
        return False
    far = format.max_distance * series.unit
    return not (far and (~other & (step > far)).any())


def _keep(
    table: Table,
    of: Ints,
    files: list[RawFile],
    named: _Names,
    context: ReadContext,
    *,
    whole: bool,
) -> bool:
    """Give rows to their files; False if those of a file are not in order, late, or far off.

    `of`: the index of each row's file. `whole`: these are all rows of the files. Raises OSError.
    """
    names, targets = named.names, named.targets(files)
    if targets is None or not _are_regular(table, of, files[0].format, whole=whole):
        return False
    series, assembly = files[0].format.series_written, context.assembly
    other = of[1:] != of[:-1]
    days = assembly.zone(series).days(table.time)
    begins = np.flatnonzero(np.concatenate(([True], other | (days[1:] != days[:-1])))[: table.size])
    dates = np.datetime_as_string(days[begins].astype("M8[D]")).tolist()
    keys = {name: layout.key(name, series) for name in set(targets)}
    sections = [
        Section(files[at].rows, keys[targets[at]], date, begin)
        for at, date, begin in zip(of[begins].tolist(), dates, begins.tolist(), strict=True)
    ]
    if any(assembly.is_late(section.key, section.day) for section in sections):
        return False
    keep(table, sections, assembly.buffer)
    for at in np.unique(of).tolist():
        named.note(files[at], at, targets[at])
    ends = np.flatnonzero(np.append(other, True)[: table.size])
    counts = np.diff(ends, prepend=-1)
    for at, count, last in zip(
        *(x.tolist() for x in (of[ends], counts, table.time[ends])), strict=True
    ):
        files[at].total += count
        if series.grouped:
            files[at].last[names[at]] = last
    return True
