"""Whether a certain file may go: what the lifecycle policies and the core say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipekit.run.decision import Decision
from pipekit.run.lifecycle.review import review
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
    found = review(project, ledger, plans)
    proposal = next((each for each in found.proposals if each.action.path == path), None)
    if proposal is None:
        left = found.left.get(path, "no lifecycle policy proposes it")
        return Permission(False, (*found.broken, left))
    reason = proposal.refused or proposal.action.reason
    allowed = proposal.is_change and not proposal.refused
    return Permission(allowed, (reason,), proposal.action.kind, proposal.policy)
