"""The members of a zip archive."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from io import FileIO

from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.read import decode

_WORKBOOK = "[Content_Types].xml"
_ENCRYPTED = 1  # of a member's flags
_NAMED = 3  # members that a message names


def members_of(
    file: FileIO, name: str, format: FileFormat, warn: Callable[[str], object]
) -> Generator[tuple[str, Iterator[bytes]]]:
    """The members of an archive that are files of the source, and their text in pieces.

    `name`: the archive's own. `warn`: called with what is not read. Raises RejectedError.
    """
    with _damage_rejected(), zipfile.ZipFile(file) as archive:
        for member in _members(archive, name, format, warn):
            if member.flag_bits & _ENCRYPTED:
                raise RejectedError(f"its member {member.filename} is encrypted: unpack it")
            yield member.filename.replace("\\", "/"), _pieces(archive, member)


@contextmanager
def _damage_rejected() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise RejectedError(
            f"its zip data are damaged or cut off ({error}): get the file again"
        ) from error


def _members(
    archive: zipfile.ZipFile, file: str, format: FileFormat, warn: Callable[[str], object]
) -> list[zipfile.ZipInfo]:
    """The members that are files of the source, by their names. Raises RejectedError."""
    members = [member for member in archive.infolist() if not _is_hidden(member)]
    if any(member.filename == _WORKBOOK for member in members):
        raise RejectedError("it is an Excel workbook: save its sheets as CSV")
    members = [member for member in members if not format.instrument.ignores(_name(member))]
    if format.instrument.column or not format.instrument.pattern:
        return members
    names = [_name(member) for member in members]
    found = list(format.instrument.of_names(names))
    if not format.instruments:  # the name of the file has been accepted, and nothing else
        (own,) = format.instrument.of_names([file])
        if others := {*found} - {own, None}:
            raise RejectedError(
                f"it is a zip archive with members of {', '.join(sorted(map(str, others)))}, but "
                f"its own name says {own}: let its name end in .zip"
            )
    left = [name for name, instrument in zip(names, found, strict=True) if instrument is None]
    shown = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if left[_NAMED:] else "")
    if left and len(left) == len(names):
        raise RejectedError(
            f"none of its members ({shown}) matches the source's instrument pattern "
            f"{format.instrument.pattern!r}: change the pattern"
        )
    if left:
        warn(f"members that do not match the source's instrument pattern were not read: {shown}")
    return [m for m, instrument in zip(members, found, strict=True) if instrument is not None]


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    parts = member.filename.replace("\\", "/").split("/")
    return member.is_dir() or parts[0] == "__MACOSX" or any(part[:1] == "." for part in parts)


def _name(member: zipfile.ZipInfo) -> str:
    return os.path.basename(member.filename.replace("\\", "/"))


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with _damage_rejected(), archive.open(member) as file:
        head = file.read(decode.SNIFFED)
        kind = decode.kind_of(head)
        if decode.is_packed(kind):
            raise RejectedError(f"its member {member.filename} is compressed again: unpack it")
        waiting = [head]

        def read(count: int) -> bytes:
            return waiting.pop() if waiting else file.read(count)

        yield from decode.text_of(read, kind)
