"""What a raw file is, by its first bytes, and its text: decompressed, in UTF-8, with newlines.

Everything is read as a stream, so a file takes no more memory than its blocks.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from pipekit_translator.work.parse.header import RejectedError

CHUNK = 1 << 20  # bytes
SNIFFED = 1 << 12  # bytes that say what a file is
BOM = b"\xef\xbb\xbf"
ZIP = "zip"
CR = "CR"  # lines end with a carriage return alone
_XZ_MEMORY = 128 << 20
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": ZIP,
    b"PK\x05\x06": ZIP,
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
_ENCODED = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "lz4 data",
    b"\x1f\x9d": "data of `compress`",
    b"\xff\x06\x00\x00sNaPpY": "snappy data",
    b"LZIP": "lzip data",
    b"\x5d\x00\x00": "lzma data",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF file",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # a frame that zstd may begin with
_TAR, _TAR_AT = b"ustar", 257
# characters that no text has; \x01 and \x1c to \x1f may separate fields
_CONTROLS = bytes([*range(2, 9), *range(14, 26), 127])
_MANY = 0.04  # share of them from which a file is no text
_FEW = 0.1  # share of zero bytes that a text has at most
_READABLE = "; pipekit reads text, also in gzip, zip, zstd, bzip2 and xz"
_TEXT = re.compile(rb"[\t\n\r -~]+")
_LINE_END = re.compile(rb"\r\n|\r|\n")

Read = Callable[[int], bytes]


def kind_of(head: bytes) -> str:
    """What the first bytes belong to: a compression, an encoding, CR; empty for plain text.

    Raises RejectedError for what can be told not to be text.
    """
    for known in (_PACKED, _ENCODED):
        for magic, kind in known.items():
            if head.startswith(magic):
                return kind
    if _SKIPPABLE.match(head):
        return "zstd"
    for magic, what in _OTHERS.items():
        if head[: len(magic)].lower() == magic.lower():
            raise RejectedError(f"it is {what}{_READABLE}. Export or convert it")
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise RejectedError(f"it is a tar archive{_READABLE}. Unpack it")
    if head.count(0) > _FEW * len(head):
        text = _TEXT.fullmatch(head.replace(b"\0", b""))
        guess = "UTF-16 without a mark" if text else "binary data"
        raise RejectedError(f"it is {guess}{_READABLE}. Export or save it as UTF-8")
    if len(head) - len(head.translate(None, _CONTROLS)) > _MANY * len(head):
        raise RejectedError(f"it is binary data{_READABLE}. Export or convert it")
    found = _LINE_END.search(head)
    return CR if found and found[0] == b"\r" and found.end() < len(head) else ""


def is_packed(kind: str) -> bool:
    """Whether this is a compression, whose end is known."""
    return kind in _PACKED.values()


def text_of(read: Read, kind: str) -> Iterator[bytes]:
    """The text of a stream of this kind, in pieces. Raises RejectedError for damaged data."""
    pieces = _unpacked(read, kind) if is_packed(kind) else _pieces(read)
    if is_packed(kind):
        first = b""
        while len(first) < SNIFFED and (piece := next(pieces, b"")):
            first += piece
        kind = kind_of(first)
        if is_packed(kind):
            raise RejectedError(f"it holds {kind} data that are compressed again: unpack it")
        pieces = _chained(first, pieces)
    if kind in _ENCODED.values():
        pieces = _recoded(pieces, kind)
        first = next(pieces, b"")
        kind, pieces = kind_of(first), _chained(first, pieces)
    return _with_newlines(pieces) if kind == CR else pieces


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pieces(read: Read) -> Iterator[bytes]:
    while piece := read(CHUNK):
        yield piece


def _recoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def _with_newlines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text whose lines end with CR, LF or both, with LF."""
    held = b""
    for piece in pieces:
        whole = held + piece
        held = whole[-1:] if whole.endswith(b"\r") else b""
        yield whole[: len(whole) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield held.replace(b"\r", b"\n")


class _Gzip:
    """zlib's object with the interface of the other two."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _decoder(kind: str) -> tuple[Callable[[], Any], type[Exception]]:
    """What makes decompressing objects, and the error that these raise besides OSError."""
    if kind == "bzip2":
        from bz2 import BZ2Decompressor  # most runs need none of them

        return BZ2Decompressor, EOFError
    if kind == "xz":
        from lzma import FORMAT_XZ, LZMADecompressor, LZMAError  # most runs need none of them

        return lambda: LZMADecompressor(FORMAT_XZ, _XZ_MEMORY), LZMAError
    return _Gzip, zlib.error


def _unpacked(read: Read, kind: str) -> Iterator[bytes]:
    """Decompressed data in pieces. Raises RejectedError for damaged data, OSError of the disk."""
    new, damage = _decoder(kind)
    pieces = _zstd(read) if kind == "zstd" else _streams(read, new)
    try:
        yield from pieces
    except (damage, EOFError, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RejectedError(
            f"its {kind} data are damaged or cut off ({error}): get the file again"
        ) from error


def _streams(read: Read, new: Callable[[], Any]) -> Iterator[bytes]:
    """One compressed stream after the other. Raises EOFError if the last one is cut off."""
    data = read(CHUNK)
    while data:
        decoder = new()
        while not decoder.eof:
            ended = decoder.needs_input and not data and not (data := read(CHUNK))
            piece, data = decoder.decompress(data, CHUNK), b""
            if ended and not piece and not decoder.eof:
                raise EOFError("it has no end")
            yield piece
        data = decoder.unused_data.lstrip(b"\0")  # which may fill up a block of a tape
        while not data and (more := read(CHUNK)):
            data = more.lstrip(b"\0")


class _File:
    """What pyarrow needs to read from."""

    closed = False

    def __init__(self, read: Read) -> None:
        self.read = read

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _zstd(read: Read) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.PythonFile(_File(read), mode="r"), "zstd") as stream:
        while piece := stream.read(CHUNK):
            yield piece
