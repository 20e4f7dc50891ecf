"""Which chunks of which files feed the parts of a key."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator

import numpy as np

from pipekit_translator.work.table import Ints


class Feeding:
    """The chunks of a part, each with its file; in order of rank once they are sorted."""

    def __init__(self) -> None:
        self._files, self._chunks = array("i"), array("i")

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._files, self._chunks, strict=True)

    def add(self, file: int, chunk: int) -> None:
        """Add a chunk."""
        self._files.append(file)
        self._chunks.append(chunk)

    def without(self, files: Collection[int]) -> Feeding:
        """The chunks of the other files."""
        left = Feeding()
        for file, chunk in self:
            if file not in files:
                left.add(file, chunk)
        return left

    def __bool__(self) -> bool:
        return bool(self._files)

    def sort(self, ranks: Ints) -> None:
        """Sort by rank, then as added; the ranks are the new numbers of the files."""
        files = ranks[np.array(self._files)]
        order = np.argsort(files, kind="stable")
        self._files = array("i", files[order].astype(np.int32).tobytes())
        self._chunks = array("i", np.array(self._chunks)[order].tobytes())
