"""Windows Task Scheduler: a task of the user, described in XML. Never run on Windows."""

from __future__ import annotations

import datetime as dt
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from pipekit.errors import PipekitError
from pipekit.model.timetable import WEEKDAYS, Timetable
from pipekit.schedule.job import Job
from pipekit.schedule.scheduler import File, Installed, call

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class TaskScheduler:
    """The tasks of the user who calls this."""

    title = "Task Scheduler"
    log_hint = "`pipekit history`, and Last Run Result in Task Scheduler; the output is not kept"

    def files(self, job: Job) -> list[File]:
        """The task; see Scheduler."""
        return [File(f"the task {job.name}", task_xml(job))]

    def install(self, job: Job) -> None:
        """See Scheduler."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "task.xml")
            file.write_text(task_xml(job), "utf-16")
            call("schtasks", "/Create", "/TN", job.name, "/XML", str(file), "/F")

    def installed(self, job: Job) -> Installed | None:
        """See Scheduler; whether it is current is told by its command alone."""
        try:
            root = ET.fromstring(call("schtasks", "/Query", "/TN", job.name, "/XML"))  # noqa: S314  # Windows wrote it
            date = root.findtext(f".//{{{NAMESPACE}}}Date") or ""
            arguments = root.findtext(f".//{{{NAMESPACE}}}Arguments")
            since = dt.datetime.fromisoformat(date).timestamp()
        except (PipekitError, ET.ParseError, ValueError):
            return None
        return Installed(since, current=arguments == _arguments(job))

    def remove(self, name: str) -> None:
        """See Scheduler."""
        call("schtasks", "/Delete", "/TN", name, "/F")


def task_xml(job: Job) -> str:
    """The task as Task Scheduler imports it."""
    root = ET.Element("Task", version="1.2", xmlns=NAMESPACE)
    _fill(
        root,
        {
            "RegistrationInfo": {
                "Date": f"{dt.datetime.now():%Y-%m-%dT%H:%M:%S}",
                "Description": f"pipekit run in {job.root}, {job.timetable}",
            },
            "Triggers": {"CalendarTrigger": triggers(job.timetable)},
            "Principals": {
                "Principal": {"LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}
            },
            "Settings": {
                "MultipleInstancesPolicy": "IgnoreNew",
                "DisallowStartIfOnBatteries": "false",
                "StopIfGoingOnBatteries": "false",
                "StartWhenAvailable": "true",
                "ExecutionTimeLimit": "PT0S",  # no limit
            },
            "Actions": {
                "Exec": {
                    "Command": job.argv[0],
                    "Arguments": _arguments(job),
                    "WorkingDirectory": str(job.root),
                }
            },
        },
    )
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{ET.tostring(root, encoding="unicode")}\n'


def triggers(timetable: Timetable) -> list[dict[str, Any]]:
    """A trigger for each hour of the day, which is repeated within the hour."""
    if len(timetable.days) == len(WEEKDAYS):
        days: dict[str, Any] = {"ScheduleByDay": {"DaysInterval": "1"}}
    else:
        names: dict[str, Any] = {_DAYS[WEEKDAYS.index(day)]: {} for day in timetable.days}
        days = {"ScheduleByWeek": {"WeeksInterval": "1", "DaysOfWeek": names}}
    repetition = {"Interval": f"PT{timetable.every // 60}M", "Duration": "PT59M30S"}
    often = {"Repetition": repetition} if len(timetable.minutes) > 1 else {}
    return [
        {"StartBoundary": f"2020-01-01T{hour:02}:00:00", **often, **days}
        for hour in timetable.hours
    ]


def _arguments(job: Job) -> str:
    return subprocess.list2cmdline(job.argv[1:])


def _fill(element: ET.Element, children: Mapping[str, Any]) -> None:
    """Add children: a text, a mapping with children of their own, or a list of such."""
    for name, value in children.items():
        for each in value if isinstance(value, list) else [value]:
            child = ET.SubElement(element, name)
            if isinstance(each, str):
                child.text = each
            else:
                _fill(child, each)
