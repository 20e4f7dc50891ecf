"""The dates and slots that a run must compute, and the form in which a result file states them.

A set of dates is a sorted tuple of disjoint `Span`s. The merger reads the
written form (docs/reference/data.md: scope of a run file).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from pipekit_analyzer.times import WINDOW_DAYS
from pipekit_analyzer.work.sessions import Exchange, Slot, expiry_day

VERSION = 1
EVERYTHING = "*"
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """Dates from `first` to `last`, both included."""

    first: date
    last: date


Dates = tuple[Span, ...]
ALWAYS: Dates = (Span(date.min, date.max),)


class Part(NamedTuple):
    """All combinations of these variants, slots and dates.

    None for `variants` or `slots` means all of them, even ones that are no longer configured.
    """

    variants: tuple[str, ...] | None
    slots: tuple[Slot, ...] | None
    dates: Dates


Scope = tuple[Part, ...]


def everything(archived: Dates = (), variants: tuple[str, ...] | None = None) -> Scope:
    """All results of these variants (None: of all), past and present.

    Dates that need bars of `archived` days are left out, because these bars are no longer there.
    """
    return (Part(variants, None, _without(ALWAYS, _slot_dates_reaching(archived))),)


def affected(
    exchange: Exchange,
    variants: tuple[str, ...],
    changed: set[date],
    last_bars: tuple[int | None, int | None],
    archived: Dates = (),
) -> Scope:
    """What must be computed again after days have changed (docs/reference/data.md).

    Every slot whose window contains part of a changed day, and every slot whose expiry lies after
    the last bar known before (or known now, if bars are missing). Empty if no day has changed.
    `last_bars`: the times of the last bar before and now (None if there are no bars).
    """
    if not (changed and variants):
        return ()
    before, now = last_bars
    if before is None or now is None:
        return everything(archived, variants)
    touched = {slot_date for day in changed for slot_date in _slot_dates_with(day)}
    traded = {slot_date for slot_date in touched if exchange.trades_on(slot_date)}
    groups: dict[Dates, list[Slot]] = {}
    for slot in exchange.slots:
        dates = _spans(traded | set(_unexpired(exchange, slot, before, now)))
        groups.setdefault(_without(dates, _slot_dates_reaching(archived)), []).append(slot)
    return tuple(Part(variants, tuple(slots), dates) for dates, slots in groups.items() if dates)


def restricted(scope: Scope, first: date, last: date) -> Scope:
    """The part of a scope from `first` to `last`, both included."""
    parts = (part._replace(dates=_between(part.dates, first, last)) for part in scope)
    return tuple(part for part in parts if part.dates)


def changed_days(before: Mapping[str, str], now: Mapping[str, str]) -> set[date]:
    """The days whose digest is new, different or missing; mappings are of digests by ISO date."""
    names = {day for day in before.keys() | now.keys() if before.get(day) != now.get(day)}
    return {date.fromisoformat(day) for day in names}


def by_variants(scope: Scope, variants: Iterable[str]) -> dict[tuple[str, ...], Scope]:
    """The parts to compute, by groups of variants that need the same ones."""
    groups: dict[Scope, list[str]] = {}
    for name in variants:
        parts = tuple(part for part in scope if part.variants is None or name in part.variants)
        groups.setdefault(parts, []).append(name)
    return {tuple(names): parts for parts, names in groups.items() if parts}


def slots_in(scope: Scope, exchange: Exchange, first: date, last: date) -> list[tuple[date, Slot]]:
    """The dates and slots to compute, in order, if there are data from `first` to `last`."""
    slots: dict[date, set[Slot]] = {}
    for part in scope:
        for day in _each_day(_between(part.dates, first, last)):
            if exchange.trades_on(day):
                slots.setdefault(day, set()).update(part.slots or exchange.slots)
    return [(day, slot) for day in sorted(slots) for slot in sorted(slots[day])]


def months_read(days: Iterable[date]) -> set[str]:
    """The months, as `2013-10`, that hold the windows of these slot dates."""
    edges = {day.replace(day=1) for first in days for day in (first, expiry_day(first))}
    return {f"{month:%Y-%m}" for month in edges}


def month_span(month: str) -> Span:
    """The days of a month given as `2013-10`."""
    first = date.fromisoformat(f"{month}-01")
    return Span(first, (first + 31 * _DAY).replace(day=1) - _DAY)


def record(scope: Scope, name: str) -> dict[str, object]:
    """The scope in the form used in a result file's metadata."""
    return {
        "version": VERSION,
        "instrument": name,
        "parts": [
            {
                "variants": EVERYTHING if part.variants is None else sorted(part.variants),
                "slots": EVERYTHING if part.slots is None else [list(s.key) for s in part.slots],
                "dates": [[span.first.isoformat(), span.last.isoformat()] for span in part.dates],
            }
            for part in scope
        ],
    }


def _slot_dates_with(day: date) -> Iterator[date]:
    """The slot dates whose windows contain part of a day: the day itself, and some before it."""
    for back in range(WINDOW_DAYS + 1):
        slot_date = day - back * _DAY
        if expiry_day(slot_date) >= day:
            yield slot_date


def _unexpired(exchange: Exchange, slot: Slot, before: int, now: int) -> Iterator[date]:
    earlier, later = sorted((before, now))
    first = exchange.day_of(earlier) - WINDOW_DAYS * _DAY
    for day in _each_day((Span(first, exchange.day_of(later)),)):
        if exchange.trades_on(day) and exchange.expiry(day, slot) > earlier:
            yield day


def _slot_dates_reaching(days: Dates) -> Dates:
    """The slot dates whose windows contain part of any of these days."""
    near = {day for span in days for day in _slot_dates_with(span.first)}
    return _spans(near | set(_each_day(days)))


def _each_day(dates: Dates) -> Iterator[date]:
    for first, last in dates:
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            yield date.fromordinal(ordinal)


def _spans(days: set[date]) -> Dates:
    spans: list[Span] = []
    for day in sorted(days):
        if spans and spans[-1].last + _DAY == day:
            spans[-1] = Span(spans[-1].first, day)
        else:
            spans.append(Span(day, day))
    return tuple(spans)


def _between(dates: Dates, first: date, last: date) -> Dates:
    spans = (Span(max(span.first, first), min(span.last, last)) for span in dates)
    return tuple(span for span in spans if span.first <= span.last)


def _without(dates: Dates, others: Dates) -> Dates:
    for other in others:
        before = _between(dates, date.min, other.first - _DAY)
        dates = before + _between(dates, other.last + _DAY, date.max)
    return dates
