"""Lifecycle: collects what policies propose, and refuses what is not safe. It changes no file."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import groupby
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen

from pipekit.config.tables import LifecycleConfig
from pipekit.model.file import ContentState, FileStat
from pipekit.model.policy import ActionKind, FileAction, LifecycleView
from pipekit.model.specs import LifecyclePolicy
from pipekit.model.stage import StagePlan, StageResult
from pipekit.plugins.isolation import AbandonedError, PluginFault, call
from pipekit.run.project import Project
from pipekit.run.shrunk import held_shrunk
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text
from pipekit.worker import Verb

_PRECEDENCE = (ActionKind.KEEP, ActionKind.ARCHIVE, ActionKind.DELETE)


@frozen(kw_only=True)
class Proposal:
    """What a policy proposes for a file; `refused`: why it is not allowed; empty if it is."""

    action: FileAction
    policy: str
    refused: str = ""

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
        }
        return {key: value for key, value in values.items() if value}


@frozen(kw_only=True)
class Review:
    """All proposals, sorted by path, and a sentence for each policy that failed."""

    proposals: list[Proposal] = field(factory=list)
    broken: list[str] = field(factory=list)


@frozen(eq=False)
class LedgerLifecycleView:
    """The LifecycleView of a project."""

    _files: FileManager
    _ledger: Ledger
    now: float

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """See LifecycleView."""
        return self._files.files(patterns)

    def age(self, file: FileStat) -> float:
        """See LifecycleView; by modification or change time, whichever is later."""
        return self.now - max(file.mtime_ns, file.ctime_ns) / 1e9

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """See LifecycleView."""
        if file.path in self._shrunk:
            return self._shrunk[file.path]
        contents = [(file.path, signature_text(file.signature))]
        for stage in chain:
            for path, signature in contents:
                reason = self._why_not(stage, path, signature)
                if reason:
                    return reason
            contents = [
                output for path, _ in contents for output in self._ledger.outputs_of(stage, path)
            ]
        return None

    def data_age(self, file: FileStat) -> float | None:
        """See LifecycleView; from `series` and `last` in the detail of published files."""
        if file.path not in self._series:
            return None
        series, last = self._series[file.path]
        return self._newest[series] - last

    def _why_not(self, stage: str, path: str, signature: str) -> str | None:
        entry = self._ledger.entries(stage, [path]).get(path)
        if entry is None or entry.signature != signature:
            return f"{stage} has not consumed the current content of {path}"
        if entry.state != ContentState.CONSUMED:
            what = "rejected it" if entry.state == ContentState.REJECTED else "consumed part of it"
            return f"{stage} has not consumed {path}, but {what}"
        consumption = self._ledger.consumption(stage, path)
        detail = consumption.detail if consumption else {}
        if detail.get("quarantined"):
            return f"rows of {path} were set aside"
        if detail.get("unread"):
            return f"the end of {path} has not been read yet"
        return None

    @cached_property
    def _shrunk(self) -> dict[str, str]:
        return held_shrunk(self._ledger)

    @cached_property
    def _series(self) -> dict[str, tuple[str, float]]:
        """The series and last time of each published file that has both, by path."""
        found = {}
        for stage in self._ledger.stages():
            for file in self._ledger.published(stage):
                series, last = file.detail.get("series"), file.detail.get("last")
                with contextlib.suppress(TypeError, ValueError, OverflowError):  # not a time
                    if series and last:
                        moment = dt.datetime.fromisoformat(last).timestamp()
                        found[file.path] = (str(series), moment)
        return found

    @cached_property
    def _newest(self) -> dict[str, float]:
        """The last time of each series: dict keeps the latest of the sorted pairs."""
        return dict(sorted(self._series.values()))


def review(
    project: Project,
    ledger: Ledger,
    plans: Mapping[str, StagePlan | None],
    *,
    now: float,
    results: Mapping[str, StageResult] = MappingProxyType({}),
    blockers: Iterable[str] = (),
    cancelled: Callable[[], bool] = lambda: False,
    view: LedgerLifecycleView | None = None,
) -> Review:
    """What the project's policies propose for its files; refused if it is not safe.

    `plans`: for each stage, None if it could not be planned: then all files must stay, since that
    stage may need any of them. `now`: Unix time; no more than a day after the last run counts.
    `results`: of the stages that have run. `blockers`: further reasons why all files must stay.
    `cancelled`: whether to wait no longer for policies. `view`: what they see, if not the usual.
    """
    files, limits = project.files, project.configuration.lifecycle
    view = view or LedgerLifecycleView(files, ledger, ledger.plausible(now))
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
            broken.append(f"policy {policy.name!r} {verb} {fault}")
    unplanned = [f"stage {name!r} was not planned" for name, plan in plans.items() if plan is None]
    always = "; ".join((*unplanned, *blockers, *broken))  # a broken policy might keep any file
    found.sort(key=lambda each: (each.action.path, _PRECEDENCE.index(each.action.kind)))
    proposals = []
    for _, same in groupby(found, key=lambda each: each.action.path):
        first = next(same)
        refused = always or _refusal(first.action, files, limits.roots, held)
        proposals.append(evolve(first, refused=refused) if first.is_change else first)
    return Review(proposals=_within_limits(proposals, files, limits), broken=broken)


def _refusal(
    action: FileAction, files: FileManager, roots: Iterable[str], held: Mapping[str, str]
) -> str:
    path = action.path
    inside = any(path.startswith(f"{root.rstrip('/')}/") for root in roots)
    if not inside or ".." in path.split("/"):
        return f"it is outside of lifecycle.roots ({', '.join(roots)})"
    if action.kind is ActionKind.ARCHIVE and not action.target:
        return "the policy gives no target to archive it to"
    expected = os.path.join(os.path.realpath(files.root), path)
    if os.path.normcase(os.path.realpath(files.root / path)) != os.path.normcase(expected):
        return "it is a symbolic link, or below one"
    file = files.stat(path)
    if file is None:
        return "it does not exist"
    if path in held:
        return held[path]
    return "" if files.settled(file) else "it has just been changed"


def _within_limits(
    proposals: list[Proposal], files: FileManager, limits: LifecycleConfig
) -> list[Proposal]:
    """Refuse all proposals if they are too many, or too large, for one run."""
    allowed = [each for each in proposals if each.is_change and not each.refused]
    size = sum(file.size for each in allowed if (file := files.stat(each.action.path)))
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
    return action._replace(path=action.path.replace(os.sep, "/"))


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
