"""The analyzer as a stage: finds what changed among the processed bars and plans the work.

Looks at file names and the ledger only; reads no bars and knows no strategy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

import pipekit  # Command and Task are loaded where there is work
from pipekit import (
    ABSENT,
    ConfigError,
    Consumption,
    Pending,
    RunContext,
    StagePlan,
    StageSpec,
    hookimpl,
)
from pipekit_analyzer.settings import Settings, strategy_record
from pipekit_analyzer.variants import digests
from pipekit_analyzer.work import Basis, Work, usable

if TYPE_CHECKING:
    from pipekit_analyzer.instruments import Instrument

PIPEKIT_API = "1"
WORKER = "pipekit_analyzer.worker"
_LAYOUT = re.compile(r"(?P<name>[^/]+)/1m/\d{4}/(?P=name)_1m_(?P<month>\d{4}-\d{2})\.parquet")
_Value = TypeVar("_Value")
_NEAR = timedelta(days=4)  # Friday's windows end on Monday; a day more is for the zone


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """Instruments with changed, new or vanished days, as units of one task or of a few."""
    works = list(_works(ctx, settings))
    jobs = [work for work in works if work]
    pending = sum((work.pending for work in works), Pending())
    holds = sorted({path for work in works for path in _held(work)})
    warnings = [sentence for work in works for sentence in _left_alone(work)]
    inputs = tuple(i for work in jobs for i in work.pending)
    reason = _reason(attrs.evolve(pending, inputs=inputs), jobs, settings.processed)
    return StagePlan(
        reason=reason,
        tasks=_tasks(ctx, settings, jobs),
        inputs=inputs,
        holds=holds,
        waiting=pending.waiting,
        rejected=pending.rejected,
        warnings=warnings,
    )


def _works(ctx: RunContext, settings: Settings) -> Iterator[Work]:
    tables = _tables(ctx, settings)
    _check_base_targets(settings, tables)
    rulings = settings.rulings()
    strategy = strategy_record(settings)
    files = _by_instrument(
        settings, {f.path: f for f in ctx.files(f"{settings.processed}/*/1m/*/*.parquet")}
    )
    known = ctx.consumed()
    consumed = _by_instrument(settings, dict.fromkeys(known))
    removed = {p.path for p in _latest(ctx) if not p.present}
    if ctx.rebuild:
        ctx = attrs.evolve(ctx, force=True)
    for name in sorted(files.keys() | consumed.keys()):
        here = files.get(name, {})
        taken = tuple(consumed.get(name, ()))
        missing = {p: known[p] for p in taken if p not in here and known[p].fingerprint != ABSENT}
        instrument, refusal = _instrument(name, tables)
        parameters = instrument and instrument.record()
        variants = [ruling.record(instrument) for ruling in rulings] if instrument else []
        basis = Basis(
            strategy=json.dumps(strategy, sort_keys=True),
            parameters=json.dumps(parameters, sort_keys=True),
            variants=json.dumps(variants, sort_keys=True),
        )
        yield Work(
            name=name,
            files=here,
            # growing: the translator publishes by renaming, so what can be seen is whole
            pending=ctx.pending(here.values(), basis, growing=True),
            parameters=parameters,
            refusal=refusal,
            strategy=strategy,
            variants=variants,
            known=known,
            consumed=taken,
            vanished={p: c for p, c in missing.items() if p not in removed},
            taken=frozenset(_month(p) for p in missing if p in removed),
            again=ctx.force,
        )


def _instrument(name: str, tables: Mapping[str, Any]) -> tuple[Instrument | None, str]:
    """Its parameters; where there are none, why."""
    from pipekit_analyzer import instruments

    try:
        found = instruments.resolve(name, tables)
    except instruments.InstrumentError as error:
        return None, str(error)
    return found, "" if found else instruments.unknown(name)


def _check_base_targets(settings: Settings, tables: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that no instrument has: it would be without effect."""
    problems = [
        f"stages.analyzer.settings.variants: {variant.name} has a base target for {name}, an "
        "instrument without parameters"
        for variant in settings.variants
        for name in variant.base_targets
        if name not in tables
    ]
    if problems:
        raise ConfigError(problems)


def _tables(ctx: RunContext, settings: Settings) -> dict[str, dict[str, Any]]:
    """The instruments' tables: built in, then the user's file, then the settings."""
    from pipekit_analyzer.instruments import BUILT_IN, InstrumentError, combined, load_tables

    layers = [load_tables(BUILT_IN)]
    if settings.instruments_file:
        try:
            layers.append(load_tables(str(ctx.root / settings.instruments_file)))
        except (OSError, InstrumentError) as error:
            raise ConfigError([f"stages.analyzer.settings.instruments_file: {error}"]) from error
    layers.append({name: attrs.asdict(table) for name, table in settings.instruments.items()})
    return combined(*layers)


def _latest(ctx: RunContext) -> Iterable[Any]:
    """The last that is known of each file the translator has published."""
    return {published.path: published for published in ctx.published("translator")}.values()


def _by_instrument(settings: Settings, paths: Mapping[str, _Value]) -> dict[str, dict[str, _Value]]:
    found: dict[str, dict[str, _Value]] = {}
    for path, value in sorted(paths.items()):
        layout = _LAYOUT.fullmatch(path.removeprefix(f"{settings.processed}/"))
        if layout:
            found.setdefault(layout["name"], {})[path] = value
    return found


def _month(path: str) -> str:
    return path.removesuffix(".parquet")[-7:]


def _reason(pending: Pending, jobs: list[Work], where: str) -> str:
    vanished = sum(len(work.vanished) for work in jobs)
    if not vanished:
        return pending.sentence(where)
    gone = f"{vanished} vanished file{'s' if vanished != 1 else ''}"
    return f"{pending.sentence(where)}, {gone}" if pending else f"{gone} in {where}"


def _left_alone(work: Work) -> Iterator[str]:
    if work or not work.pending.rejected or not (work.pending or work.vanished):
        return
    first = work.pending.rejected[0]
    yield f"{work.name} is not analysed while {first.path} is refused: {first.reason}"


def _held(work: Work) -> list[str]:
    """The files that will be read again.

    All where everything is still to be computed, else those around the pending ones and those
    under windows that have not expired.
    """
    if work.pending.rejected or (work.pending and (work.full or work.anew)):
        return list(work.files)
    months = {near for i in work.pending for near in _around(_month(i.path))}
    if work.last is not None:
        last = date.fromisoformat(work.last[:10])
        months |= {f"{day:%Y-%m}" for day in (last - _NEAR, last)}
    return [path for path in work.files if _month(path) in months]


def _around(month: str) -> set[str]:
    first = date.fromisoformat(f"{month}-01")
    return {f"{day:%Y-%m}" for day in (first - _NEAR, first, first + timedelta(days=31) + _NEAR)}


def _tasks(ctx: RunContext, settings: Settings, jobs: list[Work]) -> Iterator[pipekit.Task]:
    count = min(settings.processes, len(jobs))
    for number in range(count):
        share = jobs[number::count]
        workers = max(1, ctx.workers // count)  # with threads over files where units are few
        yield pipekit.Task(
            name="analyze" if count == 1 else f"analyze-{number + 1}",
            command=pipekit.Command.python(WORKER, request=_request(ctx, settings, share, workers)),
            units=[work.name for work in share],
            inputs=[i.path for work in share for i in work.pending],
            cores=workers,
        )


def _request(ctx: RunContext, settings: Settings, jobs: list[Work], workers: int) -> dict[str, Any]:
    return {
        "run_id": ctx.run_id,
        "runs": settings.runs,
        "cache": str(ctx.paths.state / "cache" / "analyzer"),
        "workers": workers,
        "strategy": strategy_record(settings),
        "dates": [day.isoformat() for day in ctx.dates] if ctx.dates else None,
        "instruments": [_job(work) for work in jobs],
    }


def _job(work: Work) -> dict[str, Any]:
    pending = {i.path: i for i in work.pending}
    return {
        "name": work.name,
        "parameters": work.parameters,
        "refusal": work.refusal,
        "full": work.full,
        "basis": {"rules": work.rules, "variants": digests(work.variants)},
        "variants": work.variants,
        "anew": work.anew,
        "gone": work.gone,
        "files": [
            {
                "path": path,
                "month": _month(path),
                "pending": path in pending,
                "known": _known(work.history.get(path), days=path in pending),
            }
            for path in work.files
        ],
        "vanished": [
            {"path": path, "known": _known(known, days=True)}
            for path, known in work.vanished.items()
        ],
        "taken": sorted(work.taken),
        "last": work.last,
    }


def _known(known: Consumption | None, *, days: bool) -> dict[str, Any]:
    """What was consumed of a file; its days only where they are to be compared."""
    if known is None or not usable(known):
        return {"days": {}, "last": None}
    return {"days": known.detail["days"] if days else {}, "last": known.detail["last"]}


@hookimpl
def pipekit_stages() -> Iterator[StageSpec]:
    """The stage `analyzer`."""
    yield StageSpec(
        "analyzer",
        plan,
        settings=Settings,
        after={"translator": "partial"},
        check=lambda _settings: pipekit.Command.python(WORKER, "--check"),
    )
