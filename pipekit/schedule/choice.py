"""Which schedulers this machine has, and which one a project gets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipekit.errors import UsageError
from pipekit.schedule.cron import Cron
from pipekit.schedule.systemd import Systemd, has_user_session

if TYPE_CHECKING:
    from pipekit.schedule.scheduler import Scheduler

NAMES = ("systemd", "cron", "launchd", "task-scheduler")
WATCHING = ("systemd", "launchd")
"""Those that can start a run when a file arrives."""


def default_name(*, system: bool) -> str:
    """The scheduler that this machine has: systemd only if it runs units for this user."""
    if sys.platform == "win32":
        return "task-scheduler"
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if system or has_user_session() else "cron"


def scheduler(name: str, *, system: bool) -> Scheduler:
    """The scheduler of this name. Raises UsageError if it knows no system-wide jobs."""
    if system and name != "systemd":
        raise UsageError(f"--system is for systemd, not for {name}")
    if name == "systemd":
        return Systemd(system=system)
    if name == "cron":
        return Cron()
    if name == "launchd":
        from pipekit.schedule.launchd import Launchd  # loads the parser of plists

        return Launchd()
    from pipekit.schedule.task_scheduler import TaskScheduler  # loads the parser of XML

    return TaskScheduler()


def of_this_machine() -> list[Scheduler]:
    """All in which a job of this user may be installed."""
    if sys.platform == "win32":
        return [scheduler("task-scheduler", system=False)]
    if sys.platform == "darwin":
        return [scheduler("launchd", system=False), Cron()]
    return [Systemd(), Systemd(system=True), Cron()]
