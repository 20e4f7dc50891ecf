"""The first rows of a raw file as a run would read them; nothing is published or remembered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import attrs

from pipekit.worker import Signature
from pipekit_translator.dialects import FileFormat
from pipekit_translator.request import FileGroup, FileJob
from pipekit_translator.work.assemble.file_rows import FileRows
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.read import decode
from pipekit_translator.work.read.held import open_raw
from pipekit_translator.work.read.record import RawFile
from pipekit_translator.work.read.spacing import OtherIntervalError
from pipekit_translator.work.read.textrows import TextReader
from pipekit_translator.work.read.texts import Source, texts_of
from pipekit_translator.work.table import Ints, Table

LIMIT = 4 << 20  # bytes of text


@attrs.define(kw_only=True)
class Preview:
    """What a run would make of rows.

    `rows`: as they would be published, each table with an instrument and the lines. `bad`: invalid
    rows. `aside`: by reason, the lines of rows that cannot be right. `total`: how many rows there
    were. `footer`: lines after the last. `rejected`: why the file cannot be used. `interval`: that
    of its bars, if it is why.
    """

    rows: list[tuple[str, Table, Ints]] = attrs.field(factory=list)
    bad: list[BadRow] = attrs.field(factory=list)
    aside: dict[str, list[int]] = attrs.field(factory=dict)
    total: int = 0
    footer: int = 0
    rejected: str = ""
    interval: str = ""

    @property
    def count(self) -> int:
        """How many rows would be published."""
        return sum(table.size for _, table, _ in self.rows)


class _Rows(FileRows):
    """Rows that are kept as they come, and belong to no part."""

    __slots__ = ("tables",)

    def __init__(self) -> None:
        self.tables: list[tuple[str, Table, Ints]] = []
        self.chunks, self.days, self.late, self.repeated = [], {}, {}, {}
        self.contracts = {}

    def add(self, instrument: str, table: Table, lines: Ints) -> None:
        self.tables.append((instrument, table, lines))


@attrs.frozen(kw_only=True)
class Head:
    """The beginning of a file's text, or of the text of the first member of an archive.

    `kind`: its compression or encoding. `name`: what may name instrument and date. `member`: of an
    archive, else empty. `whole`: all of the text. `rejected`: why there is none.
    """

    kind: str = ""
    name: str
    member: str = ""
    data: bytes = b""
    whole: bool = True
    rejected: str = ""
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[bytes]:
        """Its lines."""
        return self.data.removeprefix(decode.BOM).splitlines()


def head_of(path: str, format: FileFormat, limit: int = LIMIT) -> Head:
    """The first `limit` bytes of a file's text, up to the end of a line.

    Raises OSError if it cannot be opened, BusyError if another program holds it.
    """
    name, warnings = os.path.basename(path), list[str]()
    kind = ""
    try:
        with open_raw(path) as file:
            kind = decode.kind_of(file.read(decode.SNIFFED))
            file.seek(0)
            source = Source(file, os.fstat(file.fileno()).st_size, len)
            with closing(texts_of(source, kind, name, format, warnings.append)) as texts:
                text = next(texts, None)
                if text is None:
                    raise RejectedError("it is an archive without a file to read")
                data, whole = _whole_lines(text.pieces, limit)
    except RejectedError as error:
        return Head(kind=kind, name=name, rejected=str(error), warnings=tuple(warnings))
    return Head(
        kind=kind,
        name=text.name,
        member=text.member,
        data=data,
        whole=whole,
        warnings=tuple(warnings),
    )


def preview(head: Head, format: FileFormat) -> Preview:
    """What a run would make of the beginning of a text."""
    rows = _Rows()
    raw = RawFile(
        job=FileJob(path=head.name, group=0),
        group=FileGroup(format=format),
        rows=rows,
        signature=Signature(0, 0, len(head.data), 0, 0),
    )
    rejected, interval = head.rejected, ""
    try:
        if not rejected:
            reader = TextReader(raw, None, head.name, len(head.data), head.member)
            if head.data:
                reader.feed(memoryview(head.data))
            reader.finish()
    except RejectedError as error:
        rejected = str(error)
        interval = error.interval if isinstance(error, OtherIntervalError) else ""
    return Preview(
        rows=rows.tables,
        bad=raw.bad,
        aside=raw.aside,
        total=raw.total,
        footer=raw.footer,
        rejected=rejected,
        interval=interval,
    )


def _whole_lines(pieces: Iterator[bytes], limit: int) -> tuple[bytes, bool]:
    """The first `limit` bytes up to the end of a line, and whether that is all."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > limit:
            end = held.rfind(b"\n", 0, limit) + 1
            return bytes(held[: end or limit]), False
    return bytes(held), True
