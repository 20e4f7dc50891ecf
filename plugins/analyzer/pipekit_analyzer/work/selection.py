"""What to compute for one instrument: its scope, the slots in it, and the bars these need."""

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
from pipekit_analyzer.work.kernel import Bars, Data, Windows
from pipekit_analyzer.work.scope import Scope
from pipekit_analyzer.work.sessions import Exchange, Slot, exchange
from pipekit_analyzer.work.strategy import Kernels


class Run:
    """What all instruments of a request share. `as_of`: the end of the data, as an instant."""

    def __init__(self, request: Request) -> None:
        as_of = request.strategy.as_of
        self.request = request
        self.exchange = exchange(request.strategy)
        self.as_of = parse_instant(as_of) if as_of else None
        self.kernels = Kernels(request.cache, compile=request.compile)


@frozen(kw_only=True)
class Slots:
    """Dates and slots to compute, their windows, and the months that these lie in."""

    slots: Sequence[tuple[date, Slot]]
    windows: Windows
    months: set[str]


@frozen(kw_only=True)
class Selection:
    """What to compute for one instrument, by groups of variants, and the bars for it.

    `read`: the months that these bars come from. `off_grid`: how many of them are off the tick
    grid.
    """

    scope: Scope
    slots: Mapping[tuple[str, ...], Slots]
    read: Sequence[Month]
    bars: Bars
    off_grid: int
    data: Data


def select(job: InstrumentJob, run: Run, contract: Contract, months: dict[str, Month]) -> Selection:
    """What has to be computed, and the bars for it; opens the months that are still needed."""
    last = max(_last_bars(job, months), default=None)
    whole = _scope(job, run, months, last)
    slots = {
        names: _slots(job, run, parts, months, last)
        for names, parts in scope.by_variants(whole, job.rules.names).items()
    }
    needed = {month for group in slots.values() for month in group.months}
    paths = [file.path for file in job.files if file.month in needed]
    months |= open_months([path for path in paths if path not in months], run.exchange)
    read = [months[path] for path in paths]
    bars, off_grid = read_bars(read, contract, run.exchange, run.as_of)
    # `as_of` cuts the data off, and says that they are complete up to there.
    end = (last or 0) if run.as_of is None else run.as_of
    return Selection(
        scope=whole,
        slots=slots,
        read=read,
        bars=bars,
        off_grid=off_grid,
        data=Data(min(last or 0, end), end),
    )


def _last_bars(job: InstrumentJob, months: Mapping[str, Month]) -> list[int]:
    opened = [month.last for month in months.values()]
    others = [file.consumed.last for file in job.files if file.path not in months]
    return [t for t in opened if t is not None] + [parse_instant(t) for t in others if t]


def _scope(job: InstrumentJob, run: Run, months: Mapping[str, Month], last: int | None) -> Scope:
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
        found += scope.affected(run.exchange, others, changed, last_bars, archived)
    dates = run.request.dates
    return found if dates is None else scope.restricted(found, *dates)


def _changed_days(job: InstrumentJob, months: Mapping[str, Month]) -> set[date]:
    pending = [file for file in job.files if file.pending]
    consumed = [*(file.consumed for file in pending), *job.vanished.values()]
    before = {day: digest for part in consumed for day, digest in part.days.items()}
    now = {day: digest for f in pending for day, digest in months[f.path].days.items()}
    return scope.changed_days(before, now)


def _slots(
    job: InstrumentJob, run: Run, parts: Scope, months: Mapping[str, Month], last: int | None
) -> Slots:
    """The dates and slots of a scope for which there can be bars."""
    if last is None:
        return _slots_between(run.exchange, (), date.min, date.min)
    first = min(_first_day(file, months.get(file.path)) for file in job.files)
    return _slots_between(run.exchange, parts, first, run.exchange.day_of(last))


@lru_cache(maxsize=8)  # instruments with the same days have the same windows
def _slots_between(exchange: Exchange, parts: Scope, first: date, last: date) -> Slots:
    slots = scope.slots_in(parts, exchange, first, last)
    months = scope.months_read({day for day, _ in slots})
    return Slots(slots=slots, windows=exchange.windows(slots), months=months)


def _first_day(file: BarFile, month: Month | None) -> date:
    if month is not None and month.days:
        return date.fromisoformat(min(month.days))
    return scope.month_span(file.month).first
