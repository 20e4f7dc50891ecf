"""The current run: its results so far, and how they are recorded."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence

from attrs import evolve

import pipekit
from pipekit.config.explain import provenance
from pipekit.errors import EXIT_ERROR, PipekitError, StorageError
from pipekit.model.event import EventKind, SinkContext
from pipekit.model.place import Place
from pipekit.model.run import PipelineReport
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.run.events import EventLogger, open_logger
from pipekit.run.project import Project
from pipekit.run.verdict import event_data, ledger_entry
from pipekit.storage.ledger import Ledger
from pipekit.storage.report import AuditReporter


class CurrentRun:
    """A run, from its row in the ledger, which this inserts, to its report.

    `results`: of the stages that have ended. `warnings`: for the report. `stage`: the stage being
    planned or executed; empty between stages. Raises StorageError if the ledger or the journal
    cannot be written.
    """

    def __init__(self, project: Project, run_id: str, ledger: Ledger, started: float) -> None:
        self.project = project
        self.run_id = run_id
        self.ledger = ledger
        self.started = started
        self.number = ledger.begin_run(run_id, self.started)
        self.results: dict[str, StageResult] = {}
        self.warnings: list[str] = []
        self.stage = ""
        self.place = Place(project.paths.root)
        self._events: EventLogger | None = None
        self._committed = False

    @property
    def events(self) -> EventLogger:
        """The run's events, after `open_events`."""
        assert self._events is not None
        return self._events

    def open_events(self) -> None:
        """Open the journal, the log and the sinks."""
        paths = self.project.paths
        zone = self.project.configuration.pipeline.timezone
        try:
            self._events = open_logger(paths, self.run_id, self.started, zone=zone)
        except OSError as error:
            raise StorageError(
                f"cannot write a journal in {paths.events}: {error.strerror}"
            ) from error
        context = SinkContext(run_id=self.run_id, root=paths.root, logs=paths.logs)
        for sink, settings in self.project.sinks:
            self._events.open_sink(sink, settings, context)

    def warn(self, text: str, stage: str = "pipeline") -> None:
        """Emit a warning, and repeat it in the report."""
        self.warnings.append(text)
        self.events.emit(stage, EventKind.WARNING, text)

    def end_stage(self, result: StageResult) -> None:
        """Record how a stage ended."""
        self.results[result.stage] = result
        self.ledger.note_stage(self.run_id, result.stage, ledger_entry(result))
        kind = EventKind(result.status)
        self.events.emit(result.stage, kind, str(result), **event_data(result))
        self.stage = ""

    def check_place(self) -> None:
        """Raise StorageError if the project was renamed or deleted meanwhile."""
        if not self.place.is_there():
            raise StorageError(
                f"the project folder {self.place.path} was renamed, deleted or replaced during the "
                "run: what was published since is not in the ledger; put it back and run again"
            )

    def finish(
        self, status: PipelineStatus, exit_code: int, proposals: Sequence[dict[str, object]]
    ) -> PipelineReport:
        """Commit the end of the run to the ledger; the last event and the report follow from it.

        `proposals`: those of the lifecycle policies, for the report.
        """
        self.check_place()
        ended = time.time()
        report = self._report(status, exit_code, ended)
        self.events.report_problems()
        self.ledger.end_run(self.run_id, status, exit_code, ended)
        self._committed = True
        self.events.emit("pipeline", EventKind(status), str(report), exit_code=exit_code)
        self.events.close()
        return self._write_report(report, proposals)

    def break_off(self, error: BaseException) -> None:
        """Record an internal error wherever that is still possible."""
        if self._committed:
            return
        text = str(error) if isinstance(error, PipekitError) else f"{type(error).__name__}: {error}"
        if self.stage:
            lost = StageResult(
                stage=self.stage, status=StageStatus.FAILURE, kind=FailureKind.LOST, error=text
            )
            self.results[lost.stage] = lost
            with contextlib.suppress(StorageError):
                self.ledger.note_stage(self.run_id, lost.stage, ledger_entry(lost))
            self.events.emit(lost.stage, EventKind.FAILURE, str(lost), **event_data(lost))
        report = self._report(PipelineStatus.FAILURE, EXIT_ERROR, time.time())
        with contextlib.suppress(StorageError):
            self.ledger.end_run(self.run_id, report.status, report.exit_code, time.time())
        if self._events is not None:
            msg = f"{report}; internal error: {text}"
            code = report.exit_code
            self.events.emit("pipeline", EventKind.FAILURE, msg, exit_code=code, error=text)
            self.events.close()
            self._write_report(report, [])

    def _report(self, status: PipelineStatus, exit_code: int, ended: float) -> PipelineReport:
        return PipelineReport(
            run_id=self.run_id,
            number=self.number,
            status=status,
            exit_code=exit_code,
            stages=tuple(self.results.values()),
            started=self.started,
            duration=ended - self.started,
        )

    def _write_report(
        self, report: PipelineReport, proposals: Sequence[dict[str, object]]
    ) -> PipelineReport:
        report = evolve(report, warnings=(*self.warnings, *self.events.warnings))
        if not self.place.is_there():  # nothing is made again where the project was
            return report
        context = {
            "pipekit": pipekit.__version__,
            "python": sys.version.partition(" ")[0],
            "platform": sys.platform,
            "pid": os.getpid(),
            "configuration": provenance(self.project.configuration),
            "plugins": self.project.versions(),
            "broken_plugins": [str(broken) for broken in self.project.plugins.broken],
            "lifecycle": list(proposals),
        }
        try:
            path = AuditReporter(self.project.paths).write(report, context, self.project.secrets)
        except OSError as error:
            warning = f"the report could not be written: {error}"
            return evolve(report, warnings=(*report.warnings, warning))
        return evolve(report, path=path)
