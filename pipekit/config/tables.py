"""The core's own tables of pipekit.toml, one attrs class each."""

# No `from __future__ import annotations`: settings classes keep real types.

import errno
import os
import re
from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen

from pipekit.config.problems import KeyPath
from pipekit.model.names import LOCAL, checked_name, did_you_mean
from pipekit.model.timetable import (
    WEEKDAYS,
    WHOLE_DAY,
    Timetable,
    check_interval,
    hours_between,
)
from pipekit.settings import Duration, Size, setting

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Least = Literal["success", "partial", "any"]
Retryable = Literal[
    "exit", "signal", "oom", "timeout", "hang", "spawn", "contract", "plugin", "lost"
]
DAY = 86_400.0
LONGEST_DELAY = 300.0  # seconds between two attempts, unless retry_delay is longer
_MOST_RETRIES = 100
DEFAULT_INTERVAL = 900  # seconds between two scheduled runs
MOST_STAGES = 1_000
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)

Validator = Callable[[object, object, Any], None]


def at_least(least: float) -> Validator:
    """A validator for numbers of `least` or more; None passes."""

    def check(_instance: object, _attribute: object, value: float | None) -> None:
        if value is not None and value < least:
            raise ValueError(f"must be {least} or more, not {value:g}")

    return check


def _positive(_instance: object, _attribute: object, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError("must be greater than 0")


def _interval(instance: object, attribute: object, value: float | None) -> None:
    at_least(60)(instance, attribute, value)
    if value is not None:
        check_interval(value)


def _between(_instance: object, _attribute: object, value: str) -> None:
    hours_between(value)


def _days(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError(f"name at least one of {', '.join(WEEKDAYS)}")


def _executor_name(instance: object, attribute: object, value: str | None) -> None:
    if value is not None:
        checked_name(instance, attribute, value)


def _nice(_instance: object, _attribute: object, value: int) -> None:
    if value not in range(20):
        raise ValueError(f"must be from 0 to 19, not {value}")


def _retries(_instance: object, _attribute: object, value: int) -> None:
    if value not in range(_MOST_RETRIES + 1):
        raise ValueError(f"must be from 0 to {_MOST_RETRIES}, not {value}")


def _inner_path(_instance: object, _attribute: object, value: str) -> None:
    if not value or value.startswith("/") or value[1:2] == ":" or "\\" in value:
        raise ValueError(f'must be a folder inside the project, written with /, not "{value}"')
    if ".." in value.split("/"):
        raise ValueError(f'must not lead out of the project: "{value}"')


def _inner_paths(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    for path in value:
        _inner_path(instance, attribute, path)
        if path in (".", "./"):
            raise ValueError("must not be the whole project: name the folders")


def _with_slashes(paths: Any) -> Any:
    """Absolute paths as the ledger has them; anything else is left to the validator."""
    if not isinstance(paths, list | tuple):
        return paths
    return tuple(
        os.path.normpath(each).replace(os.sep, "/") if isinstance(each, str) and each else each
        for each in paths
    )


def _outer_paths(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    for path in value:
        drive, rest = os.path.splitdrive(path)
        if not os.path.isabs(path) or (os.name == "nt" and not drive):
            raise ValueError(f'must be absolute paths of folders outside the project, not "{path}"')
        if not rest.strip("/"):
            raise ValueError(f'must not be a whole file system: "{path}"')


def _stage_name(instance: object, attribute: object, value: str | None) -> None:
    if value is not None:
        checked_name(instance, attribute, value)


def _stage_names(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    if len(value) > MOST_STAGES:
        raise ValueError(f"lists more than {MOST_STAGES:,} stages")
    for name in value:
        checked_name(instance, attribute, name)
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise ValueError(f"lists a stage more than once: {', '.join(twice)}")


def _zone(_instance: object, _attribute: object, value: str) -> None:
    if not value:
        return
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            raise ValueError(f'cannot read the time zone "{value}": {error.strerror}') from error
        hint = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError(f'unknown time zone "{value}"{hint}') from error


# The tables are neither compared nor printed, and every start defines them: no methods for that.
@frozen(eq=False, repr=False)
class PipelineConfig:
    """`[pipeline]`: which stages run, and on how many cores."""

    stages: tuple[str, ...] = setting(
        "The stages to run, in this order unless one depends on another.",
        default=(),
        validator=_stage_names,
    )
    workers: int = setting(
        "Number of cores that a run may use; 0 = all available cores.",
        default=0,
        validator=at_least(0),
    )
    timezone: str = setting(
        "Time zone of all times shown and recorded; empty = the system's.",
        default="",
        validator=_zone,
    )
    quiet_seconds: Duration = setting(
        "A file is complete once it has not changed for this long.", default=2.0
    )
    executor: str = setting(
        "What carries the tasks of stages that name no executor of their own: `local`, this "
        "machine, or one of a plugin.",
        default=LOCAL,
        validator=checked_name,
    )
    lease: Duration = setting(
        "How long a node of a cluster goes on without news of the run before it stops its task.",
        default=30.0,
        validator=at_least(0.5),
    )
    min_free: Size | None = setting(
        "No run begins with less than this free on the disk of data, logs or state, and with less "
        "than twice as much a run warns (default: no limit).",
        default=None,
        validator=_positive,
    )

    @property
    def cores(self) -> int:
        """The setting `workers`, with 0 replaced by the number of cores this process may use."""
        if self.workers:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


@frozen(eq=False, repr=False)
class PathsConfig:
    """`[paths]`: the project's folders, relative to that of pipekit.toml, and who may read them."""

    data: str = setting(
        "The stages' data; rows and files set aside go into its folder `quarantine`.",
        default="data",
        validator=_inner_path,
    )
    logs: str = setting("Event journals, logs and reports.", default="logs", validator=_inner_path)
    state: str = setting(
        "The ledger, the lock and caches.", default=".pipekit", validator=_inner_path
    )
    inputs: tuple[str, ...] = setting(
        "Folders outside the project, as absolute paths, that stages may read. Nothing is ever "
        "written, moved or deleted there.",
        default=(),
        converter=_with_slashes,
        validator=_outer_paths,
    )
    shared: bool = setting(
        "Let the umask decide who may use the logs and state folders, in a project that a group "
        "shares; by default only the user who runs pipekit may.",
        default=False,
    )


@frozen(eq=False, repr=False)
class PluginsConfig:
    """`[plugins]`: which of the installed plugins are loaded."""

    allow: tuple[str, ...] | None = setting(
        "Load only these plugins (default: all that are installed).", default=None
    )
    deny: tuple[str, ...] = setting("Never load these plugins.", default=())


@frozen(eq=False, repr=False)
class StageConfig:
    """`[stages.NAME]`: which stage it is and how it is supervised.

    Its own settings are in `settings`, those of the stage `script` beside these keys.
    """

    use: str | None = setting(
        "The stage that an installed plugin offers (default: the one of this name; `script` with a "
        "key `command`). So one stage can be used several times, each with its own settings.",
        default=None,
        validator=_stage_name,
    )
    executor: str | None = setting(
        "What carries its tasks (default: pipeline.executor).",
        default=None,
        validator=_executor_name,
    )
    queue_timeout: Duration | None = setting(
        "Maximum time that a task waits for a node of a cluster (default: unlimited).",
        default=None,
        validator=_positive,
    )
    timeout: Duration | None = setting(
        "Maximum duration of a task (default: unlimited).", default=None, validator=_positive
    )
    plan_timeout: Duration = setting(
        "Maximum duration of its plan, and of the import of its plugin.",
        default=60.0,
        validator=_positive,
    )
    hang_timeout: Duration | None = setting(
        "Stop a task after this long without output, progress, bytes moved or CPU use "
        "(default: never).",
        default=None,
        validator=_positive,
    )
    grace: Duration | None = setting(
        "Time a task has to stop when asked, before it is killed (default: what its command says, "
        "else 10s).",
        default=None,
    )
    max_memory: Size | None = setting(
        "Maximum private memory of each process of a task (default: unlimited).",
        default=None,
        validator=_positive,
    )
    nice: int = setting(
        "Niceness of its processes, 0 (normal priority) to 19 (lowest).",
        default=0,
        validator=_nice,
    )
    retries: int = setting(
        "How often failed tasks are tried again within a run; 0 leaves that to the next run.",
        default=0,
        validator=_retries,
    )
    retry_on: tuple[Retryable, ...] = setting(
        "The kinds of failure after which a task is tried again. `timeout`, `contract` and "
        "`plugin` are not among them unless named: they rarely pass by themselves. Name `lost` if "
        "a cluster may lose its nodes.",
        default=("exit", "signal", "oom", "hang", "spawn"),
    )
    retry_delay: Duration = setting(
        "Time before the second attempt. It doubles with each further one, up to 5m.",
        default=10.0,
    )
    back_off: int = setting(
        "Work that fails in run after run is tried again after 1, 2, 4, ... runs, at most this "
        "many; 1 = in every run.",
        default=16,
        validator=at_least(1),
    )
    after: dict[str, Least] | None = setting(
        "The stages it depends on, each with the status it must reach at least: success, partial "
        "or any (default: what its plugin says).",
        default=None,
    )
    settings: dict[str, Any] = setting(
        "The stage's own settings, as its plugin documents them.",
        factory=dict,
        secret=True,  # only its plugin knows which of them are
    )

    def offered_as(self, name: str) -> str:
        """The name by which a plugin offers the stage that is configured as `name`."""
        return self.use or name

    def delay_before(self, attempt: int) -> float:
        """Seconds to wait before the second or a further attempt."""
        longest = max(LONGEST_DELAY, self.retry_delay)
        return float(min(self.retry_delay * 2.0 ** (attempt - 2), longest))


@frozen(eq=False, repr=False)
class LifecycleConfig:
    """`[lifecycle]`: what becomes of the proposals of policies, and their limits."""

    mode: Literal["report", "apply"] = setting(
        "`report`: a run only lists what may go. `apply`: it also does it, at its end; "
        "`pipekit lifecycle apply` does so in any case.",
        default="report",
    )
    retention_days: int = setting(
        "How many days a run's files stay in the trash before they are deleted for good.",
        default=30,
        validator=at_least(1),
    )
    max_files: int = setting(
        "Refuse all proposals of a run that concern more files than this.",
        default=10_000,
        validator=at_least(1),
    )
    max_bytes: Size = setting(
        "Refuse all proposals of a run that concern more data than this.",
        default=100_000_000_000,
        validator=at_least(1),
    )
    roots: tuple[str, ...] = setting(
        "The folders whose files policies may propose to move or delete.",
        default=("data",),
        validator=_inner_paths,
    )


@frozen(eq=False, repr=False)
class RetentionConfig:
    """`[retention]`: how many runs' files are kept, and how long; whichever limit is met first.

    The defaults fit 35,000 runs a year, most of them idle.
    """

    runs: int = setting(
        "Number of runs that did something whose log, journal and report are kept.",
        default=5_000,
        validator=at_least(1),
    )
    run_age: Duration = setting(
        "Maximum age of a run's log, journal and report.",
        default=400 * DAY,
        validator=_positive,
    )
    idle_runs: int = setting(
        "Number of runs that found nothing to do whose log, journal and report are kept.",
        default=100,
        validator=at_least(0),
    )
    spools: int = setting(
        "Number of runs whose full task output is kept.", default=500, validator=at_least(0)
    )
    spool_age: Duration = setting(
        "Maximum age of the full task output.", default=30 * DAY, validator=_positive
    )
    quarantine: int = setting(
        "Number of runs whose quarantined rows and files are kept.",
        default=1_000,
        validator=at_least(0),
    )
    quarantine_age: Duration = setting(
        "Maximum age of quarantined rows and files.", default=365 * DAY, validator=_positive
    )


@frozen(eq=False, repr=False)
class ScheduleConfig:
    """`[schedule]`: when the operating system's scheduler starts a run.

    Changes take effect with `pipekit schedule install`.
    """

    every: Duration | None = setting(
        "Interval of the scheduled runs, which must divide the hour or the day (default: 15m); "
        "`pipekit config check` compares timeouts with it.",
        default=None,
        validator=_interval,
    )
    days: tuple[Day, ...] = setting(
        "The weekdays on which runs start.", default=WEEKDAYS, validator=_days
    )
    between: str = setting(
        "The hours in which runs start, by the clock of the machine, such as `08:00-22:00`: the "
        "first start at 8:00, the last before 22:00. `22:00-06:00` goes past midnight.",
        default=WHOLE_DAY,
        validator=_between,
    )

    @property
    def timetable(self) -> Timetable:
        """All three of them."""
        chosen = tuple(day for day in WEEKDAYS if day in self.days)
        return Timetable(int(self.every or DEFAULT_INTERVAL), chosen, self.between)


def _credential_name(_: object, _attribute: object, value: str) -> None:
    if value and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}", value):
        raise ValueError("credential must be a name of letters, digits, '-', '_' and '.'")


@frozen(eq=False, repr=False)
class SecretsConfig:
    """`[secrets]`: what only the user who runs pipekit may know."""

    file: str = setting(
        "A file of lines KEY=VALUE, of mode 0600, owned by the user who runs pipekit: variables as "
        "in the environment, which overrides them. Their values are masked as secrets.",
        default="",
    )
    credential: str = setting(
        "A systemd credential with such lines, by its name: `pipekit schedule install` has systemd "
        "decrypt it for scheduled runs, and no other run has it.",
        default="",
        validator=_credential_name,
    )


TABLES: dict[
    str, type
] = {  # the core's own; `stages`, `sinks` and others hold a table for each name
    "pipeline": PipelineConfig,
    "paths": PathsConfig,
    "plugins": PluginsConfig,
    "lifecycle": LifecycleConfig,
    "retention": RetentionConfig,
    "schedule": ScheduleConfig,
    "secrets": SecretsConfig,
}
TOP = (*TABLES, "stages", "sinks", "executors", "expect")  # all keys at the top of pipekit.toml
RULES = "rules"  # the policy whose settings are an array of tables: `[[lifecycle.rules]]`
SCRIPT = "script"  # the stage whose settings stand in `[stages.NAME]` itself
SCRIPT_KEYS = ("command", "inputs", "outputs", "done_pattern", "watch", "units", "env")


def settings_path(kind: str, name: str) -> KeyPath:
    """The path of the settings of what a plugin offers, in the tables of this kind."""
    if (kind, name) == ("lifecycle", RULES):
        return (kind,)
    return (kind, name, "settings") if kind == "stages" else (kind, name)
