"""Lifecycle: collects what policies propose, and refuses what is not safe. Changes no file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from pipekit.config.tables import LifecycleConfig
from pipekit.errors import StorageError
from pipekit.model.file import FileStat
from pipekit.model.policy import ActionKind, FileAction, LifecycleView
from pipekit.model.specs import LifecyclePolicy
from pipekit.model.stage import StagePlan, StageResult
from pipekit.plugins.fault import PluginFault
from pipekit.plugins.isolation import AbandonedError, call
from pipekit.run.lifecycle.view import LedgerLifecycleView
from pipekit.run.project import Project
from pipekit.run.shrunk import held_shrunk
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger
from pipekit.storage.trash import TRASH
from pipekit.storage.trash.restored import RestoredFiles
from pipekit.worker import Verb

_PRECEDENCE = (ActionKind.KEEP, ActionKind.ARCHIVE, ActionKind.DELETE)


@frozen(kw_only=True)
class Proposal:
    """What a policy proposes for a file, and the file as it was then, if it is there.

    `refused`: why it is not allowed; empty if it is. `applied`: whether it has been done.
    """

    action: FileAction
    policy: str
    refused: str = ""
    file: FileStat | None = None
    applied: bool = False

    @property
    def is_change(self) -> bool:
        """Whether it proposes a change."""
        return self.action.kind is not ActionKind.KEEP

    def record(self) -> dict[str, Any]:
        """The proposal as JSON, for the report."""
        values = {
            "path": self.action.path,
            "action": self.action.kind,
            "target": self.action.target,
            "policy": self.policy,
            "reason": self.action.reason,
            "refused": self.refused,
            "applied": self.applied,
        }
        return {key: value for key, value in values.items() if value}


@frozen(kw_only=True)
class Review:
    """All proposals, sorted by path, and a sentence for each policy that failed.

    `left`: why policies propose nothing for a file, by path, as far as they say so.
    """

    proposals: list[Proposal] = field(factory=list)
    broken: list[str] = field(factory=list)
    left: Mapping[str, str] = field(factory=dict)

    @property
    def changes(self) -> list[Proposal]:
        """All but those to keep a file."""
        return [proposal for proposal in self.proposals if proposal.is_change]

    def why_nothing(self) -> str:
        """Why no file may go, in one line: `13 files match, all younger than 24h`."""
        refused = {each.action.path: f"refused: {each.refused}" for each in self.changes}
        kept = {each.action.path: each.action.reason for each in self.proposals}
        reasons = Counter(({**self.left, **kept, **refused}).values())
        if not reasons:
            return "no file matches"
        count = reasons.total()
        match = "1 file matches" if count == 1 else f"{count:,} files match"
        if len(reasons) == 1:
            (reason,) = reasons
            return f"{match}, {'all ' * (count > 1)}{reason}"
        return f"{match}: {', '.join(f'{n:,} {reason}' for reason, n in reasons.most_common())}"


def review(
    project: Project,
    ledger: Ledger,
    plans: Mapping[str, StagePlan | None],
    *,
    results: Mapping[str, StageResult] = MappingProxyType({}),
    blockers: Iterable[str] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> Review:
    """What the project's policies propose for its files; refused if it is not safe.

    `plans`: for each stage, None if it could not be planned: then all files must stay, since that
    stage may need any of them. `results`: of the stages that have run. `blockers`: further reasons
    why all files must stay. `cancelled`: whether to wait no longer for policies.
    """
    files, limits = project.files, project.configuration.lifecycle
    view = LedgerLifecycleView(files.inner, ledger, ledger.certain_time())
    held = _held_files(plans, results) | held_shrunk(ledger)
    found: list[Proposal] = []
    broken = []
    for policy, settings in project.policies:
        try:
            actions = call(partial(_proposed, policy, view, settings), cancelled=cancelled)
            found += [Proposal(action=action, policy=policy.name) for action in actions]
        except AbandonedError:
            broken.append("the run was cancelled")
        except PluginFault as fault:
            verb = "failed:" if fault.timed_out or fault.explained else "raised"
            broken.append(f"policy {policy.name!r} {verb} {fault.located}")
    unplanned = [f"stage {name!r} was not planned" for name, plan in plans.items() if plan is None]
    always = "; ".join((*unplanned, *blockers, *broken))  # a broken policy might keep any file
    found.sort(key=lambda each: (each.action.path, _PRECEDENCE.index(each.action.kind)))
    mildest = [next(same) for _, same in groupby(found, key=lambda each: each.action.path)]
    guard = _Guard(files, limits.roots, held, RestoredFiles(project.paths.state))
    seen = view.seen([each.action.path for each in mildest if each.is_change])
    proposals = [
        guard.checked(each, always, seen[each.action.path]) if each.is_change else each
        for each in mildest
    ]
    return Review(proposals=_within_limits(proposals, limits), broken=broken, left=view.left)


@frozen
class _Guard:
    """Refuses what is not safe. `held`: path → why it must stay."""

    files: FileManager
    roots: tuple[str, ...]
    held: Mapping[str, str]
    restored: RestoredFiles

    def checked(self, proposal: Proposal, always: str, seen: set[FileStat]) -> Proposal:
        """The proposal, with the file as it is now. `always`: why all files must stay."""
        refused = always or _outside(proposal.action, self.files, self.roots)
        file = None if refused else self.files.stat(proposal.action.path)
        refused = refused or self._refusal(proposal.action.path, file, seen)
        return evolve(proposal, refused=refused, file=file)

    def _refusal(self, path: str, file: FileStat | None, seen: set[FileStat]) -> str:
        if file is None:
            return "it does not exist"
        if path in self.held:
            return self.held[path]
        if (seen and seen != {file}) or not self.files.settled(file):
            return "it has just been changed"
        if os.stat(self.files.root / path).st_nlink > 1:
            return "it has several names (hard links)"
        try:
            exempt = self.restored.has(file)
        except StorageError as error:
            return str(error)
        return "it was restored, and not touched since" if exempt else ""


def _outside(action: FileAction, files: FileManager, roots: Iterable[str]) -> str:
    """Why a path is none that may be taken."""
    path = action.path
    inside = any(path.startswith(f"{root.rstrip('/')}/") for root in roots)
    parts = path.split("/")
    if not inside or not {"", ".", "..", TRASH}.isdisjoint(parts):
        return f"it is outside of lifecycle.roots ({', '.join(roots)})"
    if action.kind is ActionKind.ARCHIVE and not action.target:
        return "the policy gives no target to archive it to"
    if action.target and not {"..", TRASH}.isdisjoint(action.target.split("/")):
        return f"files cannot be archived as {action.target!r}"
    expected = os.path.join(os.path.realpath(files.root), path)
    if os.path.normcase(os.path.realpath(files.root / path)) != os.path.normcase(expected):
        return "it is a symbolic link, or below one"
    return ""


def _within_limits(proposals: list[Proposal], limits: LifecycleConfig) -> list[Proposal]:
    """Refuse all proposals if they are too many, or too large, for one run."""
    allowed = [each for each in proposals if each.is_change and not each.refused]
    size = sum(each.file.size for each in allowed if each.file)
    if len(allowed) <= limits.max_files and size <= limits.max_bytes:
        return proposals
    refused = (
        f"{len(allowed)} files with {size:,} bytes exceed lifecycle.max_files ({limits.max_files}) "
        f"or lifecycle.max_bytes ({limits.max_bytes:,})"
    )
    return [evolve(each, refused=refused) if each in allowed else each for each in proposals]


def _proposed(policy: LifecyclePolicy, view: LifecycleView, settings: Any) -> list[FileAction]:
    """What a policy proposes. Runs the plugin's code, so it may do anything."""
    return [_checked(action) for action in policy.propose(view, settings)]


def _checked(action: FileAction) -> FileAction:
    """Raise an error that names the policy's mistake, if the action is not valid."""
    if type(action) is not FileAction or type(action.path) is not str:
        raise TypeError(f"propose must yield FileAction objects, not {action!r}")
    if "\0" in action.path or not action.path:
        raise ValueError(f"{action.path!r} is not a valid path")
    target = action.target and action.target.replace(os.sep, "/")
    return action._replace(path=action.path.replace(os.sep, "/"), target=target)


def _held_files(
    plans: Mapping[str, StagePlan | None], results: Mapping[str, StageResult]
) -> dict[str, str]:
    """Path → why it must stay: a stage still has to read it, rejected it, or will read it again."""
    held: dict[str, str] = {}
    for name, plan in plans.items():
        if plan is None:
            continue
        files = results[name].files if name in results else ()
        consumed = {r.path for r in files if r.verb == Verb.CONSUMED and r.complete}
        pending = [item.path for item in plan.inputs if item.path not in consumed]
        for path in (*pending, *plan.waiting):
            held[path] = f"{name} has yet to process it"
        for rejected in plan.rejected:
            held[rejected.path] = f"{name} rejected it, so its content is nowhere else"
        for path in plan.holds:
            held.setdefault(path, f"{name} will read it again")
    return held
