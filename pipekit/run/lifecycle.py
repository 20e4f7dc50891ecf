"""DataLifecycleManager: collects what policies propose and guards every file; acts on none yet.

Policies propose from a read-only view of the ledger; keep beats archive beats delete.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipekit.model.file import ContentState, FileStat
from pipekit.model.policy import ActionKind, FileAction
from pipekit.model.specs import LifecyclePolicy
from pipekit.model.stage import StageResult
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Known, Ledger, signature_text

_PRECEDENCE = {ActionKind.KEEP: 0, ActionKind.ARCHIVE: 1, ActionKind.DELETE: 2}


class Decision(NamedTuple):
    """What the core made of a proposal; `refused` is the reason where it may not be done."""

    action: FileAction
    policy: str
    refused: str = ""

    def record(self) -> dict[str, Any]:
        """The decision as the audit report shows it."""
        facts = {
            "path": self.action.path,
            "action": self.action.kind,
            "target": self.action.target,
            "policy": self.policy,
            "reason": self.action.reason,
            "refused": self.refused,
        }
        return {key: value for key, value in facts.items() if value}


class LedgerLifecycleView:
    """A `LifecycleView` of ledger and files."""

    def __init__(self, files: FileManager, ledger: Ledger, now: float) -> None:
        self._files = files
        self._ledger = ledger
        self._now = now
        self._known: dict[str, dict[str, str]] = {}
        self._covered: dict[str, tuple[str, float]] | None = None
        self._newest: dict[str, float] = {}

    @property
    def now(self) -> float:
        """See LifecycleView."""
        return self._now

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """See LifecycleView."""
        return self._files.files(patterns)

    def age(self, file: FileStat) -> float:
        """See LifecycleView: since modification or, where that is later, change of status."""
        return self._now - max(file.mtime_ns, file.ctime_ns) / 1e9

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """See LifecycleView. Each stage must have taken all that the one before made of it."""
        contents = [(file.path, signature_text(file.signature))]
        for stage in chain:
            for path, signature in contents:
                reason = self._why_not(stage, path, signature)
                if reason:
                    return reason
            contents = [
                made for path, _ in contents for made in self._ledger.outputs_of(stage, path)
            ]
        return None

    def data_age(self, file: FileStat) -> float | None:
        """See LifecycleView: from the `series` and `last` that its publisher reported."""
        if self._covered is None:
            self._covered = self._coverage()
            for series, last in self._covered.values():
                self._newest[series] = max(last, self._newest.get(series, last))
        if file.path not in self._covered:
            return None
        series, last = self._covered[file.path]
        return self._newest[series] - last

    def _why_not(self, stage: str, path: str, signature: str) -> str | None:
        if stage not in self._known:
            self._known[stage] = self._ledger.known(stage)
        text = self._known[stage].get(path)
        known = None if text is None else Known.of(text)
        if known is None or known.signature != signature:
            return f"{stage} has not consumed {path} as it is"
        if known.state != ContentState.CONSUMED:
            return f"{stage} has {known.state} {path}, not consumed it"
        consumption = self._ledger.consumption(stage, path)
        detail = consumption.detail if consumption else {}
        if detail.get("quarantined"):
            return f"rows of {path} are in quarantine"
        if detail.get("unread"):
            return f"{path} has an unread tail"
        return None

    def _coverage(self) -> dict[str, tuple[str, float]]:
        covered = {}
        for stage in self._ledger.stages():
            for file in self._ledger.published(stage):
                series, last = file.detail.get("series"), file.detail.get("last")
                if not series or not last:
                    continue
                try:
                    covered[file.path] = (str(series), dt.datetime.fromisoformat(last).timestamp())
                except (TypeError, ValueError, OverflowError):  # no time
                    continue
        return covered


class DataLifecycleManager:
    """Collects proposals and says of each whether it may be done.

    `roots`: folders outside of which nothing is touched. `max_files`, `max_bytes`: more than that
    at once is refused whole.
    """

    def __init__(
        self, files: FileManager, roots: Iterable[str], max_files: int, max_bytes: float
    ) -> None:
        self._files = files
        self._roots = tuple(roots)
        self._max_files = max_files
        self._max_bytes = max_bytes

    def collect(
        self,
        policies: Iterable[tuple[LifecyclePolicy, Any]],
        view: LedgerLifecycleView,
        held: Mapping[str, str],
        problems: Collection[str] = (),
    ) -> tuple[list[Decision], list[str]]:
        """All decisions, sorted by path, and a sentence for every policy that raised.

        `held`: path → why it must stay (a stage will read it again, or has it pending);
        `problems`: reasons that forbid any act in this run.
        """
        chosen: dict[str, Decision] = {}
        broken = []
        for policy, settings in policies:
            try:
                for action in policy.propose(view, settings):
                    decision = Decision(action=_checked(action), policy=policy.name)
                    _keep_the_mildest(chosen, decision)
            except (Exception, SystemExit) as error:  # the isolation boundary of policies
                broken.append(f"policy {policy.name!r} failed: {type(error).__name__}: {error}")
        forbidden = (*problems, *broken)  # a broken policy might have kept any of them
        decisions = [self._guard(chosen[path], held, forbidden) for path in sorted(chosen)]
        return self._capped(decisions), broken

    def _guard(
        self, decision: Decision, held: Mapping[str, str], problems: Collection[str]
    ) -> Decision:
        if decision.action.kind is ActionKind.KEEP:
            return decision
        refused = "; ".join(problems) or self._refusal(decision.action, held)
        return Decision(action=decision.action, policy=decision.policy, refused=refused)

    def _refusal(self, action: FileAction, held: Mapping[str, str]) -> str:
        path = action.path
        absolute = os.path.join(self._files.root, path)
        inside = any(path.startswith(f"{root.rstrip('/')}/") for root in self._roots)
        if not inside or ".." in path.split("/"):
            return f"it lies outside of the folders {', '.join(self._roots)}"
        if action.kind is ActionKind.ARCHIVE and not action.target:
            return "no target is named to archive it to"
        if os.path.realpath(absolute) != os.path.join(os.path.realpath(self._files.root), path):
            return "it is a symbolic link, or reached through one"
        file = self._files.stat(path)
        if file is None:
            return "it is not there"
        if path in held:
            return held[path]
        return "" if self._files.settled(file) else "it has just changed"

    def _capped(self, decisions: list[Decision]) -> list[Decision]:
        acts = [d for d in decisions if _acts(d)]
        stats = [self._files.stat(d.action.path) for d in acts]
        size = sum(file.size for file in stats if file)
        if len(acts) <= self._max_files and size <= self._max_bytes:
            return decisions
        reason = f"{len(acts)} files, {size} bytes at once are more than the caps allow"
        return [d._replace(refused=reason) if _acts(d) else d for d in decisions]


def _acts(decision: Decision) -> bool:
    return not decision.refused and decision.action.kind is not ActionKind.KEEP


def _checked(action: FileAction) -> FileAction:
    """The action when it is one, of a path that can be; raises what names the policy's fault."""
    if not isinstance(action, FileAction) or not isinstance(action.path, str):
        raise TypeError(f"propose must yield FileActions, not {action!r}")
    if "\0" in action.path or not action.path:
        raise ValueError(f"{action.path!r} cannot name a file")
    return action


def _keep_the_mildest(chosen: dict[str, Decision], decision: Decision) -> None:
    before = chosen.get(decision.action.path)
    if before and _PRECEDENCE[before.action.kind] <= _PRECEDENCE[decision.action.kind]:
        return
    chosen[decision.action.path] = decision


def held_files(results: Mapping[str, StageResult]) -> dict[str, str]:
    """Path → why the lifecycle must leave it alone: held, pending or waiting for some stage."""
    held: dict[str, str] = {}
    for name, result in results.items():
        if result.plan is None:
            continue
        taken = {r.path for r in result.files if r.verb == "consumed" and r.complete}
        pending = [i.path for i in result.plan.inputs if i.path not in taken]
        for path in (*pending, *result.plan.waiting):
            held[path] = f"it is pending for {name}"
        for known in result.plan.rejected:
            held[known.path] = f"{name} has rejected it, and nobody has taken it"
        for path in result.plan.holds:
            held.setdefault(path, f"{name} will read it again")
    return held
