"""The analyzer as a stage: finds what changed among the processed bars and plans the work.

Looks at file names and the ledger only; reads no bars and knows no strategy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

import attrs

from pipekit import (
    ABSENT,
    Command,
    ConfigError,
    Consumption,
    ContentState,
    FileStat,
    Input,
    Pending,
    RunContext,
    StagePlan,
    StageSpec,
    Task,
    hookimpl,
    setting,
)
from pipekit_analyzer.settings import Settings, strategy_record

PIPEKIT_API = "1"
WORKER = "pipekit_analyzer.worker"
_LAYOUT = re.compile(r"(?P<name>[^/]+)/1m/\d{4}/(?P=name)_1m_(?P<month>\d{4}-\d{2})\.parquet")
_Value = TypeVar("_Value")
_NEAR = timedelta(days=4)  # Friday's windows end on Monday; a day more is for the zone


@attrs.frozen
class Basis:
    """What one instrument's results depend on besides its bars, as JSON text."""

    strategy: str = setting("The strategy's settings.")
    parameters: str = setting("The instrument's parameters.")


@attrs.frozen(kw_only=True)
class Work:
    """What is known of one instrument: its files by path, what is pending, what went missing.

    `parameters` is None where `refusal` says why. `history`: consumptions with a usable detail.
    """

    name: str
    files: Mapping[str, FileStat]
    pending: Pending
    parameters: dict[str, Any] | None
    refusal: str
    history: Mapping[str, Consumption]
    vanished: Mapping[str, Consumption]
    taken: frozenset[str]
    again: bool

    def __bool__(self) -> bool:
        """Whether there is something to do: not while a file is refused as it stands."""
        if self.parameters is None:
            return bool(self.pending)
        return not self.pending.rejected and bool(self.pending or self.vanished)

    @property
    def full(self) -> bool:
        """Whether the whole history is computed: what was computed before is of no use."""
        before = [i.previous for i in self.pending if not _is_gone(i.previous)]
        return (
            self.again
            or not self.history
            or any(_settings_changed(i) for i in self.pending)
            or any(p is not None and not _usable(p) for p in [*before, *self.vanished.values()])
        )


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
    from pipekit_analyzer import instruments

    tables = _tables(ctx, settings)
    strategy = json.dumps(strategy_record(settings), sort_keys=True)
    files = _by_instrument(
        settings, {f.path: f for f in ctx.files(f"{settings.processed}/*/1m/*/*.parquet")}
    )
    consumed = _by_instrument(settings, ctx.consumed())
    removed = {p.path for p in _latest(ctx) if not p.present}
    if ctx.rebuild:
        ctx = attrs.evolve(ctx, force=True)
    for name in sorted(files.keys() | consumed.keys()):
        here = files.get(name, {})
        missing = {p: c for p, c in consumed.get(name, {}).items() if p not in here}
        missing = {p: c for p, c in missing.items() if c.fingerprint != ABSENT}
        parameters, refusal = None, ""
        try:
            found = instruments.resolve(name, tables)
            parameters = found and found.record()
            refusal = "" if found else instruments.unknown(name)
        except instruments.InstrumentError as error:
            refusal = str(error)
        basis = Basis(strategy=strategy, parameters=json.dumps(parameters, sort_keys=True))
        yield Work(
            name=name,
            files=here,
            # growing: the translator publishes by renaming, so what can be seen is whole
            pending=ctx.pending(here.values(), basis, growing=True),
            parameters=parameters,
            refusal=refusal,
            history={p: c for p, c in consumed.get(name, {}).items() if _usable(c)},
            vanished={p: c for p, c in missing.items() if p not in removed},
            taken=frozenset(_month(p) for p in missing if p in removed),
            again=ctx.force,
        )


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


def _usable(known: Consumption) -> bool:
    """Whether it says which days were consumed."""
    complete = known.state is ContentState.CONSUMED and known.fingerprint != ABSENT
    return complete and {"days", "last"} <= known.detail.keys()


def _is_gone(known: Consumption | None) -> bool:
    return known is None or known.fingerprint == ABSENT


def _settings_changed(input: Input) -> bool:
    before = input.previous
    return before is not None and not _is_gone(before) and before.settings != input.settings


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
    if work.pending.rejected or (work.pending and work.full):
        return list(work.files)
    months = {near for i in work.pending for near in _around(_month(i.path))}
    lasts = [known.detail["last"] for known in work.history.values() if known.detail["last"]]
    if lasts:
        last = date.fromisoformat(max(lasts)[:10])
        months |= {f"{day:%Y-%m}" for day in (last - _NEAR, last)}
    return [path for path in work.files if _month(path) in months]


def _around(month: str) -> set[str]:
    first = date.fromisoformat(f"{month}-01")
    return {f"{day:%Y-%m}" for day in (first - _NEAR, first, first + timedelta(days=31) + _NEAR)}


def _tasks(ctx: RunContext, settings: Settings, jobs: list[Work]) -> Iterator[Task]:
    count = min(settings.processes, len(jobs))
    for number in range(count):
        share = jobs[number::count]
        workers = max(1, min(ctx.workers // count, len(share)))
        yield Task(
            name="analyze" if count == 1 else f"analyze-{number + 1}",
            command=Command.python(WORKER, request=_request(ctx, settings, share, workers)),
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
    lasts = [known.detail["last"] for known in work.history.values() if known.detail["last"]]
    return {
        "name": work.name,
        "parameters": work.parameters,
        "refusal": work.refusal,
        "full": work.full,
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
        "last": max(lasts, default=None),
    }


def _known(known: Consumption | None, *, days: bool) -> dict[str, Any]:
    """What was consumed of a file; its days only where they are to be compared."""
    if known is None or not _usable(known):
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
        check=lambda _settings: Command.python(WORKER, "--check"),
    )
