"""Published files that are damaged, or that somebody changed, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
import pyarrow as pa

from pipekit.worker import report
from pipekit_translator import layout
from pipekit_translator.contracts import MARK
from pipekit_translator.layout import Days, Series
from pipekit_translator.request import Request
from pipekit_translator.work.assemble.buffer import Chunk
from pipekit_translator.work.publish import parquet
from pipekit_translator.work.publish.parquet import Published
from pipekit_translator.work.publish.quarantine import Quarantine
from pipekit_translator.work.publish.unusable import DamagedError, UnusableError
from pipekit_translator.work.zones import Zone

if TYPE_CHECKING:
    from pipekit_translator.work.publish.publisher import PartResult

_GONE = "whose raw files are not all there"


@attrs.frozen(kw_only=True)
class Existing:
    """What a plan knows of the published files.

    `altered`: those that are not as they were published, or in whose place something else is;
    `unknown`: see Request. `parts`: those to look at in any case, by key. `left`: days that cannot
    be rebuilt.
    """

    processed: str
    contracts: str
    altered: frozenset[str]
    unknown: frozenset[str]
    parts: Mapping[str, list[str]]
    left: Days
    quarantine: Quarantine

    @classmethod
    def of(cls, request: Request, quarantine: Quarantine, left: Days) -> Self:
        """Those of a request."""
        parts: dict[str, list[str]] = {}
        for key, part in filter(None, map(layout.covered, request.altered)):
            parts.setdefault(key, []).append(part)
        return cls(
            processed=request.processed,
            contracts=request.contracts_folder,
            altered=frozenset((*request.altered, *request.lost)),
            unknown=frozenset(request.unknown),
            parts=parts,
            left=left,
            quarantine=quarantine,
        )

    def read(self, key: str, part: str, zone: Zone, *, any_new: bool) -> Published | None:
        """The published file of a part; None if there is none, or if it was set aside as damaged.

        One that cannot be read is set aside only if there are rows to make it again from
        (`any_new`), and if these are all that are known. Raises OSError, UnusableError.
        """
        folder = self.contracts if MARK in key else self.processed
        path, series = layout.path(folder, key, part), layout.of_key(key)[1]
        altered = path in self.altered
        try:
            found = parquet.read(path, series, zone, altered=altered)
            if found and altered:
                _check_rows(path, found.chunks, series)
            return found
        except UnusableError as error:
            is_damaged = isinstance(error, DamagedError)
            if not (altered or (is_damaged and path in self.unknown)):
                raise
            reason = error.reason if isinstance(error, DamagedError) else "of another time zone"
            if not any_new:
                raise UnusableError(
                    f"{path} is damaged ({reason}), and nothing of it can be made again: its raw "
                    "files are gone. Put back a good copy of it, or the raw files; or delete it"
                ) from error
        aside = self.quarantine.take(path, f"damaged: {reason}")
        gone = self._named_left(key, part)
        rest = f", but without {gone}, {_GONE}" if gone else ""
        if not altered:
            rest = "; rows of other raw files, if it had any, are only there"
        report.warning(
            f"{path} was damaged ({reason}) and is now {aside}. It was made again from the raw "
            f"files{rest}",
            path=path,
        )
        return None

    def is_doubtful(self, path: str) -> bool:
        """Whether the content of a file may be another than its rows tell."""
        return path in self.altered or path in self.unknown

    def tell_changed(self, path: str, result: PartResult) -> None:
        """Warn that somebody changed a file which is made again now, and keep it if it had more."""
        key, part = layout.covered(path) or (path, "")
        noun = layout.of_key(key)[1].noun
        counts = {"added": result.added, "changed back": result.changed, "removed": result.removed}
        done = ", ".join(f"{count:,} {noun} {what}" for what, count in counts.items() if count)
        text = f"{path} was changed after it was published. It was made again: {done}"
        if result.changed or result.removed:
            aside = self.quarantine.take(path, "changed after it was published", copy=True)
            text += f". It is kept as {aside}"
        if gone := self._named_left(key, part):
            text += f". What it has of {gone}, {_GONE}, was left as it is"
        report.warning(text, path=path)

    def _named_left(self, key: str, part: str) -> str:
        return layout.named(layout.both({key: layout.days_of(part)}, self.left))


def _check_rows(path: str, chunks: Iterable[Chunk], series: Series) -> None:
    """Raises DamagedError unless all rows can be read, and are in order."""
    last = None
    try:
        for chunk in chunks:
            time = chunk.load().time
            both = time if last is None else np.append(last, time)
            step = both[1:] - both[:-1]
            if not bool(((step >= 0) if series.grouped else (step > 0)).all()):
                raise ValueError("its rows are not in order")
            last = time[-1]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedError(path, error) from error
