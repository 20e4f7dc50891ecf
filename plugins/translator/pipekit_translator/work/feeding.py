"""Which chunks of which files feed the parts of each key."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping

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


class Feedings:
    """The parts that have chunks, by key."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Feeding]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def add(self, key: str, part: str, file: int, chunk: int) -> None:
        """Add a chunk."""
        self._parts.setdefault(key, {}).setdefault(part, Feeding()).add(file, chunk)

    def parts(self, key: str) -> Mapping[str, Feeding]:
        """The parts of a key; empty for a key without chunks."""
        return self._parts.get(key, {})

    def chunks(self, key: str, part: str) -> Iterator[tuple[int, int]]:
        """Each chunk of a part, after its file."""
        return iter(self.parts(key).get(part, ()))

    def files(self, keys: Iterable[str]) -> list[int]:
        """The files that feed any of these keys, in order."""
        feedings = [feeding for key in keys for feeding in self.parts(key).values()]
        return sorted({file for feeding in feedings for file, _ in feeding})

    def sort(self, ranks: Ints) -> None:
        """See `Feeding.sort`."""
        for parts in self._parts.values():
            for feeding in parts.values():
                feeding.sort(ranks)

    def remove(self, files: Collection[int]) -> None:
        """Remove the chunks of these files."""
        for key, parts in [*self._parts.items()]:
            left = {part: feeding.without(files) for part, feeding in parts.items()}
            self._parts[key] = {part: feeding for part, feeding in left.items() if feeding}
            if not self._parts[key]:
                del self._parts[key]
