"""PipelineOrchestrator: run the stages in order and tell the sinks; knows no stage by name."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import evolve

import pipekit
from pipekit.config.digest import output_digest
from pipekit.config.explain import provenance
from pipekit.errors import EXIT_ERROR, EXIT_INTERRUPTED, PipekitError, StorageError
from pipekit.model.event import SinkContext
from pipekit.model.names import new_run_id
from pipekit.model.policy import ActionKind
from pipekit.model.run import PipelineReport
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus, pipeline_status
from pipekit.process import Cancel
from pipekit.run.events import EventLogger, zone_of
from pipekit.run.facts import end_data, facts_of
from pipekit.run.planning import Planner, RunOptions
from pipekit.run.project import Project, Stage, selected
from pipekit.run.recovery import close_dead_runs
from pipekit.storage.journal import Journal
from pipekit.storage.ledger import Ledger
from pipekit.storage.lock import RunLock
from pipekit.storage.report import AuditReporter, stamp
from pipekit.storage.retention import sweep
from pipekit.storage.runlog import RunLog

if TYPE_CHECKING:
    from pipekit.run.execution import StageOrders, TaskExecutor
    from pipekit.run.lifecycle import Decision

_SWEEP_ALL = 100  # one run in so many looks through all that old runs left


class PipelineOrchestrator:
    """One run of a project. `cancel` stops it from anywhere; `interrupted_exit` is its code."""

    def __init__(
        self, project: Project, options: RunOptions | None = None, cancel: Cancel | None = None
    ) -> None:
        self.project = project
        self.options = options or RunOptions()
        self.cancel = cancel or Cancel()
        self.interrupted_exit = EXIT_INTERRUPTED
        self.run_id = new_run_id()
        self._planner = Planner(project, self.options, self.run_id, self.cancel)
        self._lock = RunLock(project.paths.state, self.run_id)
        self._executor: TaskExecutor | None = None  # made when a stage has work
        self._results: dict[str, StageResult] = {}
        self._warnings: list[str] = []
        self._at = ""  # the stage whose turn it is
        self._over = False  # the row has the run's status

    def run(self) -> PipelineReport:
        """Take the lock, run what has work to do, and say truthfully what happened.

        Raises LockHeldError when another run holds the lock, UsageError for stages that are not
        configured, StorageError when the ledger or the journal cannot be written.
        """
        stages = self._selected()
        paths = self.project.paths
        with self._lock, Ledger(paths.state / "state.db") as ledger:
            recovered = close_dead_runs(ledger, paths)
            self._started = time.time()
            self._number = ledger.begin_run(self.run_id, self._started)
            logger = None
            try:
                logger = self._open_events()
                self._start(logger, stages, ledger, recovered)
                for stage in stages:
                    self._results[stage.name] = self._stage(stage, ledger, logger)
                decisions = self._lifecycle(ledger, logger)
                report = self._finish(ledger, logger, decisions)
                return self._swept(report, ledger)
            except BaseException as error:
                self._break_off(ledger, logger, error)
                raise

    def plan(self) -> list[StageResult]:
        """What a run would do now: a result for each stage, its plan with it. Writes nothing."""
        path = self.project.paths.state / "state.db"
        ledger = Ledger(path, read_only=True) if path.exists() else None
        try:
            for stage in self._selected():
                self._results[stage.name] = self._planner.foresee(stage, ledger, self._results)
        finally:
            if ledger:
                ledger.__exit__(None, None, None)
        return list(self._results.values())

    # --- a run's steps ------------------------------------------------------------------------

    def _selected(self) -> tuple[Stage, ...]:
        options = self.options
        return selected(self.project.stages, options.only, options.first, options.last)

    def _open_events(self) -> EventLogger:
        paths = self.project.paths
        try:
            journal = Journal(paths.events / f"pipeline_{self.run_id}.jsonl")
        except OSError as error:
            raise StorageError(
                f"cannot write a journal in {paths.events}: {error.strerror}"
            ) from error
        log = RunLog(paths.logs / f"pipeline_{stamp(self._started)}_{self.run_id}.log")
        logger = EventLogger(
            self.run_id, journal, log, zone=zone_of(self.project.configuration.pipeline.timezone)
        )
        context = SinkContext(run_id=self.run_id, root=paths.root, logs=paths.logs)
        for sink, settings in self.project.sinks:
            logger.open_sink(sink, settings, context)
        return logger

    def _new_executor(self) -> TaskExecutor:
        from pipekit.run.execution import TaskExecutor  # with all that supervises processes

        return TaskExecutor(
            self.project.files,
            workers=self.project.configuration.pipeline.cores,
            cancel=self.cancel,
            hold_fds=(self._lock.descriptor,),
            meanwhile=lambda: self._provenance,
        )

    @cached_property
    def _provenance(self) -> dict[str, Any]:
        """For the report: made while the first task runs, since nothing waits for it then."""
        return provenance(self.project.configuration)

    def _start(
        self, logger: EventLogger, stages: tuple[Stage, ...], ledger: Ledger, recovered: list[str]
    ) -> None:
        names = [stage.name for stage in stages]
        logger.emit("pipeline", "start", f"run {self._number}: {', '.join(names)}", stages=names)
        for broken in self.project.plugins.broken:
            logger.emit("plugin", "broken", str(broken), plugin=broken.origin.distribution)
            self._warn(str(broken))
        for sentence in recovered:
            self._warn(sentence)
        if ledger.set_aside:
            self._warn(
                f"the ledger was damaged and is now {ledger.set_aside.name}: everything is pending"
            )
        for warning in self._warnings[len(self.project.plugins.broken) :]:
            logger.emit("pipeline", "warning", warning)

    def _stage(self, stage: Stage, ledger: Ledger, logger: EventLogger) -> StageResult:
        """Plan, execute, verify, remember and tell: one stage, whatever comes."""
        started = time.time()
        self._at = stage.name
        result = self._planner.decide(stage, ledger, self._results)
        result = evolve(result, started=started)
        if result.plan is not None:
            for warning in (*result.plan.warnings, *_waiting(result.plan)):
                logger.emit(stage.name, "warning", warning)
        if result.plan:
            result = self._execute(stage, result, ledger, logger)
        result = evolve(result, duration=time.time() - started)
        ledger.note_stage(self.run_id, stage.name, facts_of(result))
        logger.emit(stage.name, result.status, str(result), **end_data(result))
        self._at = ""
        return result

    def _execute(
        self, stage: Stage, result: StageResult, ledger: Ledger, logger: EventLogger
    ) -> StageResult:
        from pipekit.run.verdict import judge_stage

        assert result.plan is not None
        plan = result.plan
        logger.emit(stage.name, "start", plan.reason, tasks=[task.name for task in plan.tasks])
        self._executor = self._executor or self._new_executor()
        tasks = self._executor.run(
            plan.tasks,
            self._orders(stage, ledger),
            lambda event, msg, /, **data: logger.emit(stage.name, event, msg, **data),
        )
        for task in tasks:
            if task.process is not None:
                logger.log.output(f"{stage.name}/{task.name}", "stdout", task.process.stdout.spool)
                logger.log.output(f"{stage.name}/{task.name}", "stderr", task.process.stderr.spool)
        result = judge_stage(result, tasks)
        ledger.commit(
            stage.name,
            stage.version,
            self._number,
            result.files,
            settings={item.path: item.settings for item in plan.inputs},
            default_settings=output_digest(stage.settings),
        )
        return result

    def _orders(self, stage: Stage, ledger: Ledger) -> StageOrders:
        from pipekit.run.execution import StageOrders

        configured = self.project.configuration.stages[stage.name]
        assert stage.spec is not None
        return StageOrders(
            stage=stage.name,
            run_id=self.run_id,
            root=self.project.paths.root,
            spool_dir=self.project.paths.runs / self.run_id / stage.name,
            watch=stage.spec.watch,
            timeout=configured.timeout,
            hang_timeout=configured.hang_timeout,
            grace=configured.grace,
            max_memory=configured.max_memory,
            nice=configured.nice,
            redact=self.project.secrets,
            published=ledger.published_signatures(stage.name),
        )

    def _lifecycle(self, ledger: Ledger, logger: EventLogger) -> list[Decision]:
        if not self.project.policies:
            return []
        from pipekit.run.lifecycle import DataLifecycleManager, LedgerLifecycleView, held_files

        limits = self.project.configuration.lifecycle
        manager = DataLifecycleManager(
            self.project.files, limits.roots, limits.max_files, limits.max_bytes
        )
        view = LedgerLifecycleView(self.project.files, ledger, self._started)
        decisions, broken = manager.collect(
            self.project.policies, view, held_files(self._results), self._forbidding(logger)
        )
        for problem in broken:
            self._warn(problem)
            logger.emit("lifecycle", "warning", problem)
        proposed = [d for d in decisions if d.action.kind is not ActionKind.KEEP]
        refused = [d for d in proposed if d.refused]
        if proposed:
            text = f"{len(proposed) - len(refused)} files could go, {len(refused)} refused"
            logger.emit("lifecycle", "proposed", f"{text}; nothing was done (mode report)")
        return decisions

    def _forbidding(self, logger: EventLogger) -> list[str]:
        """Why nothing may be touched after this run, if so."""
        unplanned = [s.name for s in self.project.stages if not self._was_planned(s.name)]
        reasons = [f"stage {name!r} was not planned in this run" for name in unplanned]
        if not logger.healthy:
            reasons.append("the journal is unhealthy")
        kinds = {task.kind for result in self._results.values() for task in result.tasks}
        if FailureKind.LOST in kinds:
            reasons.append("a task of this run was lost")
        return reasons

    def _was_planned(self, name: str) -> bool:
        result = self._results.get(name)
        return result is not None and result.plan is not None

    def _finish(
        self, ledger: Ledger, logger: EventLogger, decisions: list[Decision]
    ) -> PipelineReport:
        """The ledger's row is the commit point; the last event and the report follow from it."""
        cancelled = self.cancel.is_set()
        status = pipeline_status(r.status for r in self._results.values())
        if cancelled:
            status = PipelineStatus.CANCELLED
        code = self.interrupted_exit if cancelled else status.exit_code
        ended = time.time()
        report = self._report(status, code, ended)
        logger.report_dropped_sinks()
        ledger.end_run(self.run_id, status, code, ended)
        self._over = True
        logger.emit("pipeline", status, str(report), exit_code=code)
        logger.close()
        return self._audited(report, logger, decisions)

    def _break_off(self, ledger: Ledger, logger: EventLogger | None, error: BaseException) -> None:
        """Pipekit itself failed: write that, wherever it can still be written."""
        if self._over:
            return
        text = str(error) if isinstance(error, PipekitError) else f"{type(error).__name__}: {error}"
        if self._at:
            lost = StageResult(
                stage=self._at, status=StageStatus.FAILURE, kind=FailureKind.LOST, error=text
            )
            self._results[self._at] = lost
            with contextlib.suppress(StorageError):
                ledger.note_stage(self.run_id, self._at, facts_of(lost))
            if logger is not None:
                logger.emit(self._at, "failure", str(lost), **end_data(lost))
        report = self._report(PipelineStatus.FAILURE, EXIT_ERROR, time.time())
        with contextlib.suppress(StorageError):
            ledger.end_run(self.run_id, report.status, report.exit_code, time.time())
        if logger is not None:
            said = f"{report}: pipekit itself failed: {text}"
            logger.emit("pipeline", "failure", said, exit_code=report.exit_code, error=text)
            logger.close()
            self._audited(report, logger, [])

    def _report(self, status: PipelineStatus, exit_code: int, ended: float) -> PipelineReport:
        return PipelineReport(
            run_id=self.run_id,
            number=self._number,
            status=status,
            exit_code=exit_code,
            stages=tuple(self._results.values()),
            started=self._started,
            duration=ended - self._started,
        )

    def _audited(
        self, report: PipelineReport, logger: EventLogger, decisions: list[Decision]
    ) -> PipelineReport:
        report = evolve(report, warnings=(*self._warnings, *logger.warnings))
        context = {
            "pipekit": pipekit.__version__,
            "python": sys.version.partition(" ")[0],
            "platform": sys.platform,
            "pid": os.getpid(),
            "configuration": self._provenance,
            "plugins": self.project.versions(),
            "broken_plugins": [str(broken) for broken in self.project.plugins.broken],
            "lifecycle": [decision.record() for decision in decisions],
        }
        try:
            path = AuditReporter(self.project.paths).write(report, context, self.project.secrets)
        except OSError as error:
            warning = f"the report could not be written: {error}"
            return evolve(report, warnings=(*report.warnings, warning))
        return evolve(report, path=path)

    def _swept(self, report: PipelineReport, ledger: Ledger) -> PipelineReport:
        """Old runs' logs go last: nothing of this run depends on it."""
        keep = self.project.configuration.retention
        try:
            thorough = self._number % _SWEEP_ALL == 0
            problems = sweep(self.project.paths, keep, ledger, report.started, thorough=thorough)
        except (OSError, StorageError) as error:
            problems = [f"old logs were not looked at: {error}"]
        return evolve(report, warnings=(*report.warnings, *problems[:1]))

    def _warn(self, text: str) -> None:
        self._warnings.append(text)


def _waiting(plan: StagePlan) -> list[str]:
    return [f"{path} is still being written; it waits for the next run" for path in plan.waiting]
