"""The command lines of batch systems, and how their placeholders are filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Literal, NamedTuple

State = Literal["queued", "running", "ended", "unknown"]


PLACEHOLDERS = (  # of `submit`
    *("key", "stage", "task", "attempt", "cores", "memory_mb", "root", "folder", "script"),
)


class Template(NamedTuple):
    """The commands of a system; see `plugin.Settings`."""

    submit: list[str]
    status: list[str]
    cancel: list[str]
    id: str
    states: Mapping[str, State]


def placeholders(words: Iterable[str]) -> set[str]:
    """The names in braces. Raises ValueError for braces that do not match."""
    return {name for word in words for _, name, _, _ in Formatter().parse(word) if name is not None}


def filled(words: Iterable[str], values: Mapping[str, object]) -> list[str]:
    """The words with their values; without those of which a value is empty."""
    found = []
    for word in words:
        names = placeholders([word])
        if all(str(values.get(name, "")) for name in names):
            found.append(word.format_map(values) if names else word)
    return found


_SLURM_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
_SLURM_RUNNING = ("COMPLETING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED")
_SLURM_QUEUED = (
    *("CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING"),
    *("RESV_DEL_HOLD", "SPECIAL_EXIT"),
)
_SLURM_STATES: dict[str, State] = {
    **dict.fromkeys(_SLURM_ENDED, "ended"),
    **dict.fromkeys(_SLURM_RUNNING, "running"),
    **dict.fromkeys(_SLURM_QUEUED, "queued"),
}

PRESETS = {
    "slurm": Template(
        submit=[
            *("sbatch", "--parsable", "--no-requeue", "--job-name={stage}.{task}"),
            *("--nodes=1", "--ntasks=1", "--cpus-per-task={cores}", "--mem={memory_mb}M"),
            *("--chdir={root}", "--output=/dev/null", "--error={folder}/job.err"),
        ],
        # not `sacct`: many sites keep no accounting
        status=["squeue", "--noheader", "--me", "--states=all", "--format=%i %T %N"],
        cancel=["scancel", "{id}"],
        id=r"(?P<id>\d+)",
        states=_SLURM_STATES,
    )
}
