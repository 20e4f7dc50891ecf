"""The current run: its results so far, and how they are recorded."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pipekit
from pipekit.config.explain import provenance
from pipekit.errors import EXIT_ERROR, EXIT_INTERRUPTED, PipekitError, StorageError
from pipekit.model.event import EventKind, SinkContext
from pipekit.model.place import Place
from pipekit.model.run import PipelineReport
from pipekit.model.secrets import Mask
from pipekit.model.stage import StageResult
from pipekit.model.status import FailureKind, PipelineStatus, StageStatus
from pipekit.plugins.surroundings import Surroundings
from pipekit.run.events import EventLogger, open_logger
from pipekit.run.project import Project
from pipekit.run.stage_verdict import event_data, ledger_entry, summed_metrics
from pipekit.storage.ledger import Ledger
from pipekit.storage.report_writer import write_report

_MOST_NODES = 20  # of a stage, in the ledger


class CurrentRun:
    """A run, from its row in the ledger, which this inserts, to its report.

    `mask`: hides the secrets known so far. `results`: of the stages that have ended. `warnings`:
    for the report. `stage`: the stage being planned or executed; empty between stages. `exit_code`:
    once it has ended. `started`: Unix time. `begun`: the same moment of the monotonic clock, since
    no duration may depend on a clock that is set. `recorded`: see `RunHistory.begin_run`. Raises
    StorageError if the ledger or the journal cannot be written.
    """

    def __init__(
        self,
        project: Project,
        run_id: str,
        ledger: Ledger,
        *,
        started: float,
        begun: float,
        mask: Mask,
        recorded: Iterable[int] = (),
    ) -> None:
        self.project = project
        self.mask = mask
        self.run_id = run_id
        self.ledger = ledger
        self.started = started
        self.number = ledger.begin_run(run_id, started, recorded=recorded)
        self.results: dict[str, StageResult] = {}
        self.warnings: list[str] = []
        self.stage = ""
        self.forget: frozenset[str] = frozenset()  # files, see RunContext
        self.place = Place(project.paths.root)
        self._events: EventLogger | None = None
        self.exit_code = EXIT_ERROR
        self._begun = begun
        self._committed: PipelineReport | None = None

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
            self._events = open_logger(paths, self.run_id, self.started, zone=zone, mask=self.mask)
        except OSError as error:
            raise StorageError(
                f"cannot write a journal in {paths.events}: {error.strerror}"
            ) from error
        self._surroundings = Surroundings()
        context = SinkContext(self.run_id, paths.root, paths.logs, paths.state)
        for sink, settings in self.project.sinks:
            self._events.open_sink(sink, settings, context)

    def begin_stage(self, name: str) -> None:
        """A stage is being planned from now on, in surroundings that no sink has changed."""
        self.stage = name
        self._surroundings.restore()

    def warn(self, text: str, stage: str = "pipeline") -> None:
        """Emit a warning, and repeat it in the report."""
        self.warnings.append(text)
        self.events.emit(stage, EventKind.WARNING, text)

    def end_stage(self, result: StageResult) -> None:
        """Record how a stage ended."""
        self.results[result.stage] = result
        self._note(result)
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
        self._surroundings.restore()
        self.check_place()
        self.events.report_problems()
        report = self._report(status, exit_code)
        if not self._commit(report):
            return self._closed_by_another()
        self._committed = report
        self.exit_code = exit_code
        self._end_events(report, EventKind(status), str(report))
        return self._write_report(report, proposals)

    def break_off(self, error: BaseException) -> PipelineReport | None:
        """Record an error that ends the run, wherever that is still possible.

        Returns a report if the run had an end before the error: then that outcome stands.
        """
        text = str(error) if isinstance(error, PipekitError) else f"{type(error).__name__}: {error}"
        if self._committed is not None:
            warning = f"after the end of the run: {text}"
            return self._committed.warned(warning)
        if self.stage:
            lost = StageResult(
                stage=self.stage, status=StageStatus.FAILURE, kind=FailureKind.LOST, error=text
            )
            self.results[lost.stage] = lost
            with contextlib.suppress(StorageError):
                self._note(lost)
            self.events.emit(lost.stage, EventKind.FAILURE, str(lost), **event_data(lost))
        report = self._report(*_outcome(error))
        self.exit_code = report.exit_code
        with contextlib.suppress(StorageError):
            if not self._commit(report):
                return self._closed_by_another()
        if self._events is not None:
            msg = f"{report}; internal error: {text}"
            self._end_events(report, EventKind(report.status), msg, error=text)
            self._write_report(report, [])
        return None

    def _note(self, result: StageResult) -> None:
        entry = ledger_entry(result)
        if metrics := summed_metrics(result):
            entry["metrics"] = metrics
        nodes = Counter(t.placement.node for t in result.tasks if t.placement and t.placement.node)
        if nodes:  # of other machines: how many attempts each had
            entry["nodes"] = dict(nodes.most_common(_MOST_NODES))
        entry = self.mask.value(entry)
        self.ledger.note_stage(self.run_id, result.stage, entry)

    def _commit(self, report: PipelineReport) -> bool:
        """Record the end in the ledger; False if another run has done so."""
        ended = self.started + report.duration
        return self.ledger.end_run(self.run_id, report.status, report.exit_code, ended)

    def _end_events(self, report: PipelineReport, kind: EventKind, msg: str, **more: Any) -> None:
        """Write the last event, unless another run has."""
        if not self.events.ended:
            self.events.emit("pipeline", kind, msg, exit_code=report.exit_code, **more)
        self.events.close()

    def _closed_by_another(self) -> PipelineReport:
        """What another run has recorded as the outcome of this one: it stands.

        Raises StorageError if there is no record of this run any more.
        """
        state = self.ledger.run(self.run_id)
        if state is None or state.status is None or state.exit_code is None:
            raise StorageError(f"the ledger no longer has run {self.number}")
        if self._events is not None:
            self._events.close()
        self.exit_code = state.exit_code
        report = self._committed = self._report(state.status, state.exit_code)
        warning = "another run took this one for dead and closed it: its lock had been deleted"
        return report._replace(warnings=tuple(self.warnings)).warned(warning)

    def _report(self, status: PipelineStatus, exit_code: int) -> PipelineReport:
        return PipelineReport(
            run_id=self.run_id,
            number=self.number,
            status=status,
            exit_code=exit_code,
            stages=tuple(self.results.values()),
            started=self.started,
            duration=time.monotonic() - self._begun,
        )

    def _write_report(
        self, report: PipelineReport, proposals: Sequence[dict[str, object]]
    ) -> PipelineReport:
        report = report._replace(
            warnings=(*self.warnings, *self.events.warnings),
            unseen_warnings=tuple(self.events.unseen_warnings),
        )
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
            "sinks": self.events.sinks(),
        }
        try:
            path = write_report(report, self.project.paths, context, self.mask)
        except OSError as error:
            warning = f"the report could not be written: {error}"
            return report.warned(warning)
        return report._replace(path=path)


def _outcome(error: BaseException) -> tuple[PipelineStatus, int]:
    """The status and the exit code of a run that ends with this error (see cli/exits.py)."""
    if isinstance(error, KeyboardInterrupt):
        return PipelineStatus.CANCELLED, EXIT_INTERRUPTED
    code = error.exit_code if isinstance(error, PipekitError) else EXIT_ERROR
    return PipelineStatus.FAILURE, code
