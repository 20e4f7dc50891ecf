"""The core's own tables of pipekit.toml, one attrs class each."""

# No `from __future__ import annotations`: settings classes keep real types.
import os
from typing import Any, Literal

from attrs import frozen

from pipekit.config import validators
from pipekit.config.problems import KeyPath
from pipekit.model.names import LOCAL, checked_name
from pipekit.model.timetable import WEEKDAYS, WHOLE_DAY, Timetable, Weekday
from pipekit.settings import Duration, Size, setting

Least = Literal["success", "partial", "any"]
Retryable = Literal[
    "exit", "signal", "oom", "timeout", "hang", "spawn", "contract", "plugin", "lost"
]
DAY = 86_400.0
LONGEST_DELAY = 300.0  # seconds between two attempts, unless retry_delay is longer
DEFAULT_INTERVAL = 900  # seconds between two scheduled runs


# The tables are neither compared nor printed, and every start defines them: no methods for that.
@frozen(eq=False, repr=False)
class PipelineConfig:
    """`[pipeline]`: which stages run, and on how many cores."""

    stages: tuple[str, ...] = setting(
        "The stages to run, in this order unless one depends on another.",
        default=(),
        validator=validators.stage_names,
    )
    workers: int = setting(
        "Number of cores that a run may use; 0 = all available cores.",
        default=0,
        validator=validators.at_least(0),
    )
    timezone: str = setting(
        "Time zone of all times shown and recorded; empty = the system's.",
        default="",
        validator=validators.zone,
    )
    quiet_seconds: Duration = setting(
        "A file is complete once it has not changed for this long.", default=2.0
    )
    executor: str = setting(
        "The executor that runs the tasks of stages without one of their own: `local` (this "
        "machine), or one of a plugin.",
        default=LOCAL,
        validator=checked_name,
    )
    lease: Duration = setting(
        "How long a node of a cluster continues without news of the run before it stops its task.",
        default=30.0,
        validator=validators.at_least(0.5),
    )
    min_free: Size | None = setting(
        "Minimum free space on the disks of data, logs and state (default: no limit). Below it no "
        "run starts; below twice that, a run warns.",
        default=None,
        validator=validators.positive,
    )

    @property
    def cores(self) -> int:
        """The setting `workers`, with 0 replaced by the number of cores this process may use."""
        if self.workers:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)  # not on Windows or macOS
        return len(affinity(0)) if affinity else os.cpu_count() or 1


@frozen(eq=False, repr=False)
class PathsConfig:
    """`[paths]`: the project's folders, relative to that of pipekit.toml, and who may read them."""

    data: str = setting(
        "The stages' data; rows and files set aside go into its folder `quarantine`.",
        default="data",
        validator=validators.inner_path,
    )
    logs: str = setting(
        "Event journals, logs and reports.", default="logs", validator=validators.inner_path
    )
    state: str = setting(
        "The ledger, the lock and caches.", default=".pipekit", validator=validators.inner_path
    )
    inputs: tuple[str, ...] = setting(
        "Folders outside the project, as absolute paths, that stages may read. Nothing is ever "
        "written, moved or deleted there.",
        default=(),
        converter=validators.with_slashes,
        validator=validators.outer_paths,
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
        validator=validators.name_or_none,
    )
    executor: str | None = setting(
        "The executor that runs its tasks (default: pipeline.executor).",
        default=None,
        validator=validators.name_or_none,
    )
    queue_timeout: Duration | None = setting(
        "Maximum time that a task waits for a node of a cluster (default: unlimited).",
        default=None,
        validator=validators.positive,
    )
    timeout: Duration | None = setting(
        "Maximum duration of a task (default: unlimited).",
        default=None,
        validator=validators.positive,
    )
    plan_timeout: Duration = setting(
        "Maximum duration of its plan, and of the import of its plugin.",
        default=60.0,
        validator=validators.positive,
    )
    hang_timeout: Duration | None = setting(
        "Stop a task after this long without output, progress, bytes moved or CPU use "
        "(default: never).",
        default=None,
        validator=validators.positive,
    )
    grace: Duration | None = setting(
        "Time a task has to stop when asked, before it is killed (default: what its command says, "
        "else 10s).",
        default=None,
    )
    max_memory: Size | None = setting(
        "Maximum private memory of each process of a task (default: unlimited).",
        default=None,
        validator=validators.positive,
    )
    nice: int = setting(
        "Niceness of its processes, 0 (normal priority) to 19 (lowest).",
        default=0,
        validator=validators.nice,
    )
    retries: int = setting(
        "How often failed tasks are tried again within a run; 0 leaves that to the next run.",
        default=0,
        validator=validators.retries,
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
        validator=validators.at_least(1),
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
        validator=validators.at_least(1),
    )
    max_files: int = setting(
        "Refuse all proposals of a run that concern more files than this.",
        default=10_000,
        validator=validators.at_least(1),
    )
    max_bytes: Size = setting(
        "Refuse all proposals of a run that concern more data than this.",
        default=100_000_000_000,
        validator=validators.at_least(1),
    )
    roots: tuple[str, ...] = setting(
        "The folders whose files policies may propose to move or delete.",
        default=("data",),
        validator=validators.inner_paths,
    )


@frozen(eq=False, repr=False)
class RetentionConfig:
    """`[retention]`: how many runs' files are kept, and how long; whichever limit is met first.

    The defaults fit 35,000 runs a year, most of them idle.
    """

    runs: int = setting(
        "Number of runs that did something whose log, journal and report are kept.",
        default=5_000,
        validator=validators.at_least(1),
    )
    run_age: Duration = setting(
        "Maximum age of a run's log, journal and report.",
        default=400 * DAY,
        validator=validators.positive,
    )
    idle_runs: int = setting(
        "Number of runs that found nothing to do whose log, journal and report are kept.",
        default=100,
        validator=validators.at_least(0),
    )
    spools: int = setting(
        "Number of runs whose full task output is kept.",
        default=500,
        validator=validators.at_least(0),
    )
    spool_age: Duration = setting(
        "Maximum age of the full task output.", default=30 * DAY, validator=validators.positive
    )
    quarantine: int = setting(
        "Number of runs whose quarantined rows and files are kept.",
        default=1_000,
        validator=validators.at_least(0),
    )
    quarantine_age: Duration = setting(
        "Maximum age of quarantined rows and files.",
        default=365 * DAY,
        validator=validators.positive,
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
        validator=validators.interval,
    )
    days: tuple[Weekday, ...] = setting(
        "The weekdays on which runs start.", default=WEEKDAYS, validator=validators.weekdays
    )
    between: str = setting(
        "The hours in which runs start, by the clock of the machine, such as `08:00-22:00`: the "
        "first start at 8:00, the last before 22:00. `22:00-06:00` goes past midnight.",
        default=WHOLE_DAY,
        validator=validators.hours,
    )

    @property
    def timetable(self) -> Timetable:
        """All three of them."""
        chosen = tuple(day for day in WEEKDAYS if day in self.days)
        return Timetable(int(self.every or DEFAULT_INTERVAL), chosen, self.between)


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
        validator=validators.credential_name,
    )


# The core's own; `stages`, `sinks` and others hold a table for each name.
TABLES: dict[str, type] = {
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
