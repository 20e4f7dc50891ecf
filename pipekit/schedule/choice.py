"""Which schedulers this machine has, and which one a project gets."""

from __future__ import annotations

import sys

from pipekit.errors import UsageError
from pipekit.schedule.cron import Cron
from pipekit.schedule.launchd import Launchd
from pipekit.schedule.scheduler import Scheduler
from pipekit.schedule.systemd import Systemd, has_user_session
from pipekit.schedule.task_scheduler import TaskScheduler

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
    made: dict[str, Scheduler] = {
        "systemd": Systemd(system=system),
        "cron": Cron(),
        "launchd": Launchd(),
        "task-scheduler": TaskScheduler(),
    }
    return made[name]


def of_this_machine() -> list[Scheduler]:
    """All in which a job of this user may be installed."""
    if sys.platform == "win32":
        return [TaskScheduler()]
    if sys.platform == "darwin":
        return [Launchd(), Cron()]
    return [Systemd(), Systemd(system=True), Cron()]
