"""The core's own tables of pipekit.toml, one attrs class each; knows neither files nor plugins."""

# Made at every start, so made cheaply: no comparison and no repr, which double the time attrs needs
# for a class, and no `from __future__ import annotations`, so that types need not be read back.

import os
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from attrs import frozen

from pipekit.config.outline import FOLDERS
from pipekit.model.names import checked_name
from pipekit.settings import Duration, Size, setting

LEAST = ("success", "partial", "any")
DAY = 86_400.0


class Mode(StrEnum):
    """What becomes of a policy's proposals."""

    REPORT = "report"
    APPLY = "apply"


Validator = Callable[[object, object, Any], None]


def at_least(least: float) -> Validator:
    """A validator for numbers; nothing (None) is let through."""

    def check(_instance: object, _attribute: object, value: float | None) -> None:
        if value is not None and value < least:
            raise ValueError(f"must be {least} or more, not {value:g}")

    return check


def _positive(_instance: object, _attribute: object, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError("must be more than nothing")


def _nice(_instance: object, _attribute: object, value: int) -> None:
    if value not in range(20):
        raise ValueError(f"must be from 0 to 19, not {value}")


def inner_path(_instance: object, _attribute: object, value: str) -> None:
    """A validator for a folder inside the project: relative, with `/`, without `..`."""
    if not value or value.startswith("/") or value[1:2] == ":" or "\\" in value:
        raise ValueError(f'must be a folder of the project, written with /, not "{value}"')
    if ".." in value.split("/"):
        raise ValueError(f'must not lead out of the project: "{value}"')


def _inner_paths(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    for path in value:
        inner_path(instance, attribute, path)
        if path in (".", "./"):
            raise ValueError("must not be the whole project: name the folders")


def _stage_names(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    for name in value:
        checked_name(instance, attribute, name)
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise ValueError(f"names a stage twice: {', '.join(twice)}")


def _least_statuses(_instance: object, _attribute: object, value: Any) -> None:
    for stage, least in (value or {}).items():
        if least not in LEAST:
            words = "'success', 'partial' or 'any'"
            raise ValueError(f"{stage!r} must be asked for {words}, not {least!r}")


def _zone(_instance: object, _attribute: object, value: str) -> None:
    if not value:
        return
    import zoneinfo  # only where a zone is set

    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        from pipekit.config.problems import did_you_mean  # only on failure

        hint = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError(f'no such time zone: "{value}"{hint}') from error


@frozen
class PipelineConfig:
    """`[pipeline]`: which stages run, and the clock they run by."""

    stages: tuple[str, ...] = setting(
        "The stages to run, in this order where their needs leave it open.",
        default=(),
        validator=_stage_names,
    )
    workers: int = setting(
        "The run's budget of cores; 0: as many as the machine lends us.",
        default=0,
        validator=at_least(0),
    )
    timezone: str = setting(
        "The zone of all times shown and recorded; empty: the system's.",
        default="",
        validator=_zone,
    )
    quiet_seconds: Duration = setting(
        "A file that has not changed for so long is taken to be whole.", default=2.0
    )

    @property
    def cores(self) -> int:
        """The budget as a number: `workers`, or the cores this process may use."""
        if self.workers:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


@frozen
class PathsConfig:
    """`[paths]`: the project's folders, relative to the folder of pipekit.toml."""

    data: str = setting(
        "Where the stages' files lie.", default=FOLDERS["data"], validator=inner_path
    )
    logs: str = setting(
        "Where journals, logs and reports are written.",
        default=FOLDERS["logs"],
        validator=inner_path,
    )
    state: str = setting(
        "Where the ledger and the lock lie.", default=FOLDERS["state"], validator=inner_path
    )


@frozen
class PluginsConfig:
    """`[plugins]`: which of the installed distributions may take part."""

    allow: tuple[str, ...] | None = setting(
        "Only these plugins are loaded; not set: all that are installed.", default=None
    )
    deny: tuple[str, ...] = setting("These plugins are never loaded.", default=())


@frozen
class StageConfig:
    """`[stages.NAME]`: how a stage is supervised. Its own settings are in `settings`."""

    timeout: Duration | None = setting(
        "A task may take at most so long; not set: as long as it likes.",
        default=None,
        validator=_positive,
    )
    hang_timeout: Duration | None = setting(
        "A task is ended after so long without output, progress or use of a core.",
        default=None,
        validator=_positive,
    )
    grace: Duration = setting(
        "The time between asking a task to stop and killing it.", default=10.0
    )
    max_memory: Size | None = setting(
        "Private memory that each process of a task may take; not set: no limit.",
        default=None,
        validator=_positive,
    )
    nice: int = setting(
        "So much lower is the priority of its processes, 0 to 19.", default=0, validator=_nice
    )
    after: dict[str, str] | None = setting(
        "Stage = least status it must have reached (success, partial, any); replaces the "
        "plugin's own.",
        default=None,
        validator=_least_statuses,
    )
    settings: dict[str, Any] = setting(
        "The stage's own settings: see its plugin's page or `pipekit config show`.",
        factory=dict,
        secret=True,  # nobody knows yet which of them are
    )


@frozen
class LifecycleConfig:
    """`[lifecycle]`: what may be done to files, and the bounds of it."""

    mode: Mode = setting(
        "`report` only lists what policies propose; `apply` also does it at the end of a run.",
        default=Mode.REPORT,
    )
    retention_days: float = setting(
        "What was taken away can be restored for so many days.",
        default=30.0,
        validator=at_least(0),
    )
    max_files: int = setting(
        "More files than this are not acted on at once: the whole act is refused.",
        default=10_000,
        validator=at_least(1),
    )
    max_bytes: Size = setting(
        "More than this is not acted on at once: the whole act is refused.",
        default=100_000_000_000,
        validator=at_least(1),
    )
    roots: tuple[str, ...] = setting(
        "Files outside of these folders are never touched.",
        default=("data",),
        validator=_inner_paths,
    )


@frozen
class RetentionConfig:
    """`[retention]`: how many runs' files are kept, and how long; whichever bound is met first.

    The defaults fit 35,000 runs a year, most of them idle.
    """

    runs: int = setting(
        "So many runs that did something keep log, journal and report.",
        default=5_000,
        validator=at_least(1),
    )
    run_age: Duration = setting(
        "Log, journal and report of a run go after this time.",
        default=400 * DAY,
        validator=_positive,
    )
    idle_runs: int = setting(
        "So many runs that found nothing to do keep theirs.",
        default=100,
        validator=at_least(0),
    )
    spools: int = setting(
        "So many runs keep the full output of their tasks.",
        default=500,
        validator=at_least(0),
    )
    spool_age: Duration = setting(
        "The full output of tasks goes after this time.",
        default=30 * DAY,
        validator=_positive,
    )
    quarantine: int = setting(
        "So many runs keep the rows and files they set aside.",
        default=1_000,
        validator=at_least(0),
    )
    quarantine_age: Duration = setting(
        "What was set aside goes after this time.",
        default=365 * DAY,
        validator=_positive,
    )
    trash: int = setting(
        "So many runs keep what their lifecycle took away.",
        default=5_000,
        validator=at_least(0),
    )
    run_folders: int = setting(
        "So many of a stage's run folders stay after a later stage has taken them in.",
        default=1_000,
        validator=at_least(0),
    )
    run_folder_age: Duration = setting(
        "A run folder that was taken in goes after this time.",
        default=90 * DAY,
        validator=_positive,
    )


@frozen
class ScheduleConfig:
    """`[schedule]`: how often the operating system is to start a run."""

    every: Duration | None = setting(
        "How often the scheduler starts a run; `config check` checks time-outs against it.",
        default=None,
        validator=at_least(60),
    )


TABLES: dict[str, type] = {
    "pipeline": PipelineConfig,
    "paths": PathsConfig,
    "plugins": PluginsConfig,
    "lifecycle": LifecycleConfig,
    "retention": RetentionConfig,
    "schedule": ScheduleConfig,
}
"""The tables of the core alone; beside them stand `stages` and `sinks`, one table a name."""
