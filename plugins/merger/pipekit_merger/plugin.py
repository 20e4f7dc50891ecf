"""The stage `merger`: plans the merge of analysis runs into monthly results, and their summary.

Knows paths and the ledger; what is in the files is the workers' business (`worker`, `summary`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import attrs

import pipekit  # Command and Task are loaded where there is work
from pipekit import Pending, Published, RunContext, StagePlan, StageSpec, hookimpl, setting
from pipekit_merger.history import merge_request
from pipekit_merger.scope import Group
from pipekit_merger.stale import summary_request

PIPEKIT_API = "1"


def _folder(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    parts = value.split("/")
    if not value or "\\" in value or ":" in value or {"", ".", ".."} & set(parts):
        raise ValueError(
            f"{attribute.name} is a folder below the project's root, written with '/', "
            f"for example data/results; not {value!r}"
        )


@attrs.frozen(eq=False, repr=False)
class Settings:
    """Where the merger reads and writes."""

    runs: str = setting(
        "Folder of the analyzer's results: one folder a run, one file an instrument in it.",
        default="data/analyzer_runs",
        affects_output=False,
        validator=_folder,
    )
    merged: str = setting(
        "Folder of the merged results: a file a stream and month, and the summary.",
        default="data/analyzer_runs/merged",
        validator=_folder,
    )
    summary: bool = setting(
        "Whether the summary is written; `pipekit results` needs none.",
        default=True,
        affects_output=False,
    )


def plan(ctx: RunContext, settings: Settings) -> StagePlan:
    """Merge the run files not taken yet; summarise when months change or no summary is current."""
    merged = settings.merged
    months = [file.path for file in ctx.files(f"{merged}/*/*/*.parquet")]
    published = [file for file in ctx.published(ctx.stage) if file.path.startswith(f"{merged}/")]
    lost = _lost(merged, months, published)
    pending, known = _run_files(ctx, settings)
    more: dict[str, Any] = {"holds": months, "warnings": _warnings(merged, lost)}
    summaries = [file.path for file in ctx.files(f"{merged}/summary.*")]
    summary = summary_request(merged, months, summaries, published)
    stale = summary.pop("stale") and settings.summary
    if not pending and not stale:
        return StagePlan.skip(pending.sentence(settings.runs), pending, **more)
    summary["tallies"] = str(ctx.paths.state / "cache" / "merger" / "tallies.parquet")
    if pending:
        request = merge_request(ctx, merged, pending, known, lost)
        request["summary"] = summary if settings.summary else None
        command = pipekit.Command.python("pipekit_merger.worker", request=request)
        task = pipekit.Task(name="merge", command=command, cores=ctx.workers)
    else:
        command = pipekit.Command.python("pipekit_merger.summary", request=summary)
        task = pipekit.Task(name="summary", command=command, units=["summary"])
    return StagePlan(
        reason=pending.sentence(settings.runs)
        if pending
        else "the summary is not that of the months",
        tasks=[task],
        inputs=pending.inputs,
        rejected=pending.rejected,
        waiting=pending.waiting,
        **more,
    )


def _run_files(ctx: RunContext, settings: Settings) -> tuple[Pending, list[str]]:
    """The run files to merge, and the paths of the others."""
    files = [
        file
        for file in ctx.files(f"{settings.runs}/*/*.parquet")
        if not file.path.startswith(f"{settings.merged}/")
    ]
    asked = attrs.evolve(ctx, force=ctx.force or ctx.rebuild)
    # A run file appears under its name by a rename, whole: there is nothing to wait for.
    pending = asked.pending(files, growing=True)
    taken = {file.path for file in pending}
    return pending, [file.path for file in files if file.path not in taken]


def _lost(merged: str, months: list[str], published: list[Published]) -> list[Group]:
    """The groups that were published and have no file any more."""
    there = set(months)
    gone = (file.path.removeprefix(f"{merged}/") for file in published if file.path not in there)
    return sorted(group for group in map(Group.of_path, gone) if group is not None)


def _warnings(merged: str, lost: list[Group]) -> list[str]:
    if not lost:
        return []
    sentence = (
        f"{len(lost)} merged months were published and are gone, the first of them "
        f"{merged}/{lost[0].path}: `pipekit run --rebuild` makes them anew from the run files"
    )
    return [sentence]


def check(_settings: Settings) -> pipekit.Command:
    """Import all that the workers need, and end."""
    words = "import pipekit_merger.summary, pipekit_merger.worker"
    return pipekit.Command(argv=(sys.executable, "-c", words))


@hookimpl
def pipekit_stages() -> Iterable[StageSpec]:
    """The stage `merger`."""
    yield StageSpec("merger", plan, settings=Settings, after={"analyzer": "partial"}, check=check)
