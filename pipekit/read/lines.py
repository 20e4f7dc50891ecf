"""Pages of a text file, by byte offset: cost depends on the page, never on the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipekit.worker._files import open_own

_BLOCK = 1024 * 1024
_LONGEST = 64 * 1024  # bytes of a line that are kept; a longer one is cut

PAGE_BYTES = 256 * 1024  # of a page, unless the caller says something else
PAGE_LINES = 1_000
SEARCHED = 64 * 1024 * 1024  # bytes that one search looks at


class Line(NamedTuple):
    """A line without its end: `start` and `end` are byte offsets, the line end included."""

    start: int
    end: int
    data: bytes

    @property
    def is_complete(self) -> bool:
        """Whether it has a line end, and was not cut."""
        return self.end - self.start == len(self.data) + 1


class Page(NamedTuple):
    """Lines of a file, in their order. `start` and `end`: which bytes of the file were looked at.

    `size`: of the file now. Without lines, `start` and `end` say where nothing was found.
    """

    lines: tuple[Line, ...]
    start: int
    end: int
    size: int


def lines_before(
    path: Path, end: int | None = None, *, count: int = PAGE_LINES, most: int = PAGE_BYTES
) -> Page:
    """The last lines before the byte `end`, by default of the file. Raises OSError.

    `count` lines and `most` bytes at most. The last line may be incomplete: it is being written.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        last = size if end is None else max(min(end, size), 0)
        first = max(last - most, 0)
        file.seek(first)
        data = file.read(last - first)
    if first and b"\n" in data[:-1]:
        skipped = data.index(b"\n") + 1
        first, data = first + skipped, data[skipped:]
    lines = list(_split(data, first))[-count:]
    return Page(tuple(lines), lines[0].start if lines else last, last, size)


def lines_after(
    path: Path, start: int = 0, *, count: int = PAGE_LINES, most: int = PAGE_BYTES
) -> Page:
    """The lines from the byte `start` on, or from the next line on. Raises OSError."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        first = _line_start(file, max(start, 0), size)
        file.seek(first)
        data = file.read(most)
    if first + len(data) < size and b"\n" in data:
        data = data[: data.rindex(b"\n") + 1]
    lines = list(_split(data, first))[:count]
    return Page(tuple(lines), first, lines[-1].end if lines else first, size)


def search(
    path: Path, text: str, start: int = 0, *, count: int = 200, most: int = SEARCHED
) -> Page:
    """Lines with this text, upper or lower case, from the byte `start` on. Raises OSError.

    The page's `end` is where to go on; the whole file was searched if that is its `size`.
    """
    wanted = text.encode("utf-8", "surrogateescape").lower()
    found: list[Line] = []
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        at = first = _line_start(file, max(start, 0), size)
        while at < size and at - first < most and len(found) < count:
            file.seek(at)
            data = file.read(_BLOCK)
            if at + len(data) < size and b"\n" in data:
                data = data[: data.rindex(b"\n") + 1]
            if not data:
                break
            if wanted in data.lower():
                for line in _split(data, at):
                    if wanted in line.data.lower():
                        found.append(line)
                        if len(found) == count:
                            return Page(tuple(found), first, line.end, size)
            at += len(data)
    return Page(tuple(found), first, at, size)


class GrowingFile:
    """A file that grows, read from where it was left; `at` is that place.

    `replaced`: how often it was found shorter than before, or another file in its place; then it is
    read from its beginning.
    """

    def __init__(self, path: Path, at: int = 0) -> None:
        self.path = path
        self.at = at
        self.replaced = 0
        self._inode = 0

    def read(self, most: int = _BLOCK) -> bytes:
        """What it has had since, `most` bytes of it; nothing if there is no such file."""
        try:
            status = os.stat(self.path)
            if self._inode not in (0, status.st_ino) or status.st_size < self.at:
                self.at = 0
                self.replaced += 1
            self._inode = status.st_ino
            if status.st_size == self.at:
                return b""
            with _opened(self.path) as file:
                file.seek(self.at)
                data = file.read(most)
        except OSError:
            return b""
        self.at += len(data)
        return data

    def lines(self, most: int = _BLOCK) -> list[Line]:
        """The whole lines that it has had since; what is not a whole line yet is left."""
        data = self.read(most)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == most:
            whole = len(data)  # a line that is longer than anything that is shown
        start = self.at - len(data)
        self.at = start + whole
        return list(_split(data[:whole], start))


def _opened(path: Path) -> BinaryIO:
    return open(open_own(path, os.O_RDONLY), "rb")


def _line_start(file: BinaryIO, at: int, size: int) -> int:
    """Where the line begins that begins at `at` or after it."""
    if at == 0 or at >= size:
        return min(at, size)
    file.seek(at - 1)
    data = file.read(_LONGEST)
    if data.startswith(b"\n"):
        return at
    newline = data.find(b"\n")
    return at if newline < 0 else at + newline


def _split(data: bytes, start: int) -> Iterator[Line]:
    """The lines of some bytes that begin at `start` of a file."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end
        after = stop if end < 0 else end + 1
        yield Line(start + at, start + after, data[at : min(stop, at + _LONGEST)])
        at = after
