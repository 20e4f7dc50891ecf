"""cron: one line in the crontab of the user, marked by a comment at its end."""

from __future__ import annotations

import datetime as dt
import re
import shlex

from pipekit.errors import PipekitError, UsageError
from pipekit.model.timetable import WEEKDAYS, Timetable
from pipekit.schedule.job import Job
from pipekit.schedule.scheduler import File, Installed, call

_LONGEST = 990  # characters of a command; Debian's cron refuses a line with 1000


class Cron:
    """The crontab of the user who calls this. Lines that are not ours stay byte for byte."""

    title = "cron"
    log_hint = "cron mails what a run prints to the user (MAILTO in the crontab)"

    def files(self, job: Job) -> list[File]:
        """The line; see Scheduler."""
        return [File("a line in the crontab (`crontab -l`)", f"{_line(job)}\n")]

    def install(self, job: Job) -> None:
        """See Scheduler."""
        table = without_job(_table(), job.name)
        if table and not table.endswith(b"\n"):
            table += b"\n"
        call("crontab", "-", text=table + f"{_line(job)}\n".encode())

    def installed(self, job: Job) -> Installed | None:
        """See Scheduler."""
        try:
            text = _table().decode(errors="replace")
        except PipekitError:
            return None
        found = _mark(job.name).search(text)
        if found is None:
            return None
        start = text.rfind("\n", 0, found.start()) + 1
        current = text[start : found.start()] == f"{times(job.timetable)} {_command(job)}"
        return Installed(dt.datetime.fromisoformat(found[1]).timestamp(), current)

    def remove(self, name: str) -> None:
        """See Scheduler."""
        table = without_job(_table(), name)
        if table:
            call("crontab", "-", text=table)
        else:
            call("crontab", "-r")


def times(timetable: Timetable) -> str:
    """The five fields of the starts: `0,15,30,45 8,9 * * 1,5`."""
    minutes = _listed(timetable.minutes, 60)
    days = tuple((WEEKDAYS.index(day) + 1) % 7 for day in timetable.days)  # Sunday is 0
    return f"{minutes} {_listed(timetable.hours, 24)} * * {_listed(days, len(WEEKDAYS))}"


def without_job(table: bytes, name: str) -> bytes:
    """A crontab without the lines of this job."""
    mark = _mark(name)
    lines = table.splitlines(keepends=True)
    return b"".join(line for line in lines if not mark.search(line.decode(errors="replace")))


def _line(job: Job) -> str:
    return (
        f"{times(job.timetable)} {_command(job)} # {job.name} {dt.datetime.now():%Y-%m-%dT%H:%M:%S}"
    )


def _mark(name: str) -> re.Pattern[str]:
    return re.compile(rf" # {re.escape(name)} (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)$", re.MULTILINE)


def _command(job: Job) -> str:
    """The command for cron, which takes `%` for the end of a line, and for its shell."""
    command = shlex.join(job.argv).replace("%", r"\%")
    if len(command) > _LONGEST - len(job.name):
        raise UsageError(f"the command is too long for cron: {command}")
    return command


def _listed(numbers: tuple[int, ...], full: int) -> str:
    return "*" if len(numbers) == full else ",".join(map(str, numbers))


def _table() -> bytes:
    try:
        return call("crontab", "-l")
    except PipekitError as error:
        if "no crontab for" in str(error):
            return b""
        raise
