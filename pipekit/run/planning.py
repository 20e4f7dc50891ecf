"""Planning: asks a stage for its plan, and decides what to do with the stage."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import evolve

from pipekit.config.digest import output_digest
from pipekit.model.file import Input
from pipekit.model.quantity import duration_text, listed
from pipekit.model.run import RunContext
from pipekit.model.stage import StagePlan, StageResult
from pipekit.model.status import NEVER_BEGAN, FailureKind, StageStatus, satisfies
from pipekit.model.task import Task
from pipekit.plugins.fault import PluginFault
from pipekit.plugins.isolation import AbandonedError, call
from pipekit.process import Cancel
from pipekit.run.backing_off import without_failing
from pipekit.run.decision import (
    Blocked,
    Cancelled,
    CannotPlan,
    Decision,
    Execute,
    Later,
    Skip,
    result_without_tasks,
)
from pipekit.run.project import Project, Stage
from pipekit.storage.failing import BackOff, sentences
from pipekit.storage.ledger import Ledger
from pipekit.storage.stage_view import LedgerStageView

if TYPE_CHECKING:
    from pipekit.run.forgetting import Forgotten

_NAMED = 3  # file names in a warning


class RunOptions(NamedTuple):
    """The options of `pipekit run` that select what to do; see `pipekit run --help`."""

    only: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    dates: tuple[dt.date, dt.date] | None = None
    force: bool = False
    rebuild: bool = False
    retry: bool = False
    forget: tuple[str, ...] = ()


class Planner:
    """Plans the stages of one run, each when its turn comes."""

    def __init__(self, project: Project, options: RunOptions, run_id: str, cancel: Cancel) -> None:
        self.cancel = cancel
        self.started = time.time()
        self._project = project
        self._options = options
        self._run_id = run_id
        self._waited = False
        self.forget: Sequence[Forgotten] = ()

    def decide(self, stage: Stage, ledger: Ledger, results: Mapping[str, StageResult]) -> Decision:
        """Decide what to do with a stage, given the results of the earlier ones.

        If files are still being written, this waits until they are settled, once in a run.
        Raises StorageError if the ledger is damaged.
        """
        decision = self._without_plan(stage, results)
        if decision is not None:
            return decision
        decision = self._plan(stage, ledger, results)
        waiting = decision.plan.waiting if isinstance(decision, Execute | Skip) else ()
        if waiting and not self._waited:
            self._waited = True
            self._wait_for(waiting)
            decision = self._plan(stage, ledger, results)
        return decision

    def foresee(self, stage: Stage, ledger: Ledger, before: Mapping[str, Decision]) -> Decision:
        """As `decide`, without running or waiting; `before`: the decisions for earlier stages."""
        would_run = [name for name in stage.after if isinstance(before.get(name), Execute | Later)]
        if would_run:
            reason = f"depends on what {' and '.join(would_run)} writes"
            return Later(stage=stage.name, reason=reason)
        results = {
            name: result_without_tasks(decision)
            for name, decision in before.items()
            if not isinstance(decision, Execute | Later)
        }
        decision = self._without_plan(stage, results)
        return decision or self._plan(stage, ledger, results, dry_run=True)

    def _without_plan(self, stage: Stage, results: Mapping[str, StageResult]) -> Decision | None:
        """The decision for a stage that is not asked for a plan; None if it is to be asked."""
        if self.cancel.is_set():
            return Cancelled(stage=stage.name, reason=NEVER_BEGAN)
        for name, least in stage.after.items():
            before = results.get(name)
            if before is not None and not satisfies(before.status, least):
                return Blocked(stage=stage.name, reason=_unsatisfied(before, least))
        if stage.spec is None:
            return CannotPlan(stage=stage.name, reason=stage.problem, kind=stage.kind)
        return None

    def _plan(
        self, stage: Stage, ledger: Ledger, results: Mapping[str, StageResult], **more: Any
    ) -> Execute | Skip | CannotPlan | Cancelled:
        """Ask the stage for its plan. `more`: further fields of its RunContext."""
        files = self._project.files
        for noted in (files.unnameable, files.remote, files.patterns, files.missing):
            noted.clear()  # they are filled again while the stage lists its files
        left: list[str] = []
        latest = ledger.last_run()
        dry_run = bool(more.get("dry_run"))
        back_off = self._back_off(stage, ledger, latest + dry_run)
        view = self._view(stage, ledger, back_off)
        try:
            plan = call(
                lambda: self._made(stage, view, results=dict(results), **more),
                timeout=stage.plan_timeout,
                cancelled=self.cancel.is_set,
                left=left,
            )
        except AbandonedError:
            return Cancelled(stage=stage.name, reason="the run was cancelled while it was planned")
        except PluginFault as fault:
            ledger.raise_damage()  # which is not the stage's fault, and ends the run
            return _failed(stage, fault)
        if view.same and not dry_run:
            ledger.mark_same(view.same)
        plan = self._warned(stage, plan, left, dry_run=dry_run)
        plan = without_failing(plan, back_off, stage, files)
        return self._decided(stage, plan, tuple(sentences(back_off.left_out.values(), latest)))

    def _warned(
        self, stage: Stage, plan: StagePlan, left: list[str], *, dry_run: bool
    ) -> StagePlan:
        """The plan, with warnings of what it `left` behind and of files that it cannot have."""
        files = self._project.files
        warnings = [*plan.warnings, *(f"its plan {clause}" for clause in left)]
        if files.unnameable:
            warnings.append(_bad_names(sorted(files.unnameable)))
        if files.remote:
            warnings.append(_remote(sorted(files.remote)))
        if dry_run:
            there = (each for each in self.forget if each.is_there and stage.name in each.stages)
            warnings += (f"{each.path} is still there: a run sets it aside" for each in there)
        return evolve(plan, warnings=warnings) if len(warnings) > len(plan.warnings) else plan

    def _decided(
        self, stage: Stage, plan: StagePlan, backing_off: tuple[str, ...]
    ) -> Execute | Skip:
        """Whether there is something to do; tells of folders that are not there."""
        files = self._project.files
        made_by_others = not stage.after.keys().isdisjoint(x.name for x in self._project.stages)
        outermost, reason = () if made_by_others else _outermost(files.missing), plan.reason
        if outermost:
            plan = evolve(plan, warnings=[*plan.warnings, *map(_mistaken, outermost)])
            named = [path for path in outermost if path in reason]
            reason = reason if plan else "; ".join([reason, *map(no_folder, named)])
        return (Execute if plan else Skip)(
            stage=stage.name,
            reason=reason,
            plan=plan,
            missing=outermost,
            patterns=tuple(sorted(files.patterns)),
            backing_off=backing_off,
        )

    def _back_off(self, stage: Stage, ledger: Ledger, number: int) -> BackOff:
        options = self._options
        known = {} if options.force or options.retry else ledger.failing(stage.name)
        return BackOff(known, number, stage.version, stage.back_off)

    def _made(self, stage: Stage, view: LedgerStageView, **more: Any) -> StagePlan:
        """The stage's plan. Runs the plugin's code, so it may do anything."""
        assert stage.spec is not None
        plan = stage.spec.plan(self._context(stage, view, **more), stage.settings)
        if type(plan) is not StagePlan:  # an object's __class__ may say what it likes
            raise TypeError(f"plan must return a StagePlan, not {plan!r}")
        for parts, kind in ((plan.tasks, Task), (plan.inputs, Input)):
            for part in parts:
                if type(part) is not kind:
                    raise TypeError(f"a plan consists of {kind.__name__} objects, not {part!r}")
        return plan

    def _view(self, stage: Stage, ledger: Ledger, back_off: BackOff) -> LedgerStageView:
        return LedgerStageView(
            self._project.files,
            ledger,
            stage.name,
            version=stage.version,
            settings=stage.settings,
            digest_of=output_digest,
            back_off=back_off,
        )

    def _context(self, stage: Stage, view: LedgerStageView, **more: Any) -> RunContext:
        project, options = self._project, self._options
        return RunContext(
            run_id=self._run_id,
            stage=stage.name,
            paths=project.paths,
            started=self.started,
            cores=project.configuration.pipeline.cores,
            force=options.force,
            rebuild=options.rebuild,
            dates=options.dates,
            forget=tuple(each.path for each in self.forget if stage.name in each.stages),
            view=view,
            **more,
        )

    def _wait_for(self, waiting: tuple[str, ...]) -> None:
        """Wait until the youngest of the files is settled, or the run is cancelled."""
        # The clock that files are dated by may tick after the other one: by 16 ms on Windows.
        ticks = sum(time.get_clock_info(name).resolution for name in ("time", "monotonic"))
        deadline = time.monotonic() + self._project.files.seconds_until_settled(waiting) + ticks
        while time.monotonic() < deadline and not self.cancel.is_set():
            time.sleep(min(0.05, max(deadline - time.monotonic(), 0)))


def _failed(stage: Stage, fault: PluginFault) -> CannotPlan:
    if not fault.timed_out:
        verb = "failed:" if fault.explained else "raised"
        return CannotPlan(
            stage=stage.name, reason=f"its plan {verb} {fault.located}", traceback=fault.traceback
        )
    limit = f"{duration_text(stage.plan_timeout)} (stages.{stage.name}.plan_timeout)"
    return CannotPlan(
        stage=stage.name,
        reason=f"its plan was not ready within {limit}",
        kind=FailureKind.TIMEOUT,
    )


def _unsatisfied(before: StageResult, least: str) -> str:
    """Why the stage after `before` is blocked, as a clause."""
    clauses = {
        StageStatus.FAILURE: "failed",
        StageStatus.PARTIAL: f"was only a partial success, but {least} is needed",
        StageStatus.BLOCKED: "was not run",
    }
    return f"{before.stage} {clauses.get(before.status, f'was {before.status}')}"


def _outermost(folders: Iterable[str]) -> tuple[str, ...]:
    """The folders that are not in another one of them."""
    found: list[str] = []
    for folder in sorted(folders):
        if not any(folder.startswith(f"{outer}/") for outer in found):
            found.append(folder)
    return tuple(found)


def _mistaken(path: str) -> str:
    """A warning about a folder that nobody but the user can make."""
    return f"{no_folder(path)}: create it, or correct the settings that name it"


def no_folder(path: str) -> str:
    """What to say of a folder that was looked into and does not exist."""
    return f"there is no folder {path}"


def _bad_names(names: list[str]) -> str:
    return f"skipped files whose names are not valid UTF-8: {_some(names)}; rename them"


def _remote(names: list[str]) -> str:
    return (
        f"skipped files that are not on this machine: {_some(names)}; in Explorer, choose "
        '"Always keep on this device"'
    )


def _some(names: list[str]) -> str:
    return listed(list(map(ascii, names)), _NAMED)
