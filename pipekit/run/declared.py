"""What a task that reports nothing has consumed and written: its declared inputs and outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipekit.model.file import FileStat
from pipekit.model.records import FileRecord
from pipekit.model.task import Task
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text
from pipekit.storage.patterns import is_pattern
from pipekit.worker import ABSENT, Signature, Verb, fingerprint, look


class Declared(NamedTuple):
    """The records of a task's declared files, and warnings about those that could not be read."""

    records: tuple[FileRecord, ...] = ()
    warnings: tuple[str, ...] = ()


class ChangedError(Exception):
    """An input is not what it was when the task started."""


class DeclaredFiles:
    """The declared files of a task with `reports=False`, noted before it starts.

    An input counts as it was then: one that changes meanwhile stays pending.
    """

    def __init__(self, task: Task, files: FileManager) -> None:
        self._root = files.root
        self._files = FileManager(files.root, files.quiet_seconds)  # its own notes on what is there
        self._inputs = {path: _signature(files.root / path) for path in task.inputs}
        self._outputs = task.outputs
        self._before = self._found()

    def handled(self) -> Declared:
        """What the task did, after its program has succeeded; reads all of its files."""
        records, warnings = list[FileRecord](), list[str]()
        for path, before in self._inputs.items():
            try:
                records.append(self._consumed(path, before))
            except ChangedError as error:
                warnings.append(f"{path} {error}: the next run takes it again")
        for path, now in self._found().items():
            if now != self._before.get(path):
                record = FileRecord(Verb.WROTE, path, signature=signature_text(now.signature))
                with contextlib.suppress(OSError):  # its signature will do
                    record = record._replace(fingerprint=fingerprint(self._root / path))
                records.append(record)
        return Declared(tuple(records), tuple(warnings))

    def _consumed(self, path: str, before: Signature | None) -> FileRecord:
        """The record of an input. Raises ChangedError unless it is what it was at the start."""
        file = self._root / path
        try:
            digest = fingerprint(file)
            now = look(file)
        except FileNotFoundError:  # the program has moved or deleted it
            return FileRecord(Verb.CONSUMED, path, fingerprint=ABSENT)
        except OSError as error:
            raise ChangedError(f"cannot be read any more ({error.strerror})") from error
        if now != before:
            raise ChangedError("changed while it was being processed")
        return FileRecord(Verb.CONSUMED, path, fingerprint=digest, signature=signature_text(now))

    def _found(self) -> Mapping[str, FileStat]:
        """The outputs that are there."""
        patterns = [path for path in self._outputs if is_pattern(path)]
        stats = [self._files.stat(path) for path in self._outputs if path not in patterns]
        found = [*self._files.files(patterns), *(stat for stat in stats if stat is not None)]
        return {file.path: file for file in found}


def exact_outputs(task: Task) -> Iterable[str]:
    """The declared outputs that must be there afterwards: all that are no patterns."""
    return [path for path in task.outputs if task.reports or not is_pattern(path)]


def _signature(path: Path) -> Signature | None:
    try:
        return look(path)
    except OSError:
        return None
