"""What one stage's plan may see of the ledger and the project's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pipekit.model.file import (
    Consumption,
    ContentState,
    FileStat,
    Input,
    Inspection,
    Pending,
    Published,
    Why,
)
from pipekit.storage.failing import BackOff
from pipekit.storage.files import FileManager, Folders
from pipekit.storage.ledger import Entry, Ledger, signature_size, signature_text
from pipekit.worker import fingerprint

DETAILS_LIMIT = 1_000  # files that `consumed(details=...)` finds


class LedgerStageView:
    """The StageView of a stage.

    `settings`: the stage's; `digest_of` computes the digest of any settings object. `version`: the
    plugin's; a newer version retries files that an older one rejected. `back_off`: leaves out files
    that have failed again and again.
    """

    def __init__(
        self,
        files: FileManager,
        ledger: Ledger,
        stage: str,
        *,
        version: str,
        settings: object,
        digest_of: Callable[[object], str],
        back_off: BackOff | None = None,
    ) -> None:
        self._files = files
        self._ledger = ledger
        self._stage = stage
        self._version = version
        self._settings = settings
        self._digest_of = digest_of
        self._back_off = back_off
        self._folders: Folders = {}  # each folder is read once, so all answers agree
        self.same: list[tuple[str, str, str]] = []  # see Ledger.mark_same

    def files(self, patterns: tuple[str, ...]) -> list[FileStat]:
        """See RunContext.files."""
        return self._files.files(patterns, self._folders)

    def pending(
        self, files: Iterable[FileStat], settings: object | None, *, growing: bool, force: bool
    ) -> Pending:
        """See RunContext.pending."""
        digest = self._digest_of(self._settings if settings is None else settings)
        files, pending, back_off = list(files), [], self._back_off
        known = self._ledger.signatures(self._stage, digest, [file.path for file in files])
        for file in files:
            path, device, inode, size, modified, changed = file
            # as signature_text, faster; most files are known
            if known.get(path) != f"{device} {inode} {size} {modified} {changed}" or force:
                pending.append(file)
        unchanged = len(files) - len(pending)
        asked = [file.path for file in pending if file.path in known]
        entries = self._ledger.entries(self._stage, asked)
        inputs, waiting, rejected = [], [], []
        for file in pending:
            path = file.path
            entry = entries.get(path)
            signature = signature_text(file.signature)
            why = Why.NEW if entry is None else self._why(path, entry, signature, digest)
            if why is None and not force:
                if entry and entry.state == ContentState.REJECTED:
                    rejected.append(self._consumed[path])
                else:
                    unchanged += 1
            elif back_off and not force and back_off.leaves_out(("", path), signature, digest):
                continue
            elif not growing and not self._files.settled(file):
                waiting.append(path)
            else:
                before = None if entry is None else self._consumed[path]
                inputs.append(Input(file, why or Why.FORCED, digest, before))
        return Pending(
            inputs=tuple(inputs),
            waiting=tuple(waiting),
            rejected=tuple(rejected),
            known=unchanged,
        )

    def consumed(
        self, noted: str = "", *, details: Mapping[str, str] | None = None
    ) -> Mapping[str, Consumption]:
        """See RunContext.consumed."""
        if details is not None:
            return self._ledger.having(self._stage, details, DETAILS_LIMIT)
        if noted:
            return self._ledger.consumptions(self._stage, noted)
        return self._consumed

    def details(self, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
        """See RunContext.details."""
        return self._ledger.details(self._stage, keys)

    def published(self, stage: str) -> tuple[Published, ...]:
        """See RunContext.published."""
        return self._ledger.published(stage)

    def inspect(self, patterns: tuple[str, ...]) -> Inspection:
        """See RunContext.inspect; what has the same content is in `same` then.

        A folder that does not exist is not noted: nothing may have been published yet.
        """
        noted = (self._files.missing, self._files.patterns)
        before = [names.copy() for names in noted]
        here = {file.path: file for file in self.files(patterns)}
        for names, kept in zip(noted, before, strict=True):
            names.intersection_update(kept)
        missing: list[str] = []
        removed: list[str] = []
        altered: list[tuple[FileStat, str]] = []
        for path, signature, present in self._ledger.standing(self._stage):
            file = here.pop(path, None)
            if file is None:
                (missing if present else removed).append(path)
            elif signature_text(file.signature) != signature:
                altered.append((file, signature))
        found = [*missing, *removed, *(file.path for file, _ in altered)]
        known = self._ledger.publications(self._stage, found) if found else {}
        return Inspection(
            missing=tuple(known[path] for path in missing),
            removed=tuple(known[path] for path in removed),
            altered=tuple(
                known[file.path]
                for file, signature in altered
                if self._is_altered(file, signature, known[file.path].fingerprint)
            ),
            unknown=tuple(here.values()),
        )

    def _is_altered(self, file: FileStat, signature: str, digest: str) -> bool:
        """Whether a file that is not the one published has other content.

        One that changes while it is read is left for the next run.
        """
        if signature and file.size != signature_size(signature):
            return True
        try:
            same = fingerprint(self._files.root / file.path) == digest
        except OSError:
            return True
        if self._files.stat(file.path) != file:
            return False
        if same and self._files.settled(file):
            self.same.append((file.path, signature, signature_text(file.signature)))
        return not same

    def state(self) -> Mapping[str, Any]:
        """See RunContext.state."""
        return self._ledger.state(self._stage)

    @cached_property
    def _consumed(self) -> Consumptions:
        return Consumptions(self._ledger, self._stage)

    def _why(self, path: str, entry: Entry, signature: str, digest: str) -> Why | None:
        if entry.signature != signature:
            return Why.CHANGED
        if entry.settings_digest != digest:
            return Why.SETTINGS
        if entry.state == ContentState.REJECTED:
            return Why.VERSION if self._consumed[path].version != self._version else None
        return Why.PART if entry.state == ContentState.PART else None


class Consumptions(Mapping[str, Consumption]):
    """All files that a stage has consumed or rejected, by path; read from the ledger when asked."""

    def __init__(self, ledger: Ledger, stage: str) -> None:
        self._ledger = ledger
        self._stage = stage

    def __getitem__(self, path: str) -> Consumption:
        found = self._ledger.consumption(self._stage, path)
        if found is None:
            raise KeyError(path)
        return found

    def __bool__(self) -> bool:
        return self._ledger.count(self._stage, 1) > 0

    def __iter__(self) -> Iterator[str]:
        return self._ledger.paths(self._stage)

    def __len__(self) -> int:
        return self._ledger.count(self._stage)
