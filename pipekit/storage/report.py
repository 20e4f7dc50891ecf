"""AuditReports: where the reports of runs are, and what they say."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from pipekit.errors import StorageError
from pipekit.model.quantity import stamp
from pipekit.model.run import Paths
from pipekit.worker._files import open_own


class AuditReports:
    """Reports are `pipeline_report_{local YYYYMMDD_HHMMSS}_{run_id}.json` in the logs folder."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def path(self, run_id: str, started: float) -> Path:
        """The path of the report of a run that started at this Unix time."""
        return self._paths.logs / f"pipeline_report_{stamp(started)}_{run_id}.json"

    def find(self, run_id: str, started: float | None = None) -> Path | None:
        """The path of a run's report; None if there is none. Fast if `started` is given."""
        if started is not None and (path := self.path(run_id, started)).exists():
            return path
        # its name has the local time: of another zone, perhaps
        return next(iter(self._paths.logs.glob(f"pipeline_report_*_{run_id}.json")), None)

    def read(self, run_id: str) -> dict[str, Any]:
        """The report of a run. Raises StorageError if there is none or it cannot be read."""
        path = self.find(run_id)
        if path is None:
            raise StorageError(f"there is no report of run {run_id} in {self._paths.logs}")
        try:
            with open(open_own(path, os.O_RDONLY), encoding="utf-8") as file:
                report = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        if not isinstance(report, dict):
            raise StorageError(f"cannot read {path}: it is not a report")
        return report

    def sweep(self) -> None:
        """Remove what killed processes left of reports; needs the run lock. Never raises."""
        with contextlib.suppress(OSError), os.scandir(self._paths.logs) as entries:
            for entry in entries:
                if entry.name.startswith(".pipeline_report_") and entry.name.endswith(".tmp"):
                    os.unlink(entry.path)
