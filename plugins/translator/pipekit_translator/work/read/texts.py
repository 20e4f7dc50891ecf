"""The texts of a raw file: its own, or those of the members of a zip archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from io import FileIO
from typing import NamedTuple

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.read import decode
from pipekit_translator.work.read.held import open_raw


class Text(NamedTuple):
    """A text in pieces. `name`: what names its instrument; `member`: of an archive, else empty."""

    name: str
    pieces: Iterator[bytes]
    member: str = ""


class Source:
    """The bytes of a file up to the size that it had when it was opened.

    `seen`: called with each piece, in order, by `read` alone.
    """

    def __init__(self, file: FileIO, size: int, seen: Callable[[bytes], object]) -> None:
        self.file = file
        self._left = size
        self._seen = seen

    def read(self, count: int) -> bytes:
        """The next bytes, at most `count`; none at the end."""
        piece = self.file.read(min(count, self._left)) if self._left else b""
        self._left -= len(piece)
        self._seen(piece)
        return piece

    def drain(self) -> None:
        """Read what is left."""
        while self.read(decode.CHUNK):
            pass


def texts_of(
    source: Source, kind: str, name: str, format: FileFormat, warn: Callable[[str], object]
) -> Generator[Text]:
    """The texts of a file of this kind (`decode.kind_of`). Raises RejectedError."""
    if kind != decode.ZIP:
        yield Text(name, decode.text_of(source.read, kind))
        return
    from pipekit_translator.work.read.archive import members_of  # most runs need no zipfile

    source.drain()  # the directory is at the end, so the members are read again
    source.file.seek(0)
    for name_of, pieces in members_of(source.file, name, format, warn):
        yield Text(os.path.basename(name_of), pieces, name_of)


def lines_in(path: str, format: FileFormat) -> Iterator[bytes]:
    """All lines of a file, as they are numbered: those of members follow each other.

    Raises OSError, RejectedError.
    """
    with open_raw(path) as file:
        kind = decode.kind_of(file.read(decode.SNIFFED))
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        for text in texts_of(Source(file, size, len), kind, path, format, len):
            held = b""
            for piece in text.pieces:
                *lines, held = (held + piece).split(b"\n")
                yield from lines
            if held:
                yield held
