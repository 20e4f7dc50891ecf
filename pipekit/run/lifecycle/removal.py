"""Acts on files: moves them to the trash, restores and purges them, and says so in events.

What is decided elsewhere (`lifecycle`) is done here, and recorded in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from attrs import evolve

from pipekit.errors import StorageError, UsageError
from pipekit.model.event import EventKind
from pipekit.model.quantity import rough_size
from pipekit.run.current_run import CurrentRun
from pipekit.run.lifecycle.review import Proposal
from pipekit.storage.trash.manifest import Manifest, Manifests, TrashFile, Work
from pipekit.storage.trash.restored import RestoredFiles
from pipekit.storage.trash.trash import NOT_MOVED, STOPPED, Outcome, RefusedError, Trash

_DAY = 86_400.0
_NAMED, _MOST_REASONS = 3, 20  # reasons in a sentence, and in the data of an event


class Moved(NamedTuple):
    """What became of files: those that were moved, and why others were not, by path."""

    done: list[TrashFile]
    refused: dict[str, str]

    def __str__(self) -> str:
        size = rough_size(sum(file.signature.size for file in self.done))
        return f"{_files(len(self.done))} ({size})"


class Removal:
    """What a run does with files and the trash of its project."""

    def __init__(self, run: CurrentRun) -> None:
        paths = run.project.paths
        self._run = run
        self._root = paths.root
        self._trash = Trash(paths.root, paths.file_mode)
        self._restored = RestoredFiles(paths.state, paths.file_mode)

    def settle(self) -> None:
        """Finish what an earlier process had begun when it died. Never raises OSError."""
        again = {
            Work.APPLYING: self._conclude,
            Work.RESTORING: self._put_back,
            Work.PURGING: self._purged,
        }
        self._trash.manifests.sweep()
        for run_id, work in self._unfinished():
            try:
                manifest = self._trash.manifests.read(run_id, work)
                moved = again[work](manifest)
            except OSError as error:
                self._run.warn(_unfinished_text(run_id, work, error), "lifecycle")
            except StorageError as error:
                self._run.warn(str(error), "lifecycle")
            else:
                text = f"{work} of run {manifest.run} was broken off, and is finished now: {moved}"
                self._run.warn(text, "lifecycle")
                self._tell_refused(moved.refused)

    def apply(
        self, proposals: Iterable[Proposal], cancelled: Callable[[], bool]
    ) -> tuple[list[Proposal], Moved]:
        """Do what is proposed and not refused; returns the proposals with what became of them."""

        def stopped() -> bool:
            return cancelled() or not self._run.events.healthy

        proposals = list(proposals)
        files, refused = self._described(proposals, stopped)
        moved = Moved([], {})
        if files:
            manifest = Manifest(self._run.run_id, self._run.number, tuple(files))
            self._run.ledger.sync()
            try:
                self._trash.manifests.create(manifest)
                moved = self._applied(manifest, self._trash.apply(manifest, stopped))
            except OSError as error:
                text = _unfinished_text(self._run.run_id, Work.APPLYING, error)
                self._run.warn(text, "lifecycle")
        moved = Moved(moved.done, refused | moved.refused)
        done = {file.path for file in moved.done}
        told = [
            evolve(
                each,
                refused=each.refused or moved.refused.get(each.action.path, ""),
                applied=each.is_change and each.action.path in done,
            )
            for each in proposals
        ]
        self._tell_applied(moved, [each.refused for each in told if each.is_change])
        return told, moved

    def restore(self, run_id: str) -> Moved:
        """Put the files of a run back, unless `settle` has. Raises StorageError."""
        if run_id not in self._trash.manifests.find():
            return Moved([], {})
        try:
            manifest = self._trash.manifests.read(run_id)
            sizes = [(f.path, f.signature.size, f.signature.mtime_ns) for f in manifest.files]
            self._restored.add(sizes, self._root)  # before a run may see them
            self._trash.manifests.begin(run_id, Work.RESTORING)
            moved = self._put_back(manifest)
        except OSError as error:
            raise StorageError(_unfinished_text(run_id, Work.RESTORING, error)) from error
        text = f"{moved} of run {manifest.run} restored from the trash"
        self._emit(EventKind.RESTORED, text, moved, run=manifest.run)
        self._tell_refused(moved.refused)
        return moved

    def purge(self, run_ids: Iterable[str], *, again: bool = True) -> Moved:
        """Delete the files of runs for good. Raises StorageError.

        `again`: also try those of which no file could be deleted before, and say so.
        """
        total, known = Moved([], {}), self._trash.manifests.find()
        for run_id in run_ids:
            if run_id not in known:  # `settle` has just finished it
                continue
            try:
                manifest = self._trash.manifests.read(run_id)
                if not (again or self._trash.can_purge(manifest)):
                    continue
                self._trash.manifests.begin(run_id, Work.PURGING)
                moved = self._purged(manifest)
            except OSError as error:
                raise StorageError(_unfinished_text(run_id, Work.PURGING, error)) from error
            total = Moved(total.done + moved.done, total.refused | moved.refused)
            if moved.done:
                text = f"{moved} of run {manifest.run} deleted from the trash for good"
                self._emit(EventKind.PURGED, text, moved, run=manifest.run)
            self._tell_refused(moved.refused)
        return total

    def purge_expired(self) -> None:
        """Delete what has been in the trash for `retention_days`; an error is a warning."""
        try:
            self.purge(self.expired(), again=False)
        except StorageError as error:
            self._run.warn(str(error), "lifecycle")

    def expired(self) -> list[str]:
        """The runs whose files have been in the trash for `retention_days`, by the ledger's time.

        A run that the ledger does not know never expires.
        """
        days = self._run.project.configuration.lifecycle.retention_days
        oldest = self._run.ledger.certain_time() - days * _DAY
        try:
            found = self._trash.manifests.find()
        except OSError as error:
            raise StorageError(f"cannot read the trash: {error.strerror}") from error
        ended = self._run.ledger.ended(found)
        return [run.run_id for run in reversed(ended) if run.dated < oldest]

    def _unfinished(self) -> list[tuple[str, Work]]:
        try:
            return [(run, work) for run, work in self._trash.manifests.find().items() if work]
        except OSError as error:
            self._run.warn(f"cannot read the trash: {error.strerror}", "lifecycle")
            return []

    def _described(
        self, proposals: Iterable[Proposal], stopped: Callable[[], bool]
    ) -> tuple[list[TrashFile], dict[str, str]]:
        """The entries of a manifest, and why others have none, by path."""
        files, refused = [], {}
        for each in proposals:
            if not each.is_change or each.refused or each.file is None:
                continue
            try:
                if stopped():
                    raise RefusedError(STOPPED)
                files.append(
                    self._trash.describe(each.action, each.policy, each.file, self._run.run_id)
                )
            except RefusedError as error:
                refused[each.action.path] = str(error)
        return files, refused

    def _applied(self, manifest: Manifest, outcomes: Sequence[Outcome]) -> Moved:
        done = [each.file for each in outcomes if not each.refused]
        self._run.ledger.mark_removed([f.path for f in done if self._trash.is_gone(f)])
        self._mark_back([each.file for each in outcomes if each.refused and not each.left])
        left = [each.file for each in outcomes if each.left]
        self._trash.manifests.end(manifest, Work.APPLYING, left)
        return _moved(outcomes)

    def _conclude(self, manifest: Manifest) -> Moved:
        moved = self._applied(manifest, self._trash.conclude(manifest))
        refused = {path: why for path, why in moved.refused.items() if why != NOT_MOVED}
        return Moved(moved.done, refused)

    def _put_back(self, manifest: Manifest) -> Moved:
        outcomes = self._trash.restore(manifest)
        self._mark_back([each.file for each in outcomes if not each.refused])
        self._end(manifest, Work.RESTORING, outcomes)
        return _moved(outcomes)

    def _mark_back(self, files: Iterable[TrashFile]) -> None:
        """Record the new signatures of files that are at their paths again, if unchanged."""
        now = [(file, self._trash.signature(file)) for file in files]
        self._run.ledger.mark_restored(
            [(file.path, file.signature, signature) for file, signature in now if signature]
        )

    def _purged(self, manifest: Manifest) -> Moved:
        outcomes = self._trash.purge(manifest)
        self._end(manifest, Work.PURGING, outcomes)
        return _moved(outcomes)

    def _end(self, manifest: Manifest, work: Work, outcomes: Iterable[Outcome]) -> None:
        self._trash.manifests.end(manifest, work, [each.file for each in outcomes if each.left])

    def _tell_applied(self, moved: Moved, refused: Iterable[str]) -> None:
        if moved.done:
            archived = sum(bool(file.target) for file in moved.done)
            text = f"{moved} moved to the trash; `pipekit lifecycle restore {self._run.number}` "
            text += f"puts {'it' if len(moved.done) == 1 else 'them'} back"
            if archived:
                text = f"{moved} removed, {archived} of them archived; " + text.partition("; ")[2]
            self._emit(EventKind.APPLIED, text, moved, archived=archived)
        reasons = Counter(filter(None, refused))
        if reasons:
            text = f"{_files(reasons.total())} must stay: {_summed(reasons)}"
            self._run.events.emit(
                "lifecycle",
                EventKind.REFUSED,
                text,
                files=reasons.total(),
                reasons=dict(reasons.most_common(_MOST_REASONS)),
            )

    def _tell_refused(self, refused: Mapping[str, str]) -> None:
        for path, reason in refused.items():
            self._run.warn(f"{path}: {reason}", "lifecycle")

    def _emit(self, kind: EventKind, text: str, moved: Moved, **more: object) -> None:
        size = sum(file.signature.size for file in moved.done)
        self._run.events.emit("lifecycle", kind, text, files=len(moved.done), bytes=size, **more)


def find_manifest(manifests: Manifests, run: str) -> str:
    """The id of the run in the trash with this number, id or beginning of an id.

    Raises UsageError, or StorageError if it may be the run of a manifest that is damaged.
    """
    known, damaged = manifests.find(), list[str]()
    found = [run_id for run_id in known if run_id.startswith(run)]
    if run.isdecimal():
        numbers = dict[str, int]()
        for run_id, work in known.items():
            try:
                numbers[run_id] = manifests.read(run_id, work).run
            except StorageError as error:
                damaged.append(str(error))
        found = [run_id for run_id in known if numbers.get(run_id) == int(run)] or found
    if damaged and not found:
        raise StorageError(
            f"no run {run!r} found in the trash, where some could not be read: {'; '.join(damaged)}"
        )
    if len(found) == 1:
        return found[0]
    problem = f"several runs in the trash are {run!r}" if found else f"no file of run {run!r} is"
    where = ": give more of its id" if found else " in the trash"
    raise UsageError(f"{problem}{where}; `pipekit lifecycle restore` lists what is there")


def _moved(outcomes: Iterable[Outcome]) -> Moved:
    outcomes = list(outcomes)
    done = [each.file for each in outcomes if not each.refused]
    return Moved(done, {each.file.path: each.refused for each in outcomes if each.refused})


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _summed(reasons: Counter[str]) -> str:
    if len(reasons) == 1:
        return next(iter(reasons))
    named = [f"{count:,} because {reason}" for reason, count in reasons.most_common(_NAMED)]
    others = reasons.total() - sum(count for _, count in reasons.most_common(_NAMED))
    return ", ".join([*named, *([f"{others:,} for other reasons"] if others else [])])


def _unfinished_text(run_id: str, work: Work, error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{work} of run {run_id} is not finished: {error.strerror}{where}; the next run goes on"
