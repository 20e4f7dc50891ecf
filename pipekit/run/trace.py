"""Traces a file: what each stage did with it, what came of it, and where it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from attrs import field, frozen

from pipekit.model.file import Consumption, ContentState, FileStat, Published, Why
from pipekit.model.stage import StagePlan
from pipekit.run.decision import CannotPlan, Decision, Later
from pipekit.run.orchestrator import PipelineOrchestrator
from pipekit.run.planning import RunOptions
from pipekit.run.project import Project
from pipekit.storage.ledger import Ledger, Link, signature_text
from pipekit.storage.patterns import matches

STEPS = 2  # of which files are named, in each direction


class State(StrEnum):
    """How a file stands with a stage."""

    PENDING = "pending"
    WAITING = "waiting"  # still being written, or otherwise left for a later run
    CONSUMED = "consumed"
    PART = "consumed in part"
    REJECTED = "rejected"
    CHANGED = "changed since"  # and, as far as is known, not pending
    LEFT = "left alone"  # matches a pattern of the stage, which does nothing with it


@frozen(kw_only=True)
class StageTrace:
    """What became of a file in a stage.

    `why` it is pending. `last`: what the stage did with it last. `problem`: why it is not known
    whether it is pending. `warnings`: of the stage's plan, about this file.
    """

    stage: str
    state: State
    why: Why | None = None
    last: Consumption | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()


class Relative(NamedTuple):
    """A file that came of another one, or of which it came; `stage` wrote it."""

    stage: str
    path: str
    published: Published | None


@frozen(kw_only=True)
class Relatives:
    """Files in one direction. `steps`: of the first two steps; `further`: counts, by stage."""

    steps: tuple[tuple[Relative, ...], ...] = ()
    further: Mapping[str, int] = field(factory=dict)


class Near(NamedTuple):
    """A pattern of a stage that nearly matches a path, and what is different, as a clause."""

    stage: str
    pattern: str
    difference: str


@frozen(kw_only=True)
class Trace:
    """All that is known of a file. `file`: as it is now, None if there is none.

    `published`: by the stages that did. `is_as_published`: whether it is as one of them left it.
    `near`: patterns that would match it, or nearly, if no stage knows it.
    """

    path: str
    file: FileStat | None
    stages: tuple[StageTrace, ...] = ()
    published: Mapping[str, Published] = field(factory=dict)
    is_as_published: bool = True
    made: Relatives = field(factory=Relatives)
    sources: Relatives = field(factory=Relatives)
    near: tuple[Near, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether any stage has to do with it, or had."""
        read = any(each.state is not State.LEFT for each in self.stages)
        return bool(read or self.published or self.made.steps)


def decisions_of(project: Project) -> tuple[dict[str, Decision], dict[str, Decision]]:
    """What a run would decide now, and what it would if no stage were to run before."""
    decisions = {each.stage: each for each in PipelineOrchestrator(project).plan()}
    alone = dict(decisions)
    for name, decision in decisions.items():
        if isinstance(decision, Later):
            [alone[name]] = PipelineOrchestrator(project, RunOptions(only=(name,))).plan()
    return decisions, alone


def trace(
    path: str, file: FileStat | None, ledger: Ledger, decisions: Mapping[str, Decision]
) -> Trace:
    """All that is known of the file at `path`. `decisions`: see `decisions_of`; may be empty."""
    published = {
        stage: found[path]
        for stage in ledger.stages()
        if (found := ledger.publications(stage, [path]))
    }
    now = signature_text(file.signature) if file else ""
    signatures = [ledger.published_signature(stage, path) for stage in published]
    names = dict.fromkeys((*decisions, *ledger.stages()))
    stages = [_in_stage(name, path, now, ledger, decisions.get(name)) for name in names]
    own = [each for each in stages if each and each.stage in published and each.state is State.LEFT]
    known = [each for each in stages if each and each not in own]
    is_known = published or any(each.state is not State.LEFT for each in known)
    near = [] if is_known else _near(path, file, decisions.values())
    return Trace(
        path=path,
        file=file,
        stages=tuple(known),
        published=published,
        is_as_published=not published or now in ("", *signatures),
        made=_relatives(ledger, path, back=False),
        sources=_relatives(ledger, path, back=True),
        near=tuple(near),
    )


def _in_stage(
    stage: str, path: str, now: str, ledger: Ledger, decision: Decision | None
) -> StageTrace | None:
    """What became of a file in a stage; None if that has nothing to do with it.

    `now`: the signature of the file, empty if there is none.
    """
    plan = decision.plan if decision else None
    plan = StagePlan(reason="") if plan is None else plan
    last, entry = ledger.consumption(stage, path), ledger.entries(stage, [path]).get(path)
    why = next((each.why for each in plan.inputs if each.path == path), None)
    if why is not None:
        state = State.PENDING
    elif path in plan.waiting:
        state = State.WAITING
    elif last is not None and entry is not None:
        states = {ContentState.PART: State.PART, ContentState.REJECTED: State.REJECTED}
        state = states.get(last.state, State.CONSUMED)
        state = State.CHANGED if now not in ("", entry.signature) else state
    elif decision and now and any(matches(pattern, path) for pattern in decision.patterns):
        state = State.LEFT
    else:
        return None
    return StageTrace(
        stage=stage,
        state=state,
        why=why,
        last=last,
        problem=decision.reason if isinstance(decision, CannotPlan) else "",
        warnings=tuple(text for text in plan.warnings if path in text),
    )


def _relatives(ledger: Ledger, path: str, *, back: bool) -> Relatives:
    """The files that came of this one, or, going `back`, those of which it came."""
    seen, ahead = {path}, {path}
    steps, further = list[tuple[Relative, ...]](), Counter[str]()
    while ahead:
        links = ledger.links(ahead, back=back)
        writers = _writers(ledger, links) if back else {each.output: each.stage for each in links}
        found = {other: stage for other, stage in writers.items() if other not in seen}
        if found and len(steps) < STEPS:
            steps.append(_newest_first(ledger, found))
        else:
            further.update(found.values())
        ahead = set(found)
        seen |= ahead
    return Relatives(steps=tuple(steps), further=dict(further))


def _writers(ledger: Ledger, links: Iterable[Link]) -> dict[str, str]:
    """Which stage wrote each source of these links; empty for a file that came from outside."""
    sources = {each.source for each in links}
    writers = dict.fromkeys(sorted(sources), "")
    for stage in ledger.stages():
        writers |= dict.fromkeys(ledger.publications(stage, sources), stage)
    return writers


def _newest_first(ledger: Ledger, writers: Mapping[str, str]) -> tuple[Relative, ...]:
    found = []
    for stage in dict.fromkeys(writers.values()):
        paths = [path for path, writer in writers.items() if writer == stage]
        known = ledger.publications(stage, paths)
        made = [Relative(stage, path, known.get(path)) for path in sorted(paths)]
        found += sorted(made, key=lambda each: -each.published.run_number if each.published else 0)
    return tuple(found)


def _near(path: str, file: FileStat | None, decisions: Iterable[Decision]) -> list[Near]:
    """The patterns that are nearest to a path that no stage reads; or match, where no file is."""
    found: list[tuple[int, Near]] = []
    for decision in decisions:
        for pattern in decision.patterns:
            rank, clause = _difference(pattern, path)
            if rank == 0 and file is not None:  # the stage leaves the file alone
                continue
            if clause and pattern.rpartition("/")[2].strip("*?"):
                found.append((rank, Near(decision.stage, pattern, clause)))
    nearest = min((rank for rank, _ in found), default=0)
    return [near for rank, near in found if rank == nearest]


def _difference(pattern: str, path: str) -> tuple[int, str]:
    """How far a pattern is from a path, and what is different; empty if it is not near at all."""
    folder, _, name = path.rpartition("/")
    wanted, _, name_wanted = pattern.rpartition("/")
    if matches(pattern, path):
        is_hidden = any(part.startswith(".") for part in path.split("/"))
        hidden = 1, "names that begin with a dot are never read"
        return hidden if is_hidden else (0, "it would be read")
    if matches(pattern, path, ignore_case=True):
        return 1, "upper and lower case differ"
    if folder and wanted and matches(wanted, folder):
        return 2, "the folder fits, but not the name"
    if name_wanted and matches(name_wanted, name):
        return 3, f"the name fits, but the folder is {folder or 'that of the project'}"
    return 4, ""
