"""The lifecycle's steps of a run: finish what is unfinished, review, act or tell, purge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipekit.model.event import EventKind
from pipekit.model.stage import StagePlan
from pipekit.model.status import FailureKind
from pipekit.process import Cancel
from pipekit.run.current_run import CurrentRun
from pipekit.storage.trash import TRASH

if TYPE_CHECKING:
    from pipekit.run.lifecycle.review import Proposal, Review

# Most runs have neither a trash nor policies: they import no more than this.


def settle_trash(run: CurrentRun) -> None:
    """Finish what an earlier process had begun to move; before any stage is planned."""
    if _has_trash(run):
        from pipekit.run.lifecycle.removal import Removal  # only with a trash

        Removal(run).settle()


def review_and_act(run: CurrentRun, cancel: Cancel) -> list[Proposal]:
    """After the stages: what policies propose; done, if `lifecycle.mode` says so."""
    plans = {stage.name: _plan_of(run, stage.name) for stage in run.project.stages}
    found = review_files(run, plans, cancel)
    if found is None:
        return []
    if run.project.configuration.lifecycle.mode == "apply":
        from pipekit.run.lifecycle.removal import Removal  # only with a policy

        return Removal(run).apply(found.proposals, cancel.is_set)[0]
    _tell(run, found)
    return found.proposals


def review_files(
    run: CurrentRun, plans: Mapping[str, StagePlan | None], cancel: Cancel
) -> Review | None:
    """What policies propose; None without policies, or if the run is being stopped."""
    if not run.project.policies or cancel.is_set():
        return None
    from pipekit.run.lifecycle.review import review  # only with a policy

    found = review(
        run.project,
        run.ledger,
        plans,
        results=run.results,
        blockers=_blockers(run),
        cancelled=cancel.is_set,
    )
    for broken in found.broken:
        run.warn(broken, "lifecycle")
    return found


def purge_expired(run: CurrentRun, cancel: Cancel) -> None:
    """Delete what has been in the trash for long enough."""
    if _has_trash(run) and not cancel.is_set():
        from pipekit.run.lifecycle.removal import Removal  # only with a trash

        Removal(run).purge_expired()


def _has_trash(run: CurrentRun) -> bool:
    return (run.project.paths.root / TRASH).exists()


def _plan_of(run: CurrentRun, stage: str) -> StagePlan | None:
    return run.results[stage].plan if stage in run.results else None


def _tell(run: CurrentRun, found: Review) -> None:
    """Say what could be done."""
    if found.changes:
        refused = sum(bool(proposal.refused) for proposal in found.changes)
        allowed = len(found.changes) - refused
        msg = f"{allowed} file{'' if allowed == 1 else 's'} could be removed or archived"
        msg += f", {refused} must stay; nothing was changed (lifecycle.mode is `report`)"
        run.events.emit("lifecycle", EventKind.PROPOSED, msg)


def _blockers(run: CurrentRun) -> list[str]:
    """Reasons why no file may be removed after this run; empty if there are none."""
    kinds = {task.kind for result in run.results.values() for task in result.tasks}
    blockers = [] if run.events.healthy else ["the journal is incomplete"]
    return blockers + (["a task of this run was lost"] if FailureKind.LOST in kinds else [])
