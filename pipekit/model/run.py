"""A run: what a plan may see, where a project keeps its files, and how a run ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from attrs import field, frozen

from pipekit.model.status import RAN, PipelineStatus, StageStatus

if TYPE_CHECKING:
    from pipekit.model.file import Consumption, FileStat, Inspection, Pending, Published
    from pipekit.model.stage import StageResult


class PipelineState(NamedTuple):
    """A run in the ledger; `status` is None while it has not ended.

    Times are Unix times. `stages`: how each stage of the run ended, by name.
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
    """A file that a stage rejected, why, and the run that did."""

    path: str
    reason: str
    run_number: int


class Paths(NamedTuple):
    """The folders of a project, as absolute paths.

    `shared`: whether the umask decides who may read the files of runs; else they are private.
    `inputs`: folders outside of the project that stages may read, as texts with `/`.
    """

    root: Path
    data: Path
    logs: Path
    state: Path
    shared: bool = False
    inputs: tuple[str, ...] = ()

    @property
    def file_mode(self) -> int:
        """The mode to create files of a run with, before the umask."""
        return 0o666 if self.shared else 0o600

    @property
    def quarantine(self) -> Path:
        """Rows and files that were set aside, one folder per run."""
        return self.data / "quarantine"

    @property
    def leftovers(self) -> Path:
        """Notes temporary files that a run could not remove, for the next one to try again."""
        return self.state / "leftovers"

    @property
    def runs(self) -> Path:
        """Output and reports of stage processes, one folder per run."""
        return self.logs / "runs"

    @property
    def events(self) -> Path:
        """The journals, one file per run."""
        return self.logs / "events"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.state / "state.db"

    def journal(self, run_id: str) -> Path:
        """The journal of a run."""
        return self.events / f"pipeline_{run_id}.jsonl"


class StageView(Protocol):
    """Read-only access of one stage to the ledger and the files; used through RunContext."""

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        """See RunContext.files."""

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        """See RunContext.pending."""

    def consumed(
        self, noted: str = "", *, details: Mapping[str, str] | None = None
    ) -> Mapping[str, Consumption]:
        """See RunContext.consumed."""

    def details(self, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
        """See RunContext.details."""

    def published(self, stage: str) -> tuple[Published, ...]:
        """See RunContext.published."""

    def inspect(self, patterns: tuple[str, ...]) -> Inspection:
        """See RunContext.inspect."""

    def state(self) -> Mapping[str, Any]:
        """See RunContext.state."""


@frozen(kw_only=True, eq=False)
class RunContext:
    """What a stage's plan may see of a run; all of it is read-only.

    `started`: Unix time. `dry_run`: whether this is `pipekit plan`. `results`: of the stages before
    it. `cores`: the number of cores the run may use. `force`: treat consumed files as pending
    (`--force`). `rebuild`: write all outputs again, for stages that support it (`--rebuild`).
    `dates`: the first and last day asked for, or None. `forget`: files that this stage has
    consumed, and is to forget (`--forget`): it makes again what came of them from the other files,
    and then reports them as consumed with the fingerprint `ABSENT`, unless another file is in their
    place.
    """

    run_id: str
    stage: str
    paths: Paths
    started: float
    dry_run: bool = False
    results: Mapping[str, StageResult] = field(factory=dict)
    cores: int = 1
    force: bool = False
    rebuild: bool = False
    dates: tuple[dt.date, dt.date] | None = None
    forget: tuple[str, ...] = ()
    view: StageView = field(repr=False)

    @property
    def root(self) -> Path:
        """The project's folder, with pipekit.toml; the working directory of stage processes."""
        return self.paths.root

    @property
    def run_dir(self) -> Path:
        """The folder for output and reports of the run's processes; it may not exist yet."""
        return self.paths.runs / self.run_id

    def files(self, *patterns: str) -> list[FileStat]:
        """Regular files below the root that match any of the patterns, sorted by path.

        A pattern is relative to the root: `data/raw/**/*.csv`. `**` matches any number of folders,
        but never enters one whose name starts with a dot. An absolute pattern finds files below
        `[paths] inputs`; their paths are absolute, too.

        Raises UsageError for an invalid pattern or one that leads out of these folders, and OSError
        if the folder that a pattern starts in cannot be read; a missing one has no files.
        Subfolders that cannot be read are left out.
        """
        return self.view.files(patterns)

    def pending(
        self, files: Iterable[FileStat], settings: object | None = None, *, growing: bool = False
    ) -> Pending:
        """Those of `files` that this stage has not consumed, as they are now, with these settings.

        `settings`: an attrs object with the settings that matter for these files (default: all of
        the stage's); fields that do not affect the output are ignored. `growing`: do not wait for
        files to settle. By default, a file that has just changed is left for the next run; pass
        True if the stage can read a file that is still growing, or if the files appear by a rename.
        """
        return self.view.pending(files, settings, growing=growing, force=self.force)

    def consumed(
        self, noted: str = "", *, details: Mapping[str, str] | None = None
    ) -> Mapping[str, Consumption]:
        """The files that this stage has consumed or rejected, by path; also those now deleted.

        `noted`: only files whose `detail` has a key of this name. `details`: only files with these
        values in `detail`, and at most 1,000 of them. Both take no longer for a million files in
        the ledger. Without them, iterate only if there is work to do: each value is read from the
        ledger when it is accessed.
        """
        if details is None:
            return self.view.consumed(noted)
        return self.view.consumed(noted, details=details)

    def details(self, *keys: str) -> list[tuple[str, ...]]:
        """The different values that these keys have in the `detail` of the files of this stage.

        Only texts; files that lack one of the keys are left out. For questions such as: with which
        formats were files read?
        """
        return self.view.details(keys)

    def published(self, stage: str) -> tuple[Published, ...]:
        """The files that `stage` has published, in the order of the runs that did."""
        return self.view.published(stage)

    def inspect(self, *patterns: str) -> Inspection:
        """What has become of the files that this stage has published; `patterns`: where they are.

        For example, `ctx.inspect("data/out/**/*.parquet")`. A file is read only if its size is the
        same, but not its times or its place on the disk: after a project was copied or moved, once.
        """
        return self.view.inspect(patterns)

    @property
    def state(self) -> Mapping[str, Any]:
        """What this stage's workers have remembered by `report.state(key, value)`.

        For work that is not about files of the project: how far a fetch from elsewhere has got.
        """
        return self.view.state()


class PipelineReport(NamedTuple):
    """How a run ended; true for success and idle.

    `started`: Unix time. `duration`: seconds. `path`: the audit report, None if there is none.
    `unseen_warnings`: those of `warnings` that nobody was told of while the run was going on.
    """

    run_id: str
    number: int
    status: PipelineStatus
    exit_code: int
    stages: tuple[StageResult, ...] = ()
    started: float = 0.0
    duration: float = 0.0
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    unseen_warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status in (PipelineStatus.SUCCESS, PipelineStatus.IDLE)

    def warned(self, *late: str) -> PipelineReport:
        """The same report with warnings that came after the last event."""
        return self._replace(
            warnings=(*self.warnings, *late), unseen_warnings=(*self.unseen_warnings, *late)
        )

    def __str__(self) -> str:
        """For example `run 12: partial, 3 stages ran, 4.2 s`."""
        ran = sum(stage.status in RAN for stage in self.stages)
        never = sum(stage.never_began for stage in self.stages)
        cancelled = sum(stage.status is StageStatus.CANCELLED for stage in self.stages)
        counts = [f"{ran} stage{'s' if ran != 1 else ''} ran"]
        counts += [f"{cancelled - never} stopped"] if cancelled > never else []
        counts += [f"{never} never began"] if never else []
        waiting = sum(len(stage.backing_off) for stage in self.stages)
        counts += [f"{waiting} backing off"] if waiting else []
        return f"run {self.number}: {self.status}, {', '.join(counts)}, {self.duration:.1f} s"
