"""Completes Wine's C library with the complex functions that numpy needs.

Wine 8 exports them from ucrtbase.dll without any code: whoever calls one is aborted, and numpy
calls some when it is imported. A few instructions written over the stubs make them work. By
Windows' calling convention a `float complex` arrives in the register rcx, a `double complex` as an
address in it; the result is returned in xmm0.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

_STUB = re.compile(rb"\x48\x83\xec\x28\x48\x8d\x0d.{4}\x48\x8d\x15.{4}\xe8", re.DOTALL)
_STUB_SIZE = 24  # bytes, up to the end of its call; the next function begins after a gap
_BUILTIN_MARK = b"Wine builtin DLL"  # Wine ignores files with this mark in its folders

_RETURN = "c3"
_REAL = "f20f1001"  # movsd xmm0, [rcx]
_IMAG = "f20f104108"  # movsd xmm0, [rcx+8]
_REAL_SECOND = "f20f1009"  # movsd xmm1, [rcx]
_IMAG_SECOND = "f20f104908"  # movsd xmm1, [rcx+8]
_REAL_F = "660f6ec1"  # movd xmm0, ecx
_REAL_F_SECOND = "660f6ec9"  # movd xmm1, ecx
_TO_IMAG_F = "48c1e920"  # shr rcx, 32

# name: instructions, and the function that goes on with the arguments in xmm0 and xmm1
_CODE: dict[str, tuple[str, str]] = {
    "crealf": (_REAL_F + _RETURN, ""),
    "cimagf": (_TO_IMAG_F + _REAL_F + _RETURN, ""),
    "cabsf": (_REAL_F + _TO_IMAG_F + _REAL_F_SECOND, "_hypotf"),
    "cargf": (_REAL_F_SECOND + _TO_IMAG_F + _REAL_F, "atan2f"),
    # a long double is a double on Windows
    **dict.fromkeys(("creal", "creall"), (_REAL + _RETURN, "")),
    **dict.fromkeys(("cimag", "cimagl"), (_IMAG + _RETURN, "")),
    **dict.fromkeys(("cabs", "cabsl"), (_REAL + _IMAG_SECOND, "_hypot")),
    **dict.fromkeys(("carg", "cargl"), (_REAL_SECOND + _IMAG, "atan2")),
}


def complete(source: Path, target: Path) -> None:
    """Copy a ucrtbase.dll; functions that a newer Wine has are left as they are."""
    library = _Library(source.read_bytes())
    addresses = library.exports()
    for name, (code, following) in _CODE.items():
        position = library.position(addresses[name])
        if not _STUB.match(library.data, position):
            continue
        machine = bytes.fromhex(code)
        if following:
            after_jump = addresses[name] + len(machine) + 5
            machine += b"\xe9" + struct.pack("<i", addresses[following] - after_jump)
        assert len(machine) <= _STUB_SIZE
        library.data[position : position + len(machine)] = machine
    mark = library.data.index(_BUILTIN_MARK)
    library.data[mark : mark + len(_BUILTIN_MARK)] = bytes(len(_BUILTIN_MARK))
    target.write_bytes(library.data)


class _Library:
    """The image of a 64-bit DLL, as far as its exports go (the PE format)."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._header = self._number("I", 0x3C)
        first = self._header + 24 + self._number("H", self._header + 20)
        count = self._number("H", self._header + 6)
        self._sections = [
            struct.unpack_from("<8xIIII", self.data, first + 40 * index) for index in range(count)
        ]

    def position(self, address: int) -> int:
        """Where in the file the byte is that will be loaded at this relative address."""
        for size, start, size_in_file, position in self._sections:
            if start <= address < start + max(size, size_in_file):
                return int(address - start + position)
        raise ValueError(f"no section holds the address {address:#x}")

    def exports(self) -> dict[str, int]:
        """The relative address of each exported function."""
        table = self.position(self._number("I", self._header + 24 + 112))
        count, functions, names, ordinals = struct.unpack_from("<IIII", self.data, table + 24)
        found = {}
        for index in range(count):
            start = self.position(self._number("I", self.position(names) + 4 * index))
            name = bytes(self.data[start : self.data.index(0, start)]).decode()
            ordinal = self._number("H", self.position(ordinals) + 2 * index)
            found[name] = self._number("I", self.position(functions) + 4 * ordinal)
        return found

    def _number(self, kind: str, position: int) -> int:
        return int(struct.unpack_from(f"<{kind}", self.data, position)[0])
