"""Whether a certain file may go: what the lifecycle policies and the core say of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from attrs import field, frozen

from pipekit.model.file import FileStat
from pipekit.model.quantity import duration_text
from pipekit.run.lifecycle import LedgerLifecycleView, review
from pipekit.run.planning import Decision
from pipekit.run.project import Project
from pipekit.storage.ledger import Ledger


class Permission(NamedTuple):
    """Whether a file may go, and why or why not; `action`: what a policy proposes, or empty."""

    allowed: bool
    reasons: tuple[str, ...]
    action: str = ""
    policy: str = ""


def may_go(
    project: Project, ledger: Ledger, decisions: Mapping[str, Decision], path: str
) -> Permission:
    """What the policies propose for a file, and whether the core would allow it now."""
    if not project.policies:
        return Permission(False, ("no policy is configured: see [[lifecycle.rules]]",))
    plans = {name: decision.plan for name, decision in decisions.items()}
    now = time.time()
    view = _WatchedView(project.files, ledger, ledger.plausible(now), path)
    found = review(project, ledger, plans, now=now, view=view)
    proposal = next((each for each in found.proposals if each.action.path == path), None)
    if proposal is None:
        return Permission(False, (*found.broken, *_why_not(view)))
    reason = proposal.refused or proposal.action.reason
    allowed = proposal.is_change and not proposal.refused
    return Permission(allowed, (reason,), proposal.action.kind, proposal.policy)


@frozen(eq=False)
class _WatchedView(LedgerLifecycleView):
    """Notes what policies ask about one file, and are told."""

    path: str
    looked: list[FileStat] = field(factory=list)
    told: dict[str, None] = field(factory=dict)  # why it is not consumed, each reason once

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """See LifecycleView."""
        found = super().files(*patterns)
        self.looked.extend(each for each in found if each.path == self.path)
        return found

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """See LifecycleView."""
        reason = super().why_not_consumed(file, chain)
        if reason and file.path == self.path:
            self.told[reason] = None
        return reason


def _why_not(view: _WatchedView) -> tuple[str, ...]:
    if view.told:
        return tuple(view.told)
    if not view.looked:
        return ("no lifecycle policy is about it",)
    age = duration_text(round(view.age(view.looked[0])))
    return (f"a policy is about it, but does not propose it: it last changed {age} ago",)
