"""PipelineOrchestrator: runs the stages in order, then the lifecycle policies, and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipekit.errors import EXIT_INTERRUPTED, StorageError
from pipekit.model.event import EventKind
from pipekit.model.names import new_run_id
from pipekit.model.place import is_on_share
from pipekit.model.run import PipelineReport
from pipekit.model.secrets import Mask
from pipekit.model.stage import StagePlan
from pipekit.model.status import PipelineStatus, pipeline_status
from pipekit.process import Cancel, prepare
from pipekit.run.current_run import CurrentRun
from pipekit.run.decision import CannotPlan, Decision, Execute, result_without_tasks
from pipekit.run.lifecycle import steps as lifecycle_steps
from pipekit.run.planning import Planner, RunOptions, no_folder
from pipekit.run.project import Project, Stage, selected
from pipekit.run.recovery import close_dead_runs
from pipekit.run.safe_path import shadowing
from pipekit.storage.hold import check_hold
from pipekit.storage.ledger import Ledger, open_to_read
from pipekit.storage.lock import RunLock
from pipekit.storage.modes import adjust_modes
from pipekit.storage.report import AuditReports
from pipekit.storage.retention import apply_retention
from pipekit.storage.space import check_space
from pipekit.storage.told import told_file

if TYPE_CHECKING:
    from pipekit.run.execution import StageRunner
    from pipekit.run.lifecycle.review import Proposal

    Maintained = tuple[PipelineStatus, Iterable[Proposal]]

_ON_SHARE = (
    "the state of this project is on a network drive, where locks and the ledger may not be "
    'reliable; move it to a local disk (`[paths] state = "..."`)'
)


class PipelineOrchestrator:
    """One run of a project.

    `cancel` stops it, from any thread or signal handler; the exit code of its report is then
    `interrupted_exit`. `began`: whether the ledger knows of it. `mask`: hides the secrets of the
    project, and those that its commands name.
    """

    def __init__(
        self, project: Project, options: RunOptions | None = None, cancel: Cancel | None = None
    ) -> None:
        self.project = project
        self.options = options or RunOptions()
        self.cancel = cancel or Cancel()
        self.interrupted_exit = EXIT_INTERRUPTED
        self.run_id = new_run_id()
        self.mask = Mask(project.secrets)
        self.began = False
        self._begun = time.monotonic()
        self._planner = Planner(project, self.options, self.run_id, self.cancel)

    def run(self) -> PipelineReport:
        """Take the lock, run the stages that have something to do, and report.

        Raises RunHeldError during a hold, LockHeldError if another run is going on, UsageError for
        unknown stages, StorageError if the ledger or the journal cannot be written.
        """
        stages = self._selected()
        least = self.project.configuration.pipeline.min_free

        def work(run: CurrentRun, lock: RunLock) -> PipelineReport:
            self._forget(run.ledger, run)
            self._run_stages(run, stages, lock)
            self._check_expectations(run)
            proposals = lifecycle_steps.review_and_act(run, self.cancel)
            lifecycle_steps.purge_expired(run, self.cancel)
            status = pipeline_status(result.status for result in run.results.values())
            return self._finish(run, status, proposals)

        names = [stage.name for stage in stages]

        def check() -> Iterable[str]:
            if self.options.forget:
                with open_to_read(self.project.paths.ledger) as ledger:
                    self._forget(ledger)  # refuses wrong names before a run begins
            return check_space(self.project.paths, least)

        return self._conducted(work, names, check=check)

    def maintain(self, title: str, work: Callable[[CurrentRun], Maintained]) -> PipelineReport:
        """A run without stages, for other work that needs the lock; `title` says what it is.

        Raises as `run`, and whatever `work` raises.
        """

        def finished(run: CurrentRun, _lock: RunLock) -> PipelineReport:
            return self._finish(run, *work(run))

        return self._conducted(finished, title=title)

    def _conducted(
        self,
        work: Callable[[CurrentRun, RunLock], PipelineReport],
        names: Sequence[str] = (),
        *,
        title: str = "",
        check: Callable[[], Iterable[str]] = tuple,
    ) -> PipelineReport:
        """One run, from the lock to the report. `names`: of its stages; `title`: of other work.

        `check`: called before it begins; returns warnings.
        """
        paths = self.project.paths
        mode = paths.file_mode
        check_hold(paths.state, mode)
        notices = check()
        adjust_modes(paths)
        with (
            RunLock(paths.state, self.run_id, mode) as lock,
            Ledger(paths.ledger, mode=mode) as ledger,
        ):
            check_hold(paths.state, mode)  # one that was set meanwhile: its command has promised it
            before = close_dead_runs(ledger, paths, lock.previous, self.mask)
            run = CurrentRun(
                self.project,
                self.run_id,
                ledger,
                started=self._planner.started,
                begun=self._begun,
                mask=self.mask,
                recorded=before.recorded,
            )
            self.began = True
            try:
                lock.write_holder(run.number)
                run.open_events()
                self._start(run, names, title, (*notices, *before.sentences))
                lifecycle_steps.settle_trash(run)
                return self._apply_retention(run, work(run, lock))
            except BaseException as error:
                ended = run.break_off(error)
                if ended is not None:
                    return ended
                if isinstance(error, SystemExit):
                    msg = f"SystemExit: {error}"  # whose code would not be the one recorded
                    raise RuntimeError(msg) from error  # noqa: TRY004  # no type is wrong
                raise
            finally:
                lock.exit_code = run.exit_code

    def plan(self) -> list[Decision]:
        """The decision that a run would make now for each stage. Writes nothing."""
        with open_to_read(self.project.paths.ledger) as ledger:
            return self.foresee(ledger)

    def _forget(self, ledger: Ledger, run: CurrentRun | None = None) -> None:
        """Find the files to forget; a run sets those aside that are still there."""
        if not self.options.forget:
            return
        from pipekit.run.forgetting import set_aside, to_forget  # only with --forget

        found = to_forget(self.options.forget, self.project, ledger, self._selected())
        self._planner.forget = found
        self.project.files.hidden = {each.path for each in found if each.is_there}
        if run is not None:
            set_aside(found, run)
            run.forget = frozenset(each.path for each in found)

    def foresee(self, ledger: Ledger) -> list[Decision]:
        """As `plan`, with a ledger that is open."""
        decisions: dict[str, Decision] = {}
        self._forget(ledger)
        for stage in self._selected():
            decisions[stage.name] = self._planner.foresee(stage, ledger, decisions)
        return list(decisions.values())

    def _selected(self) -> tuple[Stage, ...]:
        options = self.options
        return selected(self.project.stages, options.only, options.first, options.last)

    def _start(
        self, run: CurrentRun, names: Sequence[str], title: str, notices: Iterable[str]
    ) -> None:
        msg = f"run {run.number}: {title or ', '.join(names)}"
        run.events.emit("pipeline", EventKind.START, msg, run=run.number, stages=list(names))
        for broken in self.project.plugins.broken:
            run.warnings.append(str(broken))
            distribution = broken.origin.distribution
            run.events.emit("plugin", EventKind.BROKEN, str(broken), plugin=distribution)
        noticed = [*self.project.plugins.warnings, *shadowing(self.project.paths.root)]
        if is_on_share(self.project.paths.state):
            noticed.append(_ON_SHARE)
        for sentence in (*noticed, *notices):
            run.warn(sentence)
        if run.ledger.set_aside:
            name = run.ledger.set_aside.name
            run.warn(f"the ledger was damaged and renamed to {name}: all files are processed again")

    def _run_stages(self, run: CurrentRun, stages: Iterable[Stage], lock: RunLock) -> None:
        runner = None
        try:
            for stage in stages:
                runner = self._run_stage(run, stage, lock, runner)
        finally:
            if runner is not None:
                runner.close()

    def _run_stage(
        self, run: CurrentRun, stage: Stage, lock: RunLock, runner: StageRunner | None
    ) -> StageRunner | None:
        """Plan and execute a stage; returns the runner, which is made when it is first needed."""
        run.begin_stage(stage.name)
        started, begun = time.time(), time.monotonic()
        decision = self._planner.decide(stage, run.ledger, run.results)
        _mask_secrets(run, decision.plan)
        warnings = _plan_warnings(decision.plan)
        for warning in warnings:
            run.events.emit(stage.name, EventKind.WARNING, warning)
        if isinstance(decision, Execute):
            runner = runner or self._runner(run, lock)
            plan_again = partial(self._plan_again, run, stage)
            result = runner.execute(stage, decision.plan, plan_again)
        else:
            result = result_without_tasks(decision)
        kept = self._not_forgotten(stage, run)
        for warning in kept:
            run.events.emit(stage.name, EventKind.WARNING, warning)
        result = result._replace(
            warnings=(*warnings, *result.warnings, *kept),
            backing_off=(*decision.backing_off, *result.backing_off),
        )
        duration = time.monotonic() - begun
        run.end_stage(result._replace(started=started, duration=duration))
        return runner

    def _not_forgotten(self, stage: Stage, run: CurrentRun) -> list[str]:
        if not self._planner.forget:
            return []
        from pipekit.run.forgetting import not_forgotten  # only with --forget

        return list(not_forgotten(self._planner.forget, stage.name, run.ledger))

    def _plan_again(self, run: CurrentRun, stage: Stage) -> StagePlan | None:
        """What is left of a stage's work after an attempt; its warnings have been shown."""
        decision = self._planner.decide(stage, run.ledger, run.results)
        _mask_secrets(run, decision.plan)
        if isinstance(decision, CannotPlan):
            text = f"not tried again: {decision.reason}"
            run.events.emit(stage.name, EventKind.WARNING, text)
        return decision.plan if isinstance(decision, Execute) else None

    def _runner(self, run: CurrentRun, lock: RunLock) -> StageRunner:
        """Prepare the supervision of commands, which an idle run does not import."""
        prepared = prepare()
        from pipekit.run.execution import StageRunner  # meanwhile the spawner starts

        return StageRunner(run, lock, self.cancel, prepared)

    def _check_expectations(self, run: CurrentRun) -> None:
        """Emit `stale` and `fresh`; a run that is being stopped leaves that to the next."""
        expected = self.project.configuration.expect
        if (expected or told_file(self.project.paths).exists()) and not self.cancel.is_set():
            from pipekit.run.staleness import check_expectations  # only with [[expect]]

            check_expectations(run, time.time())

    def _finish(
        self, run: CurrentRun, status: PipelineStatus, proposals: Iterable[Proposal]
    ) -> PipelineReport:
        code = status.exit_code
        if self.cancel.is_set():
            status, code = PipelineStatus.CANCELLED, self.interrupted_exit
        return run.finish(status, code, [proposal.record() for proposal in proposals])

    def _apply_retention(self, run: CurrentRun, report: PipelineReport) -> PipelineReport:
        """Apply [retention], and remove what earlier runs left unfinished.

        The report is already written, so only the returned one has the first problem.
        """
        AuditReports(self.project.paths).sweep()
        keep = self.project.configuration.retention
        try:
            problems = apply_retention(self.project.paths, keep, run.ledger)
        except (OSError, StorageError) as error:
            problems = [f"files of old runs could not be removed: {error}"]
        return report.warned(*problems[:1])


def _mask_secrets(run: CurrentRun, plan: StagePlan | None) -> None:
    """Mask the secrets that the commands of a plan name."""
    tasks = plan.tasks if plan else ()
    run.mask.add(secret for task in tasks for secret in task.command.redact)


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


def plan_problems(project: Project) -> tuple[list[str], list[str]]:
    """Why stages cannot be planned, and folders that they miss, as far as is known before a run."""
    decisions = PipelineOrchestrator(project).plan()
    errors = [
        f"{decision.stage}: {decision.reason}"
        for decision in decisions
        if isinstance(decision, CannotPlan)
    ]
    warnings = [
        f"{decision.stage}: {no_folder(path)}"
        for decision in decisions
        for path in decision.missing
    ]
    return errors, warnings
