"""One instrument, from its bars to its published results, and the report on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from pipekit.worker import ABSENT, report
from pipekit_analyzer.request import InstrumentJob
from pipekit_analyzer.times import to_datetime
from pipekit_analyzer.work import quality, rows, scope
from pipekit_analyzer.work.bars import Month, RejectedError, Rejection, open_months
from pipekit_analyzer.work.contract import Contract, ParameterError
from pipekit_analyzer.work.kernel import TickRules
from pipekit_analyzer.work.selection import RequestContext, Selection, select
from pipekit_analyzer.work.simulate import minutes_in, simulate


def run_unit(job: InstrumentJob, context: RequestContext) -> None:
    """Publish an instrument's results and consume its files, or fail the instrument as a whole.

    Pending files that cannot be used are rejected, so that they are not retried until they change.
    """
    rejections: Sequence[Rejection] = ()
    with report.unit(job.name):
        try:
            _run(job, context)
        except ParameterError as error:
            rejections = [Rejection.of(path, str(error)) for path in job.pending]
            raise
        except RejectedError as error:
            rejections = error.rejections
            raise
    # `report.unit` suppresses the exception. Outside it, rejections count even if the unit failed.
    for rejection in rejections:
        if rejection.path in job.pending:
            report.rejected(*rejection)


def _run(job: InstrumentJob, context: RequestContext) -> None:
    parameters = job.rules.parameters
    if parameters is None:
        raise ParameterError(job.rules.problem)
    contract = Contract(name=job.name, tick=parameters.tick, usd_per_point=parameters.usd_per_point)
    rules = {variant.name: contract.rules(variant) for variant in job.rules.variants}
    paths = [file.path for file in job.files if file.pending or job.full]
    months = open_months(paths, context.exchange)
    selected = select(job, context, contract, months)
    if selected.scope:
        _publish(job, context, contract, selected, _compute(selected, context, rules))
    if context.request.dates is None:  # otherwise not all dates are computed: files stay pending
        _consume(job, months)
    else:
        _note_changes(job, months)


def _compute(
    selected: Selection, context: RequestContext, rules: Mapping[str, TickRules]
) -> list[rows.Computed]:
    """The outcomes of all variants, sorted by name."""
    computed: list[rows.Computed] = []
    for names, group in selected.groups.items():
        kernel = context.kernel_choice.kernel_for(minutes_in(group.windows) * len(names))
        each = [rules[name] for name in names]
        outcomes = simulate(selected.bars, group.windows, selected.data_end, each, kernel)
        computed += [
            rows.Computed(
                variant=name,
                target=rules[name].target,
                slots=group.dated_slots,
                windows=group.windows,
                outcome=outcome,
            )
            for name, outcome in zip(names, outcomes, strict=True)
        ]
    return sorted(computed, key=lambda one: one.variant)


def _publish(
    job: InstrumentJob,
    context: RequestContext,
    contract: Contract,
    selected: Selection,
    computed: list[rows.Computed],
) -> None:
    request, rules = context.request, attrs.asdict(job.rules)
    table = rows.table(computed, selected.bars, contract, request.strategy.timezone)
    stated = scope.record(selected.scope, job.name)
    dates = [day for one in computed for day in one.dates()]
    span = {"first": min(dates).isoformat(), "last": max(dates).isoformat()} if dates else {}
    rows.publish_table(
        f"{request.runs}/{request.run_id}/{job.name}.parquet",
        table,
        metadata={
            "scope": stated,
            "settings": {
                **rules["strategy"],
                "instrument": rules["parameters"],
                "variants": rules["variants"],
            },
            "inputs": {month.path: month.fingerprint for month in selected.read},
        },
        sources=sorted({*job.pending, *(month.path for month in selected.read)}),
        detail={  # the lifecycle reads `series` and `last`, the merger `scope`
            "instrument": job.name,
            "series": job.name,
            "rows": len(table),
            "full": job.full,
            "scope": stated,
            **span,
        },
    )
    report.metric("rows", len(table))
    if computed:  # one variant stands for all: the one with most slots
        longest = max(computed, key=lambda one: len(one.slots))
        _warn(job, quality.assess(longest, selected.bars, context.exchange, selected.off_grid))


def _warn(job: InstrumentJob, found: quality.Quality) -> None:
    for flag, count in found.counts.items():
        report.metric(flag, count)
    if found.counts:
        message = f"{job.name}: {found.sentence()}"
        report.warning(message, instrument=job.name, **found.counts, examples=found.examples)


def _consume(job: InstrumentJob, months: Mapping[str, Month]) -> None:
    for path in job.pending:
        month = months[path]
        last = None if month.last is None else to_datetime(month.last).isoformat()
        detail = {"days": month.digests, "last": last, **job.rules.digests}
        report.consumed(path, month.fingerprint, month.signature, detail=detail)
    for path in job.lost:
        report.consumed(path, ABSENT)


def _note_changes(job: InstrumentJob, months: Mapping[str, Month]) -> None:
    """Have the next run compute everything, even if the bars are as they were before by then.

    Some results of changed bars are published now, so the record of the bars before is wrong.
    """
    for file in job.files:
        before = file.consumed.digests
        if file.pending and before and scope.changed_days(before, months[file.path].digests):
            month = months[file.path]
            report.consumed(file.path, month.fingerprint, month.signature, complete=False)
