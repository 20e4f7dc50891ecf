"""One instrument's new bars into its months: merge with what is published, write what changed.

Knows neither raw files' content nor the report; the caller says what came of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import attrs
import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan

from pipekit_translator import layout, store
from pipekit_translator.bars import Bars, Flags, Ints, joined, merge, no_bars
from pipekit_translator.zones import Zone

Months = dict[str, int]


class Part(NamedTuple):
    """A file's bars of one instrument."""

    path: str
    bars: Bars


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a month. `added`, `changed`, `removed`: bars against the published ones.

    `conflicts`: new bars that displaced a published one with other values.
    """

    path: str
    month: str
    fingerprint: str
    written: bool
    bars: int
    first: str
    last: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    conflicts: int = 0


def local_days(bars: Bars, zone: Zone) -> Ints:
    """The exchange-local date of each bar: days since 1970-01-01."""
    return zone.days(bars.time // 1_000_000)


def days_fed(days: Ints) -> Months:
    """Local dates as months with bits."""
    fed: Months = {}
    changes = np.flatnonzero(days[1:] != days[:-1]) + 1  # few, since files are mostly in order
    for day in sorted({*days[:1].tolist(), *days[changes].tolist()}):
        date = str(np.datetime64(day, "D"))
        fed[date[:7]] = fed.get(date[:7], 0) | 1 << int(date[8:])
    return fed


def in_days(days: Ints, months: Months) -> Flags:
    """Which of the local dates are among these."""
    wanted = [
        int(np.datetime64(f"{month}-{day:02}", "D").astype(np.int64))
        for month, bits in months.items()
        for day in range(1, 32)
        if bits >> day & 1
    ]
    return np.isin(days, np.array(wanted, np.int64))


def by_month(bars: Bars, zone: Zone) -> dict[str, Bars]:
    """Sorted bars by the month of their exchange-local date."""
    if not bars.size:
        return {}
    months = local_days(bars, zone).astype("M8[D]").astype("M8[M]").astype(np.int64)
    begins = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    ends = [*begins[1:].tolist(), bars.size]
    return {
        str(np.datetime64(int(months[begin]), "M")): bars.at(slice(begin, end))
        for begin, end in zip(begins.tolist(), ends, strict=True)
    }


class Publisher:
    """Writes the months of one instrument below `processed`."""

    def __init__(self, processed: str, instrument: str, zone: Zone) -> None:
        self._processed = processed
        self._instrument = instrument
        self._zone = zone

    def publish(self, month: str, new: Bars, rebuilt: int) -> Outcome | None:
        """Merge a month's new bars (sorted, one a time stamp) into what is published of it.

        A new bar wins over a published one. `rebuilt`: bits of the days whose published bars do
        not count. None where there is nothing to publish. Raises OSError, UnusableError.
        """
        path = layout.month_path(self._processed, self._instrument, month)
        published = store.read_month(path, self._zone)
        if published is None and not new.size:
            return None
        base = no_bars() if published is None else self._without(published.bars, month, rebuilt)
        merged = merge(joined([base, new]))
        if published is not None and merged.bars.same(published.bars):
            return self._outcome(path, month, merged.bars, published.fingerprint)
        fingerprint = store.write_month(path, self._instrument, merged.bars, self._zone)
        before = no_bars() if published is None else published.bars
        added, changed, removed = _difference(before, merged.bars)
        outcome = self._outcome(path, month, merged.bars, fingerprint)
        return attrs.evolve(
            outcome,
            written=True,
            added=added,
            changed=changed,
            removed=removed,
            conflicts=merged.conflicts,
        )

    def _without(self, bars: Bars, month: str, rebuilt: int) -> Bars:
        if not rebuilt:
            return bars
        return bars.at(~in_days(local_days(bars, self._zone), {month: rebuilt}))

    def _outcome(self, path: str, month: str, bars: Bars, fingerprint: str) -> Outcome:
        first, last = (_iso(bars.time[0]), _iso(bars.time[-1])) if bars.size else ("", "")
        return Outcome(
            path=path,
            month=month,
            fingerprint=fingerprint,
            written=False,
            bars=bars.size,
            first=first,
            last=last,
        )


def _difference(before: Bars, after: Bars) -> tuple[int, int, int]:
    """Bars added, changed and removed."""
    _, old, new = np.intersect1d(before.time, after.time, assume_unique=True, return_indices=True)
    changed = np.zeros(len(old), np.bool_)
    for one, two in zip(before[1:], after[1:], strict=True):
        changed |= one[old] != two[new]
    return after.size - len(old), int(changed.sum()), before.size - len(old)


def _iso(time: np.int64) -> str:
    return f"{np.datetime64(int(time), 'us').astype('M8[s]')}Z"


_STAMP = re.compile(r"(?<!\d)(\d{8})_(\d{6})(?!\d)")


def exported(path: str, priority: int, changed_ns: int) -> tuple[int, float, int, str]:
    """The rank of an export: of two with the same bar, the higher one's stands.

    By the stamp in its name, else its modification time, else its name (spec: data, §1.3 rule 2).
    """
    found = _STAMP.search(path.rpartition("/")[2])
    stamp = _stamp_seconds(*found.groups()) if found else None
    return (priority, changed_ns / 1e9 if stamp is None else stamp, changed_ns, path)


def _stamp_seconds(date: str, time: str) -> float | None:
    try:
        iso = f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}"
        return float(np.datetime64(iso, "s").astype(np.int64))
    except ValueError:
        return None
