"""Selects what to compute for one instrument: its scope, the slots in it, and the bars for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from attrs import frozen

from pipekit_analyzer.request import BarFile, InstrumentJob, Request
from pipekit_analyzer.times import parse_instant
from pipekit_analyzer.work import scope
from pipekit_analyzer.work.bars import Month, open_months, read_bars
from pipekit_analyzer.work.contract import Contract
from pipekit_analyzer.work.kernel import Bars, DataEnd, Windows
from pipekit_analyzer.work.scope import Scope
from pipekit_analyzer.work.sessions import Exchange, Slot, exchange
from pipekit_analyzer.work.simulate import KernelChoice

Months = dict[str, Month]  # by path


class RequestContext:
    """What the instruments of a request share. `as_of`: the end of the data, as an instant."""

    def __init__(self, request: Request) -> None:
        as_of = request.strategy.as_of
        self.request = request
        self.exchange = exchange(request.strategy)
        self.as_of = parse_instant(as_of) if as_of else None
        self.kernel_choice = KernelChoice(request.cache, compile=request.compile)


@frozen(kw_only=True)
class SlotGroup:
    """Slots on dates to compute, with their windows and the months that these lie in."""

    dated_slots: Sequence[tuple[date, Slot]]
    windows: Windows
    months: set[str]


@frozen(kw_only=True)
class Selection:
    """What to compute for one instrument, by groups of variants, and the bars for it.

    `read`: the months that these bars come from. `off_grid`: how many of them are off the tick
    grid.
    """

    scope: Scope
    groups: Mapping[tuple[str, ...], SlotGroup]
    read: Sequence[Month]
    bars: Bars
    off_grid: int
    data_end: DataEnd


def select(
    job: InstrumentJob, context: RequestContext, contract: Contract, months: Months
) -> Selection:
    """What to compute, and the bars for it. `months`: those opened already; opens further ones."""
    last = max(_last_bars(job, months), default=None)
    whole = _scope(job, context, months, last)
    groups = {
        names: _group(job, context, parts, months, last)
        for names, parts in scope.by_variants(whole, job.rules.names).items()
    }
    needed = {month for group in groups.values() for month in group.months}
    paths = [file.path for file in job.files if file.month in needed]
    opened = months | open_months([path for path in paths if path not in months], context.exchange)
    read = [opened[path] for path in paths]
    bars, off_grid = read_bars(read, contract, context.exchange, context.as_of)
    # `as_of` cuts off the data and declares them complete up to there: expired trades are closed.
    end = (last or 0) if context.as_of is None else context.as_of
    return Selection(
        scope=whole,
        groups=groups,
        read=read,
        bars=bars,
        off_grid=off_grid,
        data_end=DataEnd(min(last or 0, end), end),
    )


def _last_bars(job: InstrumentJob, months: Months) -> list[int]:
    opened = [month.last for month in months.values()]
    others = [file.consumed.last for file in job.files if file.path not in months]
    return [t for t in opened if t is not None] + [parse_instant(t) for t in others if t]


def _scope(job: InstrumentJob, context: RequestContext, months: Months, last: int | None) -> Scope:
    archived = tuple(scope.month_span(month) for month in job.archived)
    found: Scope = scope.everything((), job.removed_variants) if job.removed_variants else ()
    if job.full:
        found += scope.everything(archived)
    else:
        if job.new_variants:
            found += scope.everything(archived, job.new_variants)
        others = tuple(name for name in job.rules.names if name not in job.new_variants)
        last_bars = parse_instant(job.last_bar) if job.last_bar else None, last
        changed = _changed_days(job, months)
        found += scope.affected(context.exchange, others, changed, last_bars, archived)
    dates = context.request.dates
    return found if dates is None else scope.restricted(found, *dates)


def _changed_days(job: InstrumentJob, months: Months) -> set[date]:
    pending = [file for file in job.files if file.pending]
    consumed = [*(file.consumed for file in pending), *job.lost.values()]
    before = {day: digest for part in consumed for day, digest in part.digests.items()}
    now = {day: digest for f in pending for day, digest in months[f.path].digests.items()}
    return scope.changed_days(before, now)


def _group(
    job: InstrumentJob, context: RequestContext, parts: Scope, months: Months, last: int | None
) -> SlotGroup:
    """The dates and slots of a scope that may have bars."""
    if last is None:
        return _group_between(context.exchange, (), date.min, date.min)
    first = min(_first_day(file, months.get(file.path)) for file in job.files)
    return _group_between(context.exchange, parts, first, context.exchange.day_of(last))


@lru_cache(maxsize=8)  # instruments with the same days have the same windows
def _group_between(exchange: Exchange, parts: Scope, first: date, last: date) -> SlotGroup:
    slots = scope.slots_in(parts, exchange, first, last)
    months = scope.months_read({day for day, _ in slots})
    return SlotGroup(dated_slots=slots, windows=exchange.windows(slots), months=months)


def _first_day(file: BarFile, month: Month | None) -> date:
    if month is not None and month.digests:
        return date.fromisoformat(min(month.digests))
    return scope.month_span(file.month).first
