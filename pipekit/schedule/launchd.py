"""launchd (macOS): an agent of the user. Checked by Python's plistlib, never run on macOS."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import plistlib
import sys
from pathlib import Path
from typing import Any

from pipekit.errors import PipekitError
from pipekit.model.timetable import WEEKDAYS, Timetable
from pipekit.schedule.job import Job
from pipekit.schedule.log import LOG_NAME
from pipekit.schedule.scheduler import File, Installed, call, remove_files, write_files
from pipekit.worker._files import make_folder


class Launchd:
    """The agents of the user who calls this."""

    title = "launchd"
    log_hint = f"{LOG_NAME} in the folder of logs"

    def files(self, job: Job) -> list[File]:
        """The agent; see Scheduler."""
        return [File(str(_agent(job.name)), plistlib.dumps(_description(job)).decode())]

    def install(self, job: Job) -> None:
        """See Scheduler."""
        self._unload(job.name)
        make_folder(job.log.parent)  # launchd makes none
        write_files(self.files(job))
        try:
            call("launchctl", "bootstrap", _domain(), str(_agent(job.name)))
        except PipekitError:
            remove_files([_agent(job.name)])
            raise

    def installed(self, job: Job) -> Installed | None:
        """See Scheduler."""
        path = _agent(job.name)
        try:
            since, there = path.stat().st_mtime, plistlib.loads(path.read_bytes())
        except (OSError, ValueError, plistlib.InvalidFileException):
            return Installed(0.0, current=False) if path.exists() else None
        wanted = _description(job)
        keys = ("ProgramArguments", "StartCalendarInterval")
        return Installed(since, current=all(there.get(key) == wanted[key] for key in keys))

    def remove(self, name: str) -> None:
        """See Scheduler."""
        self._unload(name)
        remove_files([_agent(name)])

    @staticmethod
    def _unload(name: str) -> None:
        with contextlib.suppress(PipekitError):  # it is not loaded
            call("launchctl", "bootout", f"{_domain()}/{name}")


def intervals(timetable: Timetable) -> list[dict[str, int]]:
    """The starts as `StartCalendarInterval` has them; a key that is left out means each."""
    days = [(WEEKDAYS.index(day) + 1) % 7 for day in timetable.days]  # Sunday is 0
    parts = (
        _each("Weekday", days, len(WEEKDAYS)),
        _each("Hour", timetable.hours, 24),
        _each("Minute", timetable.minutes, 60),
    )
    return [day | hour | minute for day, hour, minute in itertools.product(*parts)]


def _each(key: str, numbers: Any, full: int) -> list[dict[str, int]]:
    return [{}] if len(numbers) == full else [{key: number} for number in numbers]


def _description(job: Job) -> dict[str, Any]:
    return {
        "Label": job.name,
        "ProgramArguments": list(job.argv),
        "StartCalendarInterval": intervals(job.timetable),
        "StandardOutPath": str(job.log),
        "StandardErrorPath": str(job.log),
        "ExitTimeOut": math.ceil(job.stop_time),
        **({"WatchPaths": list(map(str, job.watched))} if job.watched else {}),
    }


def _agent(name: str) -> Path:
    return Path.home() / "Library/LaunchAgents" / f"{name}.plist"


def _domain() -> str:
    if sys.platform == "win32":
        return ""
    return f"gui/{os.getuid()}"
