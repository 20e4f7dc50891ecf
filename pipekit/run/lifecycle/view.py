"""What a lifecycle policy sees of a project: the ledger and the files, read-only."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from functools import cached_property

from pipekit.model.file import ContentState, FileStat
from pipekit.run.shrunk import held_shrunk
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text


class LedgerLifecycleView:
    """The LifecycleView of a project. `now`: Unix time.

    `left`: why policies propose nothing for a file, by path, as far as they say so.
    """

    def __init__(self, files: FileManager, ledger: Ledger, now: float) -> None:
        self._files = files
        self._ledger = ledger
        self._listed: list[Sequence[FileStat]] = []
        self.now = now
        self.left: dict[str, str] = {}

    def files(self, *patterns: str) -> Sequence[FileStat]:
        """See LifecycleView."""
        found = self._files.files(patterns)
        self._listed.append(found)
        return found

    def age(self, file: FileStat) -> float:
        """See LifecycleView; by modification or change time, whichever is later."""
        return max(self.now - max(file.mtime_ns, file.ctime_ns) / 1e9, 0.0)

    def leave(self, file: FileStat, reason: str) -> None:
        """See LifecycleView."""
        self.left.setdefault(file.path, str(reason))

    def why_not_consumed(self, file: FileStat, chain: Sequence[str]) -> str | None:
        """See LifecycleView."""
        if file.path in self._shrunk:
            return self._shrunk[file.path]
        contents = [(file.path, signature_text(file.signature))]
        for stage in chain:
            for path, signature in contents:
                reason = self._why_not(stage, path, signature)
                if reason:
                    return reason
            contents = [
                output for path, _ in contents for output in self._ledger.outputs_of(stage, path)
            ]
        return None

    def data_age(self, file: FileStat) -> float | None:
        """See LifecycleView; from `series` and `last` in the detail of published files."""
        if file.path not in self._series:
            return None
        series, last = self._series[file.path]
        return self._newest[series] - last

    def seen(self, paths: Sequence[str]) -> dict[str, set[FileStat]]:
        """These files as policies have seen them, by path; none if they named one unseen."""
        found: dict[str, set[FileStat]] = {path: set() for path in paths}
        for files in self._listed:
            for file in files:
                if file.path in found:
                    found[file.path].add(file)
        return found

    def _why_not(self, stage: str, path: str, signature: str) -> str | None:
        entry = self._ledger.entries(stage, [path]).get(path)
        if entry is None or entry.signature != signature:
            return f"{stage} has not consumed the current content of {path}"
        if entry.state != ContentState.CONSUMED:
            what = "rejected it" if entry.state == ContentState.REJECTED else "consumed part of it"
            return f"{stage} has not consumed {path}, but {what}"
        consumption = self._ledger.consumption(stage, path)
        detail = consumption.detail if consumption else {}
        if detail.get("quarantined"):
            return f"rows of {path} were set aside"
        if detail.get("unread"):
            return f"the end of {path} has not been read yet"
        return None

    @cached_property
    def _shrunk(self) -> dict[str, str]:
        return held_shrunk(self._ledger)

    @cached_property
    def _series(self) -> dict[str, tuple[str, float]]:
        """The series and last time of each published file that has both, by path."""
        found = {}
        for stage in self._ledger.stages():
            for file in self._ledger.published(stage):
                series, last = file.detail.get("series"), file.detail.get("last")
                with contextlib.suppress(TypeError, ValueError, OverflowError):  # not a time
                    if series and last:
                        moment = dt.datetime.fromisoformat(last).timestamp()
                        found[file.path] = (str(series), moment)
        return found

    @cached_property
    def _newest(self) -> dict[str, float]:
        """The last time of each series: dict keeps the latest of the sorted pairs."""
        return dict(sorted(self._series.values()))
