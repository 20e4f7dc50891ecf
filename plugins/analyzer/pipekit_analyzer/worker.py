"""The analyzer's process: reads a request, computes instruments, publishes and reports.

Knows what the plan asked for; decides nothing of what is to be done beyond the request.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from pipekit.worker import ABSENT, leave, loading, report, request

with loading():
    from pipekit_analyzer import bars as reading
    from pipekit_analyzer import quality, rows, scope
    from pipekit_analyzer.bars import Month, RefusedError
    from pipekit_analyzer.compiled import Compiler
    from pipekit_analyzer.instruments import Instrument, InstrumentError, instrument
    from pipekit_analyzer.kernel import Bars, Data, Windows
    from pipekit_analyzer.parallel import together
    from pipekit_analyzer.scope import Scope
    from pipekit_analyzer.sessions import Exchange, Slot, exchange, instant_of
    from pipekit_analyzer.strategy import Rules, analyse

BYTES = 7  # of a file, for a bar: enough to guess how much work it is


class Demand(NamedTuple):
    """What a request says for all instruments.

    `dates`: the slot dates asked for, or None. `threads`: for the files of one instrument.
    """

    folder: str
    strategy: dict[str, Any]
    exchange: Exchange
    as_of: int | None
    dates: tuple[date, date] | None
    compiled: Compiler
    threads: int


class Asked(NamedTuple):
    """Dates and slots to compute, their windows, and the months that these lie in."""

    asked: Sequence[tuple[date, Slot]]
    windows: Windows
    months: set[str]


class Found(NamedTuple):
    """One instrument's months and bars, and what is to be computed of them, by variants."""

    instrument: Instrument
    scope: Scope
    shares: dict[tuple[str, ...], Asked]
    read: list[Month]
    bars: Bars
    off_grid: int
    data: Data


def main(words: list[str]) -> int:
    """Do what standard input asks for; `--check` only shows that everything can be imported."""
    if words == ["--check"]:
        return 0
    asked = request()
    demand = _demand(asked)
    together(lambda job: run_unit(job, demand), asked["instruments"], asked["workers"])
    return 0


def _demand(asked: Mapping[str, Any]) -> Demand:
    strategy = asked["strategy"]
    dates = asked["dates"] and tuple(date.fromisoformat(day) for day in asked["dates"])
    as_of = instant_of(strategy["as_of"]) if strategy["as_of"] else None
    return Demand(
        f"{asked['runs']}/{asked['run_id']}",
        strategy,
        exchange(strategy),
        as_of,
        dates,
        Compiler(asked["cache"]),
        max(1, asked["workers"] // len(asked["instruments"])),
    )


def run_unit(job: Mapping[str, Any], demand: Demand) -> None:
    """One instrument: its results are published and its inputs consumed, or it fails as a whole.

    Pending files that cannot be used are rejected, so that they are not tried again as they are.
    """
    refused: tuple[reading.Refusal, ...] = ()
    with report.unit(job["name"]):
        try:
            _run(job, demand)
        except InstrumentError as error:
            openings = [reading.identify(path) for path in _pending(job)]
            refused = tuple(reading.Refusal(opening, str(error)) for opening in openings)
            raise
        except RefusedError as error:
            refused = error.refusals
            raise
    for file, reason in refused:
        if file.path in _pending(job):
            report.rejected(file.path, reason, file.fingerprint, file.signature)


def _run(job: Mapping[str, Any], demand: Demand) -> None:
    if job["parameters"] is None:
        raise InstrumentError(job["refusal"])
    parameters = instrument(job["name"], job["parameters"])
    rules = {variant["name"]: parameters.rules(variant) for variant in job["variants"]}
    if demand.compiled.pays(_size(job, demand)):
        demand.compiled.begin()
    months = {month.path: month for month in _open(_to_open(job), demand)}
    found = _find(job, demand, parameters, months)
    if found.scope:
        _publish(job, demand, found, rules)
    if demand.dates is None:  # a part of the dates leaves the inputs pending, as they were
        _consume(job, months)


def _to_open(job: Mapping[str, Any]) -> list[str]:
    return [file["path"] for file in job["files"] if file["pending"] or job["full"]]


def _pending(job: Mapping[str, Any]) -> list[str]:
    return [file["path"] for file in job["files"] if file["pending"]]


def _size(job: Mapping[str, Any], demand: Demand) -> int:
    """About as many bars in windows as a whole history has, where one is to be computed."""
    if not (job["full"] or job["anew"]):
        return 0
    bars = sum(os.path.getsize(path) for path in _to_open(job)) // BYTES
    return bars * len(demand.exchange.slots) * len(job["anew"] or job["variants"])


def _open(paths: Iterable[str], demand: Demand) -> list[Month]:
    return reading.gather(
        lambda path: reading.open_month(path, demand.exchange), paths, demand.threads
    )


def _find(
    job: Mapping[str, Any], demand: Demand, parameters: Instrument, months: dict[str, Month]
) -> Found:
    """What has to be computed, and the bars for it; opens the months that it still needs."""
    last = max(_lasts(job, months), default=None)
    span = _scope(job, demand, months, last)
    shares = {
        names: _asked(job, demand, parts, months, last)
        for names, parts in scope.shares(span, _names(job)).items()
    }
    needed = {month for share in shares.values() for month in share.months}
    paths = [file["path"] for file in job["files"] if file["month"] in needed]
    months |= {m.path: m for m in _open([p for p in paths if p not in months], demand)}
    read = [months[path] for path in paths]
    bars, off_grid = reading.read_bars(
        read, parameters, demand.exchange, demand.as_of, demand.threads
    )
    return Found(parameters, span, shares, read, bars, off_grid, _data(last, demand.as_of))


def _names(job: Mapping[str, Any]) -> list[str]:
    return [variant["name"] for variant in job["variants"]]


def _data(last: int | None, as_of: int | None) -> Data:
    """`as_of` cuts the data off, and says that they are complete up to there."""
    known = last or 0
    return Data(known, known) if as_of is None else Data(min(known, as_of), as_of)


def _lasts(job: Mapping[str, Any], months: Mapping[str, Month]) -> list[int]:
    opened = [month.last for month in months.values()]
    others = [file["known"]["last"] for file in job["files"] if file["path"] not in months]
    return [t for t in opened if t is not None] + [instant_of(t) for t in others if t]


def _scope(
    job: Mapping[str, Any], demand: Demand, months: Mapping[str, Month], last: int | None
) -> Scope:
    taken = tuple(scope.month_span(month) for month in job["taken"])
    found: Scope = ()
    if job["gone"]:
        found += (scope.Part(tuple(job["gone"]), None, scope.ALWAYS),)
    if job["full"]:
        found += scope.everything(taken)
    else:
        if job["anew"]:
            found += scope.everything(taken, tuple(job["anew"]))
        pending = [file for file in job["files"] if file["pending"]]
        before = _merged(file["known"]["days"] for file in [*pending, *job["vanished"]])
        now = _merged(months[file["path"]].days for file in pending)
        ends = scope.Ends(instant_of(job["last"]) if job["last"] else None, last)
        others = tuple(name for name in _names(job) if name not in job["anew"])
        changed = scope.changed_days(before, now)
        found += scope.affected(demand.exchange, others, changed, ends, taken)
    return found if demand.dates is None else scope.restricted(found, *demand.dates)


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {day: digest for part in parts for day, digest in part.items()}


def _asked(
    job: Mapping[str, Any],
    demand: Demand,
    span: Scope,
    months: Mapping[str, Month],
    last: int | None,
) -> Asked:
    """The scope's dates and slots for which there can be bars."""
    if last is None:
        return _drawn(demand.exchange, (), date.min, date.min)
    first = min(_first(file, months.get(file["path"])) for file in job["files"])
    return _drawn(demand.exchange, span, first, demand.exchange.day_of(last))


@lru_cache(maxsize=8)  # instruments with the same days have the same windows
def _drawn(exchange: Exchange, span: Scope, first: date, last: date) -> Asked:
    asked = scope.wanted(span, exchange, first, last)
    return Asked(asked, exchange.windows(asked), scope.months_read({day for day, _ in asked}))


def _first(file: Mapping[str, Any], month: Month | None) -> date:
    if month is not None and month.days:
        return date.fromisoformat(min(month.days))
    return scope.month_span(file["month"]).first


def _publish(
    job: Mapping[str, Any], demand: Demand, found: Found, rules: Mapping[str, Rules]
) -> None:
    zone = demand.strategy["timezone"]
    computed = [
        one for share in found.shares.items() for one in _computed(share, found, demand, rules)
    ]
    computed.sort(key=lambda one: one.variant)
    targets = {name: rule.target for name, rule in rules.items()}
    table = rows.table(computed, found.bars, found.instrument, targets, zone)
    stated = scope.record(found.scope, job["name"])
    used = {"instrument": found.instrument.record(), "variants": job["variants"]}
    metadata = {
        "scope": stated,
        "settings": {**demand.strategy, **used},
        "inputs": {month.path: month.fingerprint for month in found.read},
    }
    path = f"{demand.folder}/{job['name']}.parquet"
    digest = rows.publish(path, table, metadata)
    detail: dict[str, Any] = {"instrument": job["name"], "series": job["name"]}
    detail |= {"rows": len(table), "full": job["full"], "scope": stated}
    dates = [day for one in computed for day in rows.dates(one)]
    if dates:
        detail |= {"first": min(dates).isoformat(), "last": max(dates).isoformat()}
    sources = sorted({*_pending(job), *(month.path for month in found.read)})
    report.wrote(path, digest, sources=sources, detail=detail)
    report.metric("rows", len(table))
    if computed:
        most = max(computed, key=lambda one: len(one.asked))
        _warn(job["name"], quality.assess(most, found.bars, demand.exchange, found.off_grid))


def _computed(
    share: tuple[tuple[str, ...], Asked], found: Found, demand: Demand, rules: Mapping[str, Rules]
) -> list[rows.Computed]:
    names, (asked, windows, _) = share
    each = [rules[name] for name in names]
    outcomes = analyse(found.bars, windows, found.data, each, demand.compiled)
    return [
        rows.Computed(name, asked, windows, outcome)
        for name, outcome in zip(names, outcomes, strict=True)
    ]


def _warn(name: str, found: quality.Quality) -> None:
    for flag, count in found.counts.items():
        report.metric(flag, count)
    if found.counts:
        flags = ", ".join(f"{count} {flag}" for flag, count in found.counts.items())
        report.warning(f"{name}: {flags}", instrument=name, **found.counts, examples=found.examples)


def _consume(job: Mapping[str, Any], months: Mapping[str, Month]) -> None:
    for path in _pending(job):
        month = months[path]
        detail = month.known() | job["basis"]
        report.consumed(path, month.fingerprint, month.signature, detail=detail)
    for file in job["vanished"]:
        report.consumed(file["path"], ABSENT)


if __name__ == "__main__":
    gc.disable()  # what a worker makes lives to its end; collecting is a tenth of loading numba
    leave(main(sys.argv[1:]))
