"""Reading a project: how it is, its runs, events, output, files and settings. Changes nothing.

    from pipekit.reading import ProjectReader

    project = ProjectReader(Path("/srv/bars"))
    print(project.status().findings[0])
    for run in project.runs(limit=20):
        print(run.number, run.status)

`pipekit status`, `show`, `history`, `logs` and `file` say the same. The ledger is opened for
reading alone, and for as long as one question takes, so that no run waits for a reader. Questions
that need the code of plugins say so; the others import none.

Pages of events and of output are found by byte offset: `events_before(project.journal(run))` takes
as long for a million events as for a thousand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipekit import config
from pipekit.config.explain import Value as SettingValue
from pipekit.config.explain import secrets, values
from pipekit.errors import ConfigError, PipekitError, UsageError
from pipekit.model.file import Published
from pipekit.model.quantity import duration_text, local_time, plural, rough_size
from pipekit.model.run import Paths, PipelineState
from pipekit.model.secrets import Mask
from pipekit.model.status import DIED, HELD, REFUSED, RUNNING
from pipekit.read.attention import Attention
from pipekit.read.details import Details
from pipekit.read.events import (
    EventPage,
    events_after,
    events_before,
    find_events,
    offset_of,
    parse_events,
)
from pipekit.read.file import Answer as FileStory
from pipekit.read.file import answer
from pipekit.read.findings import Finding, Level
from pipekit.read.lines import GrowingFile, Line, Page, lines_after, lines_before, search
from pipekit.read.live import Doing, doing
from pipekit.read.output import Output, find_output, outputs
from pipekit.read.report import (
    FileNote,
    ProcessReport,
    Proposal,
    RunReport,
    StageReport,
    TaskReport,
    UnitReport,
    read_report,
)
from pipekit.read.runs import completed, default_folders, is_going_on, lock_holder, open_history
from pipekit.read.schedule import JOB_TABLES, NextStart, next_start
from pipekit.read.state import ProjectState
from pipekit.read.status import ProjectStatus, status_of
from pipekit.read.timeline import Bar, Timeline
from pipekit.run.lifecycle.permission import may_go
from pipekit.run.project import open_project
from pipekit.run.trace import decisions_of
from pipekit.storage.database import ledger_exists
from pipekit.storage.files import FileManager
from pipekit.storage.hold import Hold
from pipekit.storage.holder import Holder
from pipekit.storage.ledger import open_to_read
from pipekit.storage.listing import FileListing, ListedFile
from pipekit.storage.refusals import Refusal
from pipekit.storage.runs import RunHistory, StageRun
from pipekit.storage.space import free_space

__all__ = [
    "DIED",
    "HELD",
    "REFUSED",
    "RUNNING",
    "Attention",
    "Bar",
    "Details",
    "Disk",
    "Doing",
    "EventPage",
    "FileNote",
    "FileStory",
    "Finding",
    "GrowingFile",
    "Hold",
    "Holder",
    "Level",
    "Line",
    "ListedFile",
    "NextStart",
    "Output",
    "Page",
    "PipelineState",
    "ProcessReport",
    "ProjectReader",
    "ProjectState",
    "ProjectStatus",
    "Proposal",
    "Published",
    "Refusal",
    "RunReport",
    "SettingValue",
    "StageReport",
    "StageRun",
    "TaskReport",
    "Timeline",
    "UnitReport",
    "duration_text",
    "events_after",
    "events_before",
    "find_events",
    "lines_after",
    "lines_before",
    "local_time",
    "offset_of",
    "parse_events",
    "plural",
    "rough_size",
    "search",
]

T = TypeVar("T")
_TABLES = ("pipeline", "expect", *JOB_TABLES)  # what `status` needs


class Disk(NamedTuple):
    """A disk of the project: a folder on it, and how many bytes are free."""

    folder: Path
    free: int


class ProjectReader:
    """A project, for reading. `root`: its folder, with pipekit.toml. Raises UsageError for others.

    Methods raise StorageError if the ledger cannot be read. Several threads may use one reader.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if config.find_project(self.root) != self.root:
            raise UsageError(f"no pipekit.toml in {self.root}; `pipekit init` writes one")
        self._loaded: tuple[object, config.Configuration | None, ConfigError | None] | None = None

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.root.name

    @property
    def paths(self) -> Paths:
        """Its folders; the default ones if the configuration cannot be read."""
        settings, _ = self._configuration()
        return settings.folders if settings else default_folders(self.root)

    # --- how it is ------------------------------------------------------------------------------

    def status(self) -> ProjectStatus:
        """What `pipekit status` says."""
        return status_of(self.paths, *self._configuration())

    def next_start(self, hold: Hold | None = None) -> NextStart:
        """When the scheduler starts the next run; asks the schedulers of this machine."""
        return next_start(self._configuration()[0], hold)

    def disks(self) -> list[Disk]:
        """Free space on each disk of the project; empty if it cannot be told."""
        with suppress(OSError):
            return [Disk(*each) for each in free_space(self.paths)]
        return []

    def holder(self) -> Holder | None:
        """The run that is going on."""
        return lock_holder(self.paths)

    # --- runs -----------------------------------------------------------------------------------

    def runs(
        self, limit: int = 40, *, before: int | None = None, worked: bool = False
    ) -> list[PipelineState]:
        """The latest runs, newest first; `before`: with a smaller number; `worked`: not idle."""
        with self._history() as ledger:
            found = ledger.runs(limit, worked=worked, before=before) if ledger else []
        return completed(found, self.paths)

    def run(self, word: str) -> PipelineState | None:
        """The run with this number, id or unique beginning of an id; None if there is none."""
        with self._history() as ledger:
            found = ledger.run(word) if ledger else None
        return None if found is None else completed([found], self.paths)[0]

    def is_going_on(self, run: PipelineState) -> bool:
        """Whether this run is going on now."""
        return is_going_on(self.paths, run.run_id)

    def doing(self, run: PipelineState) -> Doing | None:
        """The stage that a run is at, or was at when it died."""
        return doing(self.paths, run.run_id)

    def worked(self, stage: str, limit: int = 20) -> list[StageRun]:
        """The latest runs in which a stage had work and was a success, at least in part."""
        with self._history() as ledger:
            return ledger.worked(stage, limit) if ledger else []

    def report(self, run: PipelineState) -> RunReport:
        """Its report, or what is known without one."""
        return read_report(run, self.paths)

    def journal(self, run: PipelineState) -> Path:
        """The file of its events, which may not exist; see `events_before`."""
        return self.paths.journal(run.run_id)

    def outputs(self, run: PipelineState, stage: str | None = None) -> list[Output]:
        """What its programs printed, a file for each task and stream."""
        return outputs(self.paths, run.run_id, stage)

    def output(self, run: PipelineState, stage: str, name: str) -> Output | None:
        """One of `outputs`; the name is looked up, and is no path."""
        return find_output(self.paths, run.run_id, stage, name)

    # --- files ----------------------------------------------------------------------------------

    def stages(self) -> list[str]:
        """The stages that have consumed or published files."""
        with self._history() as ledger:
            return ledger.stages() if ledger else []

    def files(
        self, stage: str, *, state: str = "", text: str = "", after: str = "", limit: int = 200
    ) -> list[ListedFile]:
        """Files that the ledger knows, by path; see `FileListing.listed`."""
        if not ledger_exists(self.paths.ledger):
            return []
        with FileListing(self.paths.ledger, read_only=True, any_version=True) as ledger:
            return ledger.listed(stage, state=state, text=text, after=after, limit=limit)

    def knows(self, path: str) -> bool:
        """Whether the ledger knows a file by this path, relative to the root."""
        if not ledger_exists(self.paths.ledger):
            return False
        with FileListing(self.paths.ledger, read_only=True, any_version=True) as ledger:
            return ledger.knows(path)

    def file(self, path: str, *, plan: bool = False) -> FileStory:
        """What became of a file, what came of it, and what it came from.

        `plan`: also whether it is pending, and whether it may go; imports the plugins of the
        project and asks its stages for their plans. Raises PipekitError if they cannot be asked.
        """
        paths = self.paths
        with open_to_read(paths.ledger) as ledger:
            stat = FileManager(paths.root).stat(path)
            if not plan:
                return answer(path, stat, ledger, paths, {}, None)
            project = open_project(self._whole_configuration())
            decisions, alone = decisions_of(project)
            permission = may_go(project, ledger, decisions, path) if stat else None
            return answer(path, stat, ledger, paths, alone, permission)

    # --- settings -------------------------------------------------------------------------------

    def settings(self) -> list[SettingValue]:
        """Every setting and where it came from, secrets masked; imports the project's plugins.

        Raises ConfigError with all problems of the configuration.
        """
        settings = self._whole_configuration()
        with suppress(PipekitError):  # what is known is shown; `pipekit config check` says why
            open_project(settings)
        mask = Mask(secrets(settings))
        found = values(settings).values()
        return [each._replace(value=mask.value(each.value)) for each in found]

    def stage_settings(self, stage: str, settings: type[T]) -> T:
        """A stage's settings as an object of the class that its StageSpec names.

        Raises ConfigError.
        """
        made: T = self._whole_configuration().settings_for("stages", stage, settings)
        return made

    def _whole_configuration(self) -> config.Configuration:
        found = config.load(self.root, environ=os.environ)
        found.export_variables()  # as for every command that loads plugins
        return found

    def _configuration(self) -> tuple[config.Configuration | None, ConfigError | None]:
        """The tables that need no plugin, and what is wrong; read again when the file changes."""
        file = self.root / config.sources.FILE_NAME
        stamp: object = None
        with suppress(OSError):
            found = file.stat()
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if self._loaded is None or self._loaded[0] != stamp:
            try:
                settings = config.load(self.root, environ=os.environ, tables=_TABLES)
                self._loaded = stamp, settings, None
            except ConfigError as error:
                self._loaded = stamp, None, error
        return self._loaded[1:]

    @contextmanager
    def _history(self) -> Iterator[RunHistory | None]:
        """The ledger for reading; None before the first run."""
        ledger = open_history(self.paths)
        if ledger is None:
            yield None
        else:
            with ledger:
                yield ledger
