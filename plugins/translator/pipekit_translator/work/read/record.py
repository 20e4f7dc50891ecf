"""What is read of a raw file, and what reading any file needs."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pipekit.worker import Signature
from pipekit_translator import layout
from pipekit_translator.dialects import FileFormat
from pipekit_translator.request import NOTHING, FileGroup, FileJob, FileMemory
from pipekit_translator.work import contracts
from pipekit_translator.work.assemble.file_rows import Assembly, FileRows
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.parse.kernel import Kernel
from pipekit_translator.work.parse.lines import BadRow
from pipekit_translator.work.passes import Fold


@attrs.define(kw_only=True, eq=False)
class RawFile:
    """What was read of a file.

    `prefix`: number of bytes used; `fingerprint`: their hash; `lines`: number of newlines in them.
    `complete`: nothing is left unread. `resumed`: reading continued after known content. `last`:
    by instrument, the time of the latest tick. `aside`: by reason, the lines of valid rows
    that cannot be right. `footer`: lines after the last row. `rejected`: why it cannot be used.
    """

    job: FileJob
    group: FileGroup
    rows: FileRows
    signature: Signature
    fingerprint: str = ""
    prefix: int = 0
    lines: int = 0
    complete: bool = True
    resumed: bool = False
    total: int = 0
    footer: int = 0
    bad: list[BadRow] = attrs.field(factory=list)
    aside: dict[str, list[int]] = attrs.field(factory=dict)
    folds: dict[str, Fold] = attrs.field(factory=dict)
    last: dict[str, int] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)
    rejected: str = ""

    @property
    def path(self) -> str:
        """The file's path, relative to the project's root."""
        return self.job.path

    @property
    def format(self) -> FileFormat:
        """How it is read."""
        return self.group.format

    @property
    def repeated(self) -> bool:
        """Whether this content was consumed before, so that its bad rows were reported."""
        return not self.resumed and self.fingerprint == self.job.known

    @property
    def is_empty(self) -> bool:
        """Whether it holds no rows."""
        return not self.total and not self.resumed

    def contracts(self) -> dict[str, str]:
        """By key, the contract of its rows. Raises RejectedError if there are two."""
        found = {key: {*of} for key, of in self.rows.contracts.items()}
        if self.resumed:
            for key, contract in self.job.before.contracts.items():
                found.setdefault(key, set()).add(contract)
        for key, of in sorted(found.items()):
            if len(of) > 1:
                raise RejectedError(contracts.of_one_file(key, of))
        return {key: min(of) for key, of in sorted(found.items())}

    def memory(self) -> FileMemory:
        """What the next plan needs to know of the file.

        Of one that is read again since it has changed (`stale`), days that it fed before are
        missing: those that are not rebuilt (see `Files.detail`).
        """
        before = self.job.before if self.resumed else NOTHING
        late, days = self.rows.late, self.rows.days
        if self.job.before.days and self.job.role != "stale":
            days = layout.union([self.job.before.days, days])
        return FileMemory(
            reading=self.format.digest,
            source=self.group.source,
            prefix=self.prefix,
            lines=self.lines,
            days=dict(sorted(days.items())),
            quarantined=before.quarantined
            + len(self.bad)
            + sum(map(len, self.aside.values()))
            + sum(map(len, late.values())),
            empty=self.is_empty,
            late=sorted({*before.late, *late}),
            folds={
                name: [fold.last, int(fold.second)]
                for name, fold in self.folds.items()
                if fold.last is not None
            },
            last=dict(sorted(self.last.items())),
            contracts=self.contracts(),
            unread=0 if self.complete else self.signature.size - self.prefix,
        )


@attrs.frozen(kw_only=True)
class ReadContext:
    """What is needed to read any file: where rows go, and the callback for bytes read."""

    assembly: Assembly
    final_after: float
    progress: Callable[[int], None]
    kernel: Kernel | None = None
