"""The analyzer's plan: find the processed bars that changed, and request their computation.

Looks at file names and the ledger only; reads no bars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import TypeVar

import attrs

from pipekit import ABSENT, Command, ConfigError, Pending, RunContext, StagePlan, Task
from pipekit_analyzer import WORKER, instruments
from pipekit_analyzer.instruments import InstrumentError, Table
from pipekit_analyzer.recompute import InstrumentState, consumed_bars
from pipekit_analyzer.request import BarFile, ConsumedBars, InstrumentJob, InstrumentRules, Request
from pipekit_analyzer.settings import Settings
from pipekit_analyzer.times import WINDOW_DAYS

_LAYOUT = re.compile(r"(?P<name>[^/]+)/1m/\d{4}/(?P=name)_1m_(?P<month>\d{4}-\d{2})\.parquet")
_SERIES = re.compile(r"(?P<name>[^/]+)/(?P<series>[^/]+)/.*\.parquet")
_WINDOW = timedelta(days=WINDOW_DAYS + 1)  # last bars are in UTC: a date may be a day off
_Value = TypeVar("_Value")


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """Instruments with new, changed or missing files, as units of one or several tasks."""
    states = list(_states(ctx, settings))
    due = [state for state in states if state]
    pending = sum((state.pending for state in states), Pending())
    inputs = tuple(i for state in due for i in state.pending)
    reason = _reason(attrs.evolve(pending, inputs=inputs), due, settings.processed)
    unusable = _unusable(ctx, settings, {state.name for state in states})
    names = ", ".join(f"{name} ({' and '.join(kinds)})" for name, (kinds, _) in unusable.items())
    return StagePlan(
        reason=f"{reason}; without 1m bars: {names}" if names else reason,
        tasks=_tasks(ctx, settings, due),
        inputs=inputs,
        holds=sorted({path for state in states for path in _held(state)}),
        waiting=pending.waiting,
        rejected=pending.rejected,
        warnings=[
            *(sentence for state in states for sentence in _left_alone(state)),
            *_warnings(unusable, settings.processed),
        ],
    )


def _states(ctx: RunContext, settings: Settings) -> Iterator[InstrumentState]:
    """Every instrument that has, or once had, bars."""
    tables = _tables(ctx, settings)
    _check_base_targets(settings, tables)
    ctx = attrs.evolve(ctx, force=ctx.force or ctx.rebuild)
    found = ctx.files(f"{settings.processed}/*/1m/*/*.parquet")
    files = _by_instrument(settings, {file.path: file for file in found})
    consumptions = ctx.consumed()
    consumed = _by_instrument(settings, dict.fromkeys(consumptions))
    published = {file.path: file for file in ctx.published("translator")}  # the last of each path
    archived = {path for path, file in published.items() if not file.present}
    for name in sorted(files.keys() | consumed.keys()):
        here, before = files.get(name, {}), consumed.get(name, {})
        missing = [p for p in before if p not in here and consumptions[p].fingerprint != ABSENT]
        rules = _rules(settings, name, tables)
        yield InstrumentState(
            name=name,
            files=here,
            # growing=True does not wait: the translator publishes by renaming, files are complete
            pending=ctx.pending(here.values(), rules, growing=True),
            rules=rules,
            consumptions=consumptions,
            consumed=tuple(before),
            lost={path: consumptions[path] for path in missing if path not in archived},
            archived=tuple(_month(path) for path in missing if path in archived),
            force=ctx.force,
        )


def _rules(settings: Settings, name: str, tables: Mapping[str, Table]) -> InstrumentRules:
    strategy = settings.strategy()
    try:
        parameters = instruments.resolve(name, tables)
    except InstrumentError as error:
        return InstrumentRules(strategy=strategy, problem=str(error))
    variants = (
        instruments.variant_rules(name, parameters, variant)
        for variant in settings.resolved_variants()
    )
    return InstrumentRules(strategy=strategy, parameters=parameters, variants=tuple(variants))


def _check_base_targets(settings: Settings, tables: Mapping[str, Table]) -> None:
    """Raises ConfigError for a base target of an unknown instrument: it would have no effect."""
    problems = [
        f"stages.analyzer.settings.variants: {variant.name} has a base target for {name}, an "
        "instrument without parameters"
        for variant in settings.variants
        for name in variant.base_targets
        if name not in tables
    ]
    if problems:
        raise ConfigError(problems)


def _tables(ctx: RunContext, settings: Settings) -> dict[str, Table]:
    """The instruments' tables: built in, then the user's file, then the settings."""
    layers = [instruments.load_tables(instruments.BUILT_IN)]
    if settings.instruments_file:
        try:
            layers.append(instruments.load_tables(str(ctx.root / settings.instruments_file)))
        except (OSError, InstrumentError) as error:
            raise ConfigError([f"stages.analyzer.settings.instruments_file: {error}"]) from error
    layers.append({name: attrs.asdict(table) for name, table in settings.instruments.items()})
    return instruments.combine(*layers)


def _by_instrument(settings: Settings, paths: Mapping[str, _Value]) -> dict[str, dict[str, _Value]]:
    """The paths that are months of bars, in order, with their values."""
    found: dict[str, dict[str, _Value]] = {}
    for path, value in sorted(paths.items()):
        layout = _LAYOUT.fullmatch(path.removeprefix(f"{settings.processed}/"))
        if layout:
            found.setdefault(layout["name"], {})[path] = value
    return found


def _month(path: str) -> str:
    """The month of a file of bars: `2013-10`."""
    return path.removesuffix(".parquet")[-7:]


def _reason(pending: Pending, due: list[InstrumentState], folder: str) -> str:
    count = sum(len(state.lost) for state in due)
    if not count:
        return pending.sentence(folder)
    missing = f"{count} missing file{'s' if count != 1 else ''}"
    return f"{pending.sentence(folder)}, {missing}" if pending else f"{missing} in {folder}"


def _unusable(
    ctx: RunContext, settings: Settings, names: set[str]
) -> dict[str, tuple[list[str], bool]]:
    """Instruments without one-minute bars: what is there, and whether it came in this run."""
    found: dict[str, set[str]] = {}
    new = set()
    for file in ctx.published("translator"):
        path = file.path.removeprefix(f"{settings.processed}/")
        part = _SERIES.fullmatch(path) if path != file.path and file.present else None
        if part is None or part["name"] in names:
            continue
        kind = "ticks" if part["series"] == "tick" else f"{part['series']} bars"
        found.setdefault(part["name"], set()).add(kind)
        if file.run_id == ctx.run_id:
            new.add(part["name"])
    return {name: (sorted(kinds), name in new) for name, kinds in sorted(found.items())}


def _warnings(unusable: Mapping[str, tuple[Iterable[str], bool]], folder: str) -> Iterator[str]:
    """That what came in this run cannot be analyzed, and what to do."""
    for name, (kinds, new) in unusable.items():
        if new:
            yield (
                f"{name} is not analyzed: {folder} has {' and '.join(kinds)} of it, but no 1m "
                'bars. To make them, set aggregate = "1m" for a source of ticks or of shorter bars'
            )


def _left_alone(state: InstrumentState) -> Iterator[str]:
    if state or not state.pending.rejected or not (state.pending or state.lost):
        return
    first = state.pending.rejected[0]
    yield f"{state.name} is not analyzed while {first.path} is rejected: {first.reason}"


def _held(state: InstrumentState) -> list[str]:
    """The files that will be read again.

    All of them if the whole history is to be computed; otherwise those around pending files, and
    those with windows that have not expired.
    """
    if state.pending.rejected or (state.pending and (state.full or state.new_variants)):
        return list(state.files)
    months = {near for i in state.pending for near in _months_around(_month(i.path))}
    if state.last_bar is not None:
        last = date.fromisoformat(state.last_bar[:10])
        months |= {f"{day:%Y-%m}" for day in (last - _WINDOW, last)}
    return [path for path in state.files if _month(path) in months]


def _months_around(month: str) -> set[str]:
    first = date.fromisoformat(f"{month}-01")
    days = (first - _WINDOW, first, first + timedelta(days=31) + _WINDOW)
    return {f"{day:%Y-%m}" for day in days}


def _tasks(ctx: RunContext, settings: Settings, due: list[InstrumentState]) -> Iterator[Task]:
    count = min(settings.processes, len(due))
    for number in range(count):
        share = due[number::count]
        workers = max(1, ctx.cores // count)
        request = Request(
            run_id=ctx.run_id,
            runs=settings.runs,
            cache=str(ctx.paths.state / "cache" / "analyzer"),
            workers=workers,
            compile=settings.kernels == "auto",
            strategy=settings.strategy(),
            dates=ctx.dates,
            instruments=tuple(_job(state) for state in share),
        )
        yield Task(
            name="analyze" if count == 1 else f"analyze-{number + 1}",
            command=Command.python(WORKER, request=request),
            units=[state.name for state in share],
            inputs=[i.path for state in share for i in state.pending],
            cores=workers,
        )


def _job(state: InstrumentState) -> InstrumentJob:
    pending = {i.path for i in state.pending}
    return InstrumentJob(
        name=state.name,
        rules=state.rules,
        full=state.full,
        new_variants=state.new_variants,
        removed_variants=state.removed_variants,
        files=tuple(_bar_file(state, path, path in pending) for path in state.files),
        lost={path: consumed_bars(known) for path, known in state.lost.items()},
        archived=state.archived,
        last_bar=state.last_bar,
    )


def _bar_file(state: InstrumentState, path: str, pending: bool) -> BarFile:
    consumed = consumed_bars(state.history.get(path))
    if not pending:  # its days are not compared
        consumed = ConsumedBars(last=consumed.last)
    return BarFile(path=path, month=_month(path), pending=pending, consumed=consumed)
