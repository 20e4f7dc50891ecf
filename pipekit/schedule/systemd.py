"""systemd: a service and its timer, and a path unit for runs on new files."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from pipekit.errors import PipekitError
from pipekit.model.timetable import WEEKDAYS, Timetable
from pipekit.schedule.job import Job
from pipekit.schedule.scheduler import File, Installed, call, remove_files, write_files

_SYSTEM = Path("/etc/systemd/system")
_KINDS = ("service", "timer", "path")


class Systemd:
    """systemd's timers, of this user or (`system`) of the machine."""

    def __init__(self, *, system: bool = False) -> None:
        self.is_system = system
        self.title = "systemd (system units)" if system else "systemd (units of this user)"
        self.log_hint = f"journalctl{'' if system else ' --user'} -u NAME"

    def files(self, job: Job) -> list[File]:
        """The units; see Scheduler."""
        units = {"service": _service(job), "timer": _timer(job)}
        if job.watched:
            units["path"] = _path_unit(job)
        return [File(str(self._unit(job.name, kind)), text) for kind, text in units.items()]

    def install(self, job: Job) -> None:
        """See Scheduler."""
        self._disable(job.name)
        try:
            write_files(self.files(job))
            self._control("daemon-reload")
            kinds = ("timer", "path") if job.watched else ("timer",)
            self._control("enable", "--now", *(f"{job.name}.{kind}" for kind in kinds))
        except PipekitError:
            remove_files(self._unit(job.name, kind) for kind in _KINDS)
            raise

    def installed(self, job: Job) -> Installed | None:
        """See Scheduler."""
        timer, service = self._unit(job.name, "timer"), self._unit(job.name, "service")
        try:
            since = timer.stat().st_mtime
            text = f"{timer.read_text('utf-8')}{service.read_text('utf-8')}"
        except (OSError, ValueError):
            return None if not timer.exists() else Installed(0.0, current=False)
        wanted = (f"OnCalendar={calendar(job.timetable)}\n", f"ExecStart={_words(job.argv)}\n")
        return Installed(since, current=all(line in text for line in wanted))

    def remove(self, name: str) -> None:
        """See Scheduler."""
        self._disable(name)
        remove_files(self._unit(name, kind) for kind in _KINDS)
        self._control("daemon-reload")

    def _disable(self, name: str) -> None:
        """Stop what starts the service, but not a run that is going on."""
        there = [f"{name}.{kind}" for kind in ("timer", "path") if self._unit(name, kind).exists()]
        if there:
            self._control("disable", "--now", *there)
            remove_files([self._unit(name, "path")])

    def _unit(self, name: str, kind: str) -> Path:
        if self.is_system:
            return _SYSTEM / f"{name}.{kind}"
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(home) / "systemd/user" / f"{name}.{kind}"

    def _control(self, *words: str) -> None:
        call("systemctl", *([] if self.is_system else ["--user"]), *words)


def has_user_session() -> bool:
    """Whether systemd runs this machine, and also runs units for this user."""
    if sys.platform == "win32":
        return False
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.path.isdir("/run/systemd/system") and os.path.exists(f"{runtime}/systemd/private")


def lingers(user: str) -> bool:
    """Whether this user's units also run while nobody is logged in."""
    return os.path.exists(f"/var/lib/systemd/linger/{user}")


def calendar(timetable: Timetable) -> str:
    """The starts as `OnCalendar=` has them: `Mon,Fri *-*-* 08,09:00,15,30,45:00`."""
    whole_week = len(timetable.days) == len(WEEKDAYS)
    days = "" if whole_week else f"{','.join(day.title() for day in timetable.days)} "
    hours = _listed(timetable.hours, 24)
    return f"{days}*-*-* {hours}:{_listed(timetable.minutes, 60)}:00"


def _listed(numbers: tuple[int, ...], full: int) -> str:
    return "*" if len(numbers) == full else ",".join(f"{number:02}" for number in numbers)


def _service(job: Job) -> str:
    user = f"User={job.user}\n" if job.user else ""
    credential = f"LoadCredentialEncrypted={job.credential}\n" if job.credential else ""
    return (
        f"[Unit]\nDescription={_value(f'pipekit run in {job.root}')}\n\n"
        "[Service]\nType=oneshot\n"
        f"{user}{credential}ExecStart={_words(job.argv)}\n"
        "# 75: another run is going on\n"
        f"SuccessExitStatus={'1 75' if job.partial_is_success else '75'}\n"
        "# the run gets SIGTERM and stops its programs itself\n"
        f"KillMode=mixed\nTimeoutStopSec={math.ceil(job.stop_time)}\n"
    )


def _timer(job: Job) -> str:
    return (
        f"[Unit]\nDescription={_value(f'pipekit in {job.root}, {job.timetable}')}\n\n"
        f"[Timer]\nOnCalendar={calendar(job.timetable)}\nAccuracySec=1s\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _path_unit(job: Job) -> str:
    watched = "".join(f"PathChanged={_value(str(folder))}\n" for folder in job.watched)
    return (
        f"[Unit]\nDescription={_value(f'pipekit in {job.root}, on new files')}\n\n"
        f"[Path]\n{watched}\n[Install]\nWantedBy=paths.target\n"
    )


def _value(text: str) -> str:
    """Text in which `%` means itself."""
    return text.replace("%", "%%")


def _words(argv: tuple[str, ...]) -> str:
    """A command line in which nothing is expanded."""
    return " ".join(map(_word, argv))


def _word(text: str) -> str:
    text = _value(text).replace("$", "$$")
    if text and not set(text) & set(" \"'\\;"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
