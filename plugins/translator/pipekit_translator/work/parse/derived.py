"""What is derived from a format, once for all of its files."""

from __future__ import annotations

from functools import cache, lru_cache

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse.kernel import Layout, layout_of
from pipekit_translator.work.parse.numbers import NumberReader
from pipekit_translator.work.parse.stamps import StampReader


@cache
def stamps_of(format: FileFormat) -> list[tuple[str, StampReader]]:
    """The readers of the columns that make up the time stamp."""
    loose = format.series_read.grouped
    return [(role, StampReader(text, loose=loose)) for role, text in format.stamp_formats()]


@cache
def numbers_of(format: FileFormat) -> NumberReader:
    """The reader of the numbers."""
    return NumberReader(format)


@lru_cache(256)
def layout_for(format: FileFormat, roles: tuple[str, ...]) -> Layout | None:
    """What the kernel needs to know; None if it cannot read such files."""
    if format.date is not None:
        return None
    stamps = [(role, reader.fixed) for role, reader in stamps_of(format)]
    fixed = [(role, stamp) for role, stamp in stamps if stamp is not None]
    if len(fixed) < len(stamps) or roles.count("volume") > 1 or "contract" in roles:
        return None
    return layout_of(roles, fixed, format.series_read)
