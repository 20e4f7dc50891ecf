"""Asks a stage for its plan and says what is to be done with it; starts nothing, writes nothing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import NamedTuple

from attrs import evolve

from pipekit.config.digest import output_digest
from pipekit.model.run import RunContext
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import FailureKind, StageStatus, satisfies
from pipekit.process import Cancel
from pipekit.run.project import Project, Stage
from pipekit.storage.ledger import Ledger
from pipekit.storage.stage_view import LedgerStageView

Results = Mapping[str, StageResult]

_NAMED = 3  # file names in a warning


class RunOptions(NamedTuple):
    """What a caller may ask of a run; see `pipekit run --help`."""

    only: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    dates: tuple[dt.date, dt.date] | None = None
    force: bool = False
    rebuild: bool = False


class Planner:
    """Plans the stages of one run, one by one, each when its turn comes."""

    def __init__(self, project: Project, options: RunOptions, run_id: str, cancel: Cancel) -> None:
        self._project = project
        self._options = options
        self._run_id = run_id
        self._cancel = cancel
        self._started = time.time()
        self._waited = False

    def decide(self, stage: Stage, ledger: Ledger, results: Results) -> StageResult:
        """A final result, or one whose plan is true: that is to be executed.

        Where files are still being written this waits once a run until they are settled.
        """
        final = self._without_plan(stage, results)
        return self._planned(stage, ledger, results, wait=True) if final is None else final

    def foresee(self, stage: Stage, ledger: Ledger | None, results: Results) -> StageResult:
        """The same for `pipekit plan`: what depends on a stage that would run is left open."""
        before = [name for name in stage.after if name in results and results[name].plan]
        if before or any(_left_open(results.get(name)) for name in stage.after):
            names = before or [name for name in stage.after if _left_open(results.get(name))]
            reason = f"after {' and '.join(names)}: planned when it has run"
            return StageResult(stage=stage.name, status=StageStatus.SKIPPED, reason=reason)
        final = self._without_plan(stage, results)
        return self._planned(stage, ledger, results, wait=False) if final is None else final

    def _without_plan(self, stage: Stage, results: Results) -> StageResult | None:
        """The result of a stage that is cancelled, blocked, or whose plugin is broken."""
        if self._cancel.is_set():
            return StageResult(stage=stage.name, status=StageStatus.CANCELLED, reason="not started")
        for name, least in stage.after.items():
            before = results.get(name)
            if before is not None and not satisfies(before.status, least):
                reason = f"{name} ended in {before.status}, {least} or better is needed"
                return StageResult(stage=stage.name, status=StageStatus.BLOCKED, reason=reason)
        if stage.spec is None:
            return _plugin_failure(stage.name, stage.problem)
        return None

    def _planned(
        self, stage: Stage, ledger: Ledger | None, results: Results, *, wait: bool
    ) -> StageResult:
        try:
            plan = self._ask(stage, ledger, results, dry_run=not wait)
            if plan.waiting and wait and not self._waited:
                self._waited = True
                self._wait_for(plan)
                plan = self._ask(stage, ledger, results, dry_run=False)
        except (Exception, SystemExit) as error:  # the isolation boundary of plans
            import traceback  # only on failure

            return _plugin_failure(
                stage.name,
                f"its plan failed: {type(error).__name__}: {error}",
                traceback.format_exc(limit=-5),
            )
        return StageResult(
            stage=stage.name, status=StageStatus.SKIPPED, reason=plan.reason, plan=plan
        )

    def _ask(
        self, stage: Stage, ledger: Ledger | None, results: Results, *, dry_run: bool
    ) -> StagePlan:
        assert stage.spec is not None
        view = LedgerStageView(
            self._project.files,
            ledger,
            stage.name,
            version=stage.version,
            settings=output_digest(stage.settings),
            digest=output_digest,
        )
        context = RunContext(
            run_id=self._run_id,
            stage=stage.name,
            paths=self._project.paths,
            started=self._started,
            dry_run=dry_run,
            results=dict(results),
            workers=self._project.configuration.pipeline.cores,
            force=self._options.force,
            rebuild=self._options.rebuild,
            dates=self._options.dates,
            view=view,
        )
        passed_over = self._project.files.unnameable
        passed_over.clear()
        plan = stage.spec.plan(context, stage.settings)
        if not isinstance(plan, StagePlan):
            raise TypeError(f"plan must return a StagePlan, not {plan!r}")
        if not passed_over:
            return plan
        return evolve(plan, warnings=(*plan.warnings, _rename(sorted(passed_over))))

    def _wait_for(self, plan: StagePlan) -> None:
        """Until the youngest of the waiting files is settled; a wish to stop ends it."""
        deadline = time.monotonic() + self._project.files.seconds_until_settled(plan.waiting)
        while time.monotonic() < deadline and not self._cancel.is_set():
            time.sleep(min(0.05, max(deadline - time.monotonic(), 0)))


def _rename(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = ", ".join(ascii(name) for name in names[:_NAMED])
    return f"left alone, since their names are no UTF-8 text: {shown}{more}; rename them"


def _left_open(result: StageResult | None) -> bool:
    """Whether a stage was itself left open by `foresee`."""
    return result is not None and result.plan is None and result.status is StageStatus.SKIPPED


def _plugin_failure(stage: str, error: str, *warnings: str) -> StageResult:
    return StageResult(
        stage=stage,
        status=StageStatus.FAILURE,
        kind=FailureKind.PLUGIN,
        error=error,
        warnings=warnings,
    )
