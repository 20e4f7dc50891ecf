"""A run: what a plan may look at, and what is said of a run when it is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from attrs import field, frozen

from pipekit.model.file import Consumption, FileStat, Pending, Published
from pipekit.model.stage import StageResult
from pipekit.model.status import RAN, PipelineStatus


class PipelineState(NamedTuple):
    """A run as the ledger remembers it; `status` is None while it has not ended.

    Times are Unix times; `stages` has the facts of each stage's part by its name.
    """

    run_id: str
    number: int
    started: float
    ended: float | None = None
    status: PipelineStatus | None = None
    exit_code: int | None = None
    stages: Mapping[str, Any] = MappingProxyType({})

    def __bool__(self) -> bool:
        return self.status in (PipelineStatus.SUCCESS, PipelineStatus.IDLE)


class Rejection(NamedTuple):
    """A file that a stage rejected: why, and in which run (its number)."""

    path: str
    reason: str
    run: int


class Paths(NamedTuple):
    """Where a project keeps what, as absolute paths."""

    root: Path
    data: Path
    logs: Path
    state: Path

    @property
    def quarantine(self) -> Path:
        """Rows and files that were set aside, one folder a run."""
        return self.data / "quarantine"

    @property
    def runs(self) -> Path:
        """Spools and reports of stage processes, one folder a run."""
        return self.logs / "runs"

    @property
    def events(self) -> Path:
        """The journals, one file a run."""
        return self.logs / "events"

    @property
    def trash(self) -> Path:
        """What the lifecycle took away and can still give back."""
        return self.root / ".pipekit-trash"


class StageView(Protocol):
    """The ledger and the files as one stage may see them: read-only (RunContext hands it on)."""

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        """See RunContext.files."""

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        """See RunContext.pending."""

    def consumed(self, noted: str = "") -> Mapping[str, Consumption]:
        """See RunContext.consumed."""

    def published(self, stage: str) -> tuple[Published, ...]:
        """See RunContext.published."""


@frozen(kw_only=True)
class RunContext:
    """What a stage's plan may look at. Nothing in it can change anything.

    `started`: Unix time of the run. `dry_run`: this is `pipekit plan`. `results`: of the stages
    before. `workers`: the run's core budget. `force`: what is known counts as pending.
    `rebuild`: outputs are to be made anew. `dates`: first and last day asked for, or None.
    """

    run_id: str
    stage: str
    paths: Paths
    started: float
    dry_run: bool = False
    results: Mapping[str, StageResult] = field(factory=dict)
    workers: int = 1
    force: bool = False
    rebuild: bool = False
    dates: tuple[dt.date, dt.date] | None = None
    view: StageView = field(repr=False)

    @property
    def root(self) -> Path:
        """The project's folder: where pipekit.toml lies, and stage processes start."""
        return self.paths.root

    @property
    def run_dir(self) -> Path:
        """The run's folder for spools and reports; it need not exist yet."""
        return self.paths.runs / self.run_id

    def files(self, *patterns: str) -> list[FileStat]:
        """Regular files below the root that match any of the patterns, sorted by path.

        A pattern is relative to the root: `data/raw/**/*.csv`. `**` matches any number of folders,
        but never enters one whose name starts with a dot.
        """
        return self.view.files(patterns)

    def pending(
        self, files: Iterable[FileStat], settings: object | None = None, *, growing: bool = False
    ) -> Pending:
        """Those of `files` whose content this stage has not consumed with these settings.

        `settings` (an attrs object, default: the stage's own) narrows down which settings count
        for these files; only fields that affect the output do. `growing`: files still being
        written are taken too, instead of waiting until they are settled.
        """
        return self.view.pending(files, settings, growing=growing, force=self.force)

    def consumed(self, noted: str = "") -> Mapping[str, Consumption]:
        """All that this stage has consumed or rejected, by path; also of files now gone.

        `noted`: only what has an entry of this name in its `detail`. The paths alone are cheap;
        looking at many entries reads them all.
        """
        return self.view.consumed(noted)

    def published(self, stage: str) -> tuple[Published, ...]:
        """The files that `stage` has published, in the order of the runs that did."""
        return self.view.published(stage)


@frozen(kw_only=True)
class PipelineReport:
    """What came of a run; true when nothing is wrong (success or idle)."""

    run_id: str
    number: int
    status: PipelineStatus
    exit_code: int
    stages: tuple[StageResult, ...] = ()
    started: float = 0.0
    duration: float = 0.0
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status in (PipelineStatus.SUCCESS, PipelineStatus.IDLE)

    def __str__(self) -> str:
        """For example `run 12 (019d...): partial, 3 stages, 4.2 s`."""
        ran = sum(stage.status in RAN for stage in self.stages)
        return (
            f"run {self.number} ({self.run_id}): {self.status}, "
            f"{ran} stage{'s' if ran != 1 else ''} ran, {self.duration:.1f} s"
        )
