"""PipelineOrchestrator: runs the stages in order, then the lifecycle policies, and reports."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.errors import EXIT_INTERRUPTED, StorageError
from pipekit.model.event import EventKind
from pipekit.model.names import new_run_id
from pipekit.model.run import PipelineReport
from pipekit.model.stage import StagePlan
from pipekit.model.status import FailureKind, PipelineStatus, pipeline_status
from pipekit.process import Cancel, prepare
from pipekit.run.current_run import CurrentRun
from pipekit.run.planning import (
    Decision,
    Execute,
    Planner,
    RunOptions,
    result_without_tasks,
)
from pipekit.run.project import Project, Stage, selected
from pipekit.run.recovery import close_dead_runs
from pipekit.run.temporaries import retry_removals
from pipekit.storage.ledger import Ledger
from pipekit.storage.lock import RunLock
from pipekit.storage.modes import adjust_modes
from pipekit.storage.report import AuditReporter
from pipekit.storage.retention import apply_retention
from pipekit.storage.runs import ledger_exists

if TYPE_CHECKING:
    from pipekit.run.execution import StageExecutor
    from pipekit.run.lifecycle import Proposal


class PipelineOrchestrator:
    """One run of a project.

    `cancel` stops it, from any thread or signal handler; the exit code of its report is then
    `interrupted_exit`.
    """

    def __init__(
        self, project: Project, options: RunOptions | None = None, cancel: Cancel | None = None
    ) -> None:
        self.project = project
        self.options = options or RunOptions()
        self.cancel = cancel or Cancel()
        self.interrupted_exit = EXIT_INTERRUPTED
        self.run_id = new_run_id()
        self._planner = Planner(project, self.options, self.run_id, self.cancel)

    def run(self) -> PipelineReport:
        """Take the lock, run the stages that have something to do, and report.

        Raises LockHeldError if another run is going on, UsageError for unknown stages, StorageError
        if the ledger or the journal cannot be written.
        """
        stages = self._selected()
        paths = self.project.paths
        mode = paths.file_mode
        adjust_modes(paths)
        with (
            RunLock(paths.state, self.run_id, mode) as lock,
            Ledger(paths.state / "state.db", mode=mode) as ledger,
        ):
            retry_removals(paths.state, paths.root)
            recovered = close_dead_runs(ledger, paths)
            run = CurrentRun(self.project, self.run_id, ledger, self._planner.started)
            try:
                lock.write_holder(run.number)
                run.open_events()
                self._start(run, stages, recovered)
                self._run_stages(run, stages, lock)
                proposals = self._review_files(run)
                report = self._finish(run, proposals)
                return self._apply_retention(run, report)
            except BaseException as error:
                run.break_off(error)
                raise

    def plan(self) -> list[Decision]:
        """The decision that a run would make now for each stage. Writes nothing."""
        decisions: dict[str, Decision] = {}
        path = self.project.paths.state / "state.db"
        before = ledger_exists(path)
        with Ledger(path if before else Path(":memory:"), read_only=before) as ledger:
            for stage in self._selected():
                decisions[stage.name] = self._planner.foresee(stage, ledger, decisions)
        return list(decisions.values())

    def _selected(self) -> tuple[Stage, ...]:
        options = self.options
        return selected(self.project.stages, options.only, options.first, options.last)

    def _start(self, run: CurrentRun, stages: Iterable[Stage], recovered: Iterable[str]) -> None:
        names = [stage.name for stage in stages]
        msg = f"run {run.number}: {', '.join(names)}"
        run.events.emit("pipeline", EventKind.START, msg, stages=names)
        for broken in self.project.plugins.broken:
            run.warnings.append(str(broken))
            distribution = broken.origin.distribution
            run.events.emit("plugin", EventKind.BROKEN, str(broken), plugin=distribution)
        for sentence in recovered:
            run.warn(sentence)
        if run.ledger.set_aside:
            name = run.ledger.set_aside.name
            run.warn(f"the ledger was damaged and renamed to {name}: all files are processed again")

    def _run_stages(self, run: CurrentRun, stages: Iterable[Stage], lock: RunLock) -> None:
        executor = None
        for stage in stages:
            run.stage = stage.name
            started = time.time()
            decision = self._planner.decide(stage, run.ledger, run.results)
            warnings = _plan_warnings(decision.plan)
            for warning in warnings:
                run.events.emit(stage.name, EventKind.WARNING, warning)
            if isinstance(decision, Execute):
                executor = executor or self._executor(run, lock)
                result = executor.execute(stage, decision.plan)
            else:
                result = result_without_tasks(decision)
            result = result._replace(warnings=(*warnings, *result.warnings))
            run.end_stage(result._replace(started=started, duration=time.time() - started))

    def _executor(self, run: CurrentRun, lock: RunLock) -> StageExecutor:
        """Prepare the supervision of commands, which an idle run does not import."""
        prepared = prepare()
        from pipekit.run.execution import StageExecutor  # meanwhile the spawner starts

        return StageExecutor(run, lock, self.cancel, prepared)

    def _review_files(self, run: CurrentRun) -> list[Proposal]:
        if not self.project.policies:
            return []
        from pipekit.run.lifecycle import review  # only with policies

        names = [stage.name for stage in self.project.stages]
        plans = {name: getattr(run.results.get(name), "plan", None) for name in names}
        found = review(
            self.project,
            run.ledger,
            plans,
            now=run.started,  # one time for the whole run
            results=run.results,
            blockers=_blockers(run),
        )
        for broken in found.broken:
            run.warn(broken, "lifecycle")
        changes = [proposal for proposal in found.proposals if proposal.is_change]
        if changes:
            refused = sum(bool(proposal.refused) for proposal in changes)
            allowed = len(changes) - refused
            msg = f"{allowed} file{'' if allowed == 1 else 's'} could be removed or archived"
            msg += f", {refused} must stay; pipekit has changed nothing"
            run.events.emit("lifecycle", EventKind.PROPOSED, msg)
        return found.proposals

    def _finish(self, run: CurrentRun, proposals: Iterable[Proposal]) -> PipelineReport:
        status = pipeline_status(result.status for result in run.results.values())
        code = status.exit_code
        if self.cancel.is_set():
            status, code = PipelineStatus.CANCELLED, self.interrupted_exit
        return run.finish(status, code, [proposal.record() for proposal in proposals])

    def _apply_retention(self, run: CurrentRun, report: PipelineReport) -> PipelineReport:
        """Apply [retention], and remove what earlier runs left unfinished.

        The report is already written, so only the returned one has the first problem.
        """
        AuditReporter(self.project.paths).sweep()
        keep = self.project.configuration.retention
        try:
            problems = apply_retention(self.project.paths, keep, run.ledger, report.started)
        except (OSError, StorageError) as error:
            problems = [f"files of old runs could not be removed: {error}"]
        return report._replace(warnings=(*report.warnings, *problems[:1]))


def _plan_warnings(plan: StagePlan | None) -> list[str]:
    if plan is None:
        return []
    warnings = list(plan.warnings)
    if plan.waiting:
        first, more = plan.waiting[:3], len(plan.waiting) - 3
        names = f"{', '.join(first)}{f' and {more} more' if more > 0 else ''}"
        count = "1 file is" if len(plan.waiting) == 1 else f"{len(plan.waiting)} files are"
        warnings.append(f"{count} still being written, left for the next run: {names}")
    return warnings


def _blockers(run: CurrentRun) -> list[str]:
    """Reasons why no file may be removed after this run; empty if there are none."""
    kinds = {task.kind for result in run.results.values() for task in result.tasks}
    blockers = [] if run.events.healthy else ["the journal is incomplete"]
    return blockers + (["a task of this run was lost"] if FailureKind.LOST in kinds else [])
