"""What one stage's plan may see of ledger and files; it changes neither."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from pipekit.model.file import (
    Consumption,
    ContentState,
    FileStat,
    Input,
    Pending,
    Published,
    Why,
)
from pipekit.storage.files import FileManager, Walks
from pipekit.storage.ledger import Known, Ledger, signature_text

_FEW = 32  # entries that are read one by one; then it is quicker to read all at once


class LedgerStageView:
    """A `StageView` of one stage; without a ledger (a project that never ran) all is pending.

    `settings`: the digest of the stage's own settings; `digest` makes one of any settings object.
    `version`: of the plugin, since a newer one may be able to read what an older one rejected.
    """

    def __init__(
        self,
        files: FileManager,
        ledger: Ledger | None,
        stage: str,
        *,
        version: str,
        settings: str,
        digest: Callable[[object], str],
    ) -> None:
        self._files = files
        self._ledger = ledger
        self._stage = stage
        self._version = version
        self._settings = settings
        self._digest = digest
        self._known: dict[str, str] | None = None
        self._taken: _Consumptions | None = None
        self._first = settings  # the digest that is asked for first, as a rule for all files
        self._walks: Walks = {}  # one look at each folder: a plan's own views agree

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        """See RunContext.files."""
        return self._files.files(patterns, self._walks)

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        """See RunContext.pending."""
        digest = self._settings if settings is None else self._digest(settings)
        every = self._every(digest)
        inputs, waiting, rejected, unchanged = [], [], [], 0
        same = "" if digest == self._first else f"{ContentState.CONSUMED} {digest} "
        for file in files:
            path, device, inode, size, modified, changed = file
            text = every.get(path)
            if text == f"{same}{device} {inode} {size} {modified} {changed}" and not force:
                unchanged += 1  # as nearly all are
                continue
            known = None if text is None else Known.of(text, self._first)
            why = Why.NEW if known is None else self._why(file, known, digest)
            if why is None and not force:
                if known and known.state == ContentState.REJECTED:
                    rejected.append(self._consumption(file.path))
                else:
                    unchanged += 1
            elif not growing and not self._files.settled(file):
                waiting.append(file.path)
            else:
                before = None if known is None else self._consumption(file.path)
                inputs.append(Input(file, why or Why.FORCED, digest, before))
        return Pending(
            inputs=tuple(inputs),
            waiting=tuple(waiting),
            rejected=tuple(c for c in rejected if c is not None),
            known=unchanged,
        )

    def consumed(self, noted: str = "") -> Mapping[str, Consumption]:
        """See RunContext.consumed."""
        if self._ledger is None:
            return {}
        if noted:
            return self._ledger.consumptions(self._stage, noted)
        if self._taken is None:
            self._taken = _Consumptions(self._ledger, self._stage, self._every)
        return self._taken

    def published(self, stage: str) -> tuple[Published, ...]:
        """See RunContext.published."""
        return self._ledger.published(stage) if self._ledger else ()

    def _every(self, digest: str = "") -> dict[str, str]:
        if self._known is None:
            self._first = digest or self._settings
            self._known = self._ledger.known(self._stage, self._first) if self._ledger else {}
        return self._known

    def _why(self, file: FileStat, known: Known, digest: str) -> Why | None:
        if known.signature != signature_text(file.signature):
            return Why.CHANGED
        if known.settings != digest:
            return Why.SETTINGS
        if known.state == ContentState.REJECTED:
            rejected = self._consumption(file.path)
            return Why.CHANGED if rejected and rejected.version != self._version else None
        return Why.PART if known.state == ContentState.PART else None

    def _consumption(self, path: str) -> Consumption | None:
        return self.consumed().get(path)


class _Consumptions(Mapping[str, Consumption]):
    """All that a stage has taken, read whole when somebody first looks at more than the paths.

    `paths` is not asked before somebody looks at all. A look at a few entries reads these alone.
    """

    def __init__(self, ledger: Ledger, stage: str, paths: Callable[[], Collection[str]]) -> None:
        self._ledger = ledger
        self._stage = stage
        self._paths = paths
        self._rows: dict[str, Consumption] | None = None
        self._looks = 0

    def __getitem__(self, path: str) -> Consumption:
        self._looks += 1
        if self._rows is None and self._looks <= _FEW:
            row = self._ledger.consumption(self._stage, path)
            if row is None:
                raise KeyError(path)
            return row
        if self._rows is None:
            self._rows = self._ledger.consumptions(self._stage)
        return self._rows[path]

    def __contains__(self, path: object) -> bool:
        return path in self._paths()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths())

    def __len__(self) -> int:
        return len(self._paths())
