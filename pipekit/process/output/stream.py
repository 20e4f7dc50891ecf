"""One output stream of a command: redacted, spooled, decoded and split into lines.

Bytes go in as they were read, in pieces of any size; the result does not depend on how they were
split. Memory stays bounded whatever the child writes.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipekit.model.command import StreamResult
from pipekit.process.output.spool import Spool

TAIL_BYTES = 64 * 1024  # of each stream, kept in memory for failure messages
PIECE = 64 * 1024  # characters; a longer line is delivered in pieces, to bound memory
MASK = b"***"
_CONTINUATION = bytes(range(0x80, 0xC0))  # of UTF-8: never the first byte of a character

_counting = threading.local()  # decode errors of this thread's current call


def _count_and_replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    _counting.errors += error.end - error.start
    return "\ufffd", error.end


codecs.register_error("pipekit.count", _count_and_replace)


class Redactor:
    """Replaces secrets by `***` in a stream of bytes, even if a secret is split by two reads."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted({s for s in secrets if s}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets)))
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The redacted bytes, without an end that may be the beginning of a secret."""
        if not self._secrets:
            return data
        data = self._held + data
        beginnings = self._beginnings(data)
        present = any(secret in data for secret in self._secrets)  # 20 times as fast as the pattern
        out = []
        position = 0
        while True:
            end = next((start for start in beginnings if start >= position), len(data))
            found = self._pattern.search(data, position) if present else None
            if found is None or found.start() >= end:
                out.append(data[position:end])
                self._held = data[end:]
                return b"".join(out)
            out += (data[position : found.start()], MASK)
            position = found.end()

    def finish(self) -> bytes:
        """The bytes held back, at the end of the stream."""
        held, self._held = self._held, b""
        return self._pattern.sub(MASK, held) if self._secrets else held

    def _beginnings(self, data: bytes) -> list[int]:
        """The positions from which the rest of `data` may be the beginning of a secret."""
        found = set()
        for secret in self._secrets:
            position = max(len(data) - len(secret) + 1, 0)
            while (position := data.find(secret[:1], position)) >= 0:
                if secret.startswith(data[position:]):
                    found.add(position)
                position += 1
        return sorted(found)


class Decoder:
    """Decodes bytes piece by piece; undecodable ones become U+FFFD and are counted."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("pipekit.count")
        self.errors = 0

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text of `data`; an incomplete character waits for its other bytes."""
        _counting.errors = 0
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError:  # a codec that cannot continue: utf-16 without its mark
            _counting.errors = len(data)
            text = data.decode("ascii", "replace")
        self.errors += _counting.errors
        return text


class LineSplitter:
    """Splits text into lines ended by LF, CR LF or CR alone, so that progress bars are seen."""

    def __init__(self) -> None:
        self._partial = ""
        self._after_return = False

    def feed(self, text: str) -> list[str]:
        """The lines completed by `text`, and pieces of a line longer than `PIECE`."""
        if not text:
            return []
        if self._after_return and text[0] == "\n":
            text = text[1:]
        self._after_return = text.endswith("\r")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = (self._partial + text).split("\n")
        self._partial = lines.pop()
        if len(self._partial) >= PIECE:
            lines.append(self._partial)
            self._partial = ""
        return lines

    def finish(self) -> list[str]:
        """The last line, if it has no end."""
        partial, self._partial = self._partial, ""
        return [partial] if partial else []


class Fed(NamedTuple):
    """What a piece of output became: its bytes with secrets masked, and the lines it completed."""

    data: bytes
    lines: list[str]


class OutputStream:
    """Everything kept of one stream.

    `feed` it bytes and `finish` it; both return the new lines (none unless `lines`).
    """

    def __init__(
        self,
        spool: Spool,
        encoding: str,
        redact: tuple[str, ...] = (),
        *,
        lines: bool = False,
    ) -> None:
        self._redactor = Redactor(_encoded(redact, encoding))
        self.spool = spool
        self._decoder = Decoder(encoding)
        self._encoding = encoding
        self._splitter = LineSplitter() if lines else None
        self._tail = bytearray()
        self._size = 0
        self._lines = 0
        self.last_output: float | None = None

    def feed(self, data: bytes, at: float) -> Fed:
        """Take the bytes read `at` seconds after the start."""
        self._size += len(data)
        self.last_output = at
        return self._keep(self._redactor.feed(data))

    def finish(self) -> Fed:
        """The stream has ended: flush the bytes held back, and close the spool."""
        data, lines = self._keep(self._redactor.finish(), final=True)
        self.spool.close()
        return Fed(data, lines + (self._splitter.finish() if self._splitter else []))

    def result(self) -> StreamResult:
        """The result for this stream."""
        return StreamResult(
            spool=self.spool.path,
            size=self._size,
            lines=self._lines,
            tail=self._tail_text(),
            dropped=self.spool.dropped,
            decode_errors=self._decoder.errors,
            last_output=self.last_output,
        )

    def _keep(self, data: bytes, *, final: bool = False) -> Fed:
        self.spool.write(data)
        self._lines += data.count(b"\n")
        self._tail += data
        if len(self._tail) > 4 * TAIL_BYTES:  # not each time: small pieces come often
            del self._tail[:-TAIL_BYTES]
        text = self._decoder.decode(data, final=final)  # also if only to count the errors
        return Fed(data, self._splitter.feed(text) if self._splitter else [])

    def _tail_text(self) -> str:
        tail = bytes(self._tail[-TAIL_BYTES:])
        if len(tail) == TAIL_BYTES and codecs.lookup(self._encoding).name == "utf-8":
            tail = tail[:3].lstrip(_CONTINUATION) + tail[3:]  # the rest of a character cut in two
        try:
            return tail.decode(self._encoding, "replace")
        except UnicodeError:
            return tail.decode("ascii", "replace")


def _encoded(texts: Iterable[str], encoding: str) -> Iterator[bytes]:
    """Each text as the child would write it; one that cannot be encoded cannot occur."""
    for text in texts:
        encoder = codecs.getincrementalencoder(encoding)("surrogateescape")
        with contextlib.suppress(UnicodeEncodeError):
            encoder.encode("x")  # takes the byte order mark, if there is one
            yield encoder.encode(text)
