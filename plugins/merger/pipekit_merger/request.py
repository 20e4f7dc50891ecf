"""The request of the merger's plan to its worker (see `pipekit.worker.request`)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from pipekit_merger.layout import StreamMonth

StatedScope = dict[str, Any]  # a scope in JSON form; `pipekit_merger.work.scope` reads it


@frozen(kw_only=True)
class RunFileEntry:
    """A run file, and what the ledger knows about it.

    `number`: from 1 on, in the order of the runs. `months`: merge it into these only; None: into
    every month that it touches. `merged_scope`: the scope of a file that has already been merged;
    it is not opened again. `earlier_scope`: the scope it had when it was last merged, in case it is
    rejected now: what it covered must stay.
    """

    path: str
    number: int
    months: tuple[StreamMonth, ...] | None = None
    merged_scope: StatedScope | None = None
    earlier_scope: StatedScope | None = None


@frozen(kw_only=True)
class Request:
    """Merge these run files, then bring the summary up to date.

    `merged`: folder of the merged results, relative to the project's root. `workers`: number of
    threads. `rebuild`: encode every month again and replace damaged ones. `run_files`: in order of
    `number`; if empty, only the summary is made. `lost`: months that were published
    and whose files are gone; `altered`: months whose files are not as they were published.
    `summary`: whether the summary is wanted; `ledger_digest`: the digest
    of the months according to the ledger, which is kept with the summary.
    """

    merged: str
    workers: int = 1
    rebuild: bool = False
    run_files: tuple[RunFileEntry, ...] = ()
    lost: tuple[StreamMonth, ...] = ()
    altered: tuple[StreamMonth, ...] = ()
    summary: bool = False
    ledger_digest: str = ""
