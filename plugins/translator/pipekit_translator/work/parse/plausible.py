"""Which times are plausible: neither before `earliest` nor after `latest`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from pipekit_translator import bounds
from pipekit_translator.dialects import FileFormat
from pipekit_translator.stampformat import EPOCHS
from pipekit_translator.work.parse.stamps import of_wrong_unit
from pipekit_translator.work.table import Flags, Ints

_END = 253_402_300_800  # the end of the year 9999, in seconds
_MARGIN = 2 * 86_400  # for the way from one zone to another


class Plausible:
    """The plausible times of a format's rows, to the day: local times are compared with UTC."""

    def __init__(self, format: FileFormat) -> None:
        now, self._unit = time.time(), format.series_read.unit
        unit, stamp = self._unit, format.timestamp_format
        self._epoch = stamp if stamp in EPOCHS else ""
        most = min(np.iinfo(np.int64).max // unit, _END) - _MARGIN
        self._earliest, self._latest = format.earliest, format.latest
        self._first = int(max(bounds.instant(format.earliest, now), -most)) * unit
        self._last = int(min(bounds.instant(format.latest, now), most)) * unit

    def are_all(self, local: Ints) -> bool:
        """Whether all times are plausible."""
        if not len(local):
            return True
        return self._first <= int(local.min()) and int(local.max()) <= self._last

    def problems(self, local: Ints) -> Iterator[tuple[Flags, str]]:
        """The rows with other times, and what is wrong with them."""
        if self._epoch:
            reason = f"the time stamp is in 1970, so it does not count {self._epoch}: set the unit"
            yield of_wrong_unit(local, self._unit), f"{reason} that the export counts in"
        yield local < self._first, f"the date is before earliest = {self._earliest!r}"
        yield local > self._last, f"the date is after latest = {self._latest!r}"
