"""What a task that reports nothing has consumed and written: its declared inputs and outputs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipekit.model.file import FileStat
from pipekit.model.records import FileRecord
from pipekit.model.task import Task
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import signature_text
from pipekit.storage.patterns import is_pattern, matches
from pipekit.worker import ABSENT, Signature, Verb, fingerprint, look


class Declared(NamedTuple):
    """The records of a task's declared files, and warnings about those that could not be read."""

    records: tuple[FileRecord, ...] = ()
    warnings: tuple[str, ...] = ()


class ChangedError(Exception):
    """An input is not what it was when the task started."""


class GoneError(Exception):
    """An input was not there any more when the task started."""


class Together:
    """The tasks of a stage that run at the same time, each with its declared files."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: list[DeclaredFiles] = []


class DeclaredFiles:
    """The declared files of a task with `reports=False`, noted before it starts.

    An input counts as it was then: one that changes meanwhile stays pending. A new output that
    tasks that ran at the same time may have written just as well has no lineage. `end` is to be
    called when the program has ended, however it did.
    """

    def __init__(self, task: Task, files: FileManager, together: Together) -> None:
        self._name = task.name
        self._together = together
        self._root = files.root
        self._files = FileManager(files.root, files.quiet_seconds)  # its own notes on what is there
        self._inputs = {path: _signature(files.root / path) for path in task.inputs}
        self._outputs = task.outputs
        self._after: Mapping[str, FileStat] | None = None  # while it is running
        self._rivals: dict[str, list[str]] = {}
        with together.lock:
            self._before = self._found()
            self._met = [*together.running]
            for each in self._met:
                each._met.append(self)
            together.running.append(self)

    def end(self) -> None:
        """Note what is there now, and which tasks may have written it."""
        with self._together.lock:
            self._after = {}
            self._together.running.remove(self)
            self._after = self._found()
            for path, now in self._after.items():
                if now == self._before.get(path) or path in self._outputs:
                    continue
                rivals = [each for each in self._met if each._may_have_written(path, now)]
                if any(each._after is None or path in each._outputs for each in rivals):
                    self._rivals[path] = []  # theirs, or they see to it at their end
                elif rivals:
                    self._rivals[path] = sorted([self._name, *(each._name for each in rivals)])

    def _may_have_written(self, path: str, now: FileStat) -> bool:
        """Whether it declares this file, and the file became what it is while it ran."""
        if now == self._before.get(path):
            return False
        if self._after is not None and now != self._after.get(path):
            return False
        return any(path == each or matches(each, path) for each in self._outputs)

    def handled(self) -> Declared:
        """What the task did, after its program has succeeded; reads all of its files."""
        records, warnings = list[FileRecord](), list[str]()
        for path, before in self._inputs.items():
            try:
                records.append(self._consumed(path, before))
            except ChangedError as error:
                warnings.append(f"{path} {error}: the next run takes it again")
            except GoneError as error:
                warnings.append(f"{path} {error}: it does not count as consumed")
        for path, now in (self._after or {}).items():
            rivals = self._rivals.get(path)
            if now != self._before.get(path) and rivals != []:
                record = FileRecord(Verb.WROTE, path, signature=signature_text(now.signature))
                with contextlib.suppress(OSError):  # its signature will do
                    record = record._replace(fingerprint=fingerprint(self._root / path))
                if rivals:
                    record = record._replace(sources=())
                    warnings.append(_ambiguous(path, rivals))
                records.append(record)
        return Declared(tuple(records), tuple(warnings))

    def _consumed(self, path: str, before: Signature | None) -> FileRecord:
        """The record of an input. Raises ChangedError unless it is what it was at the start.

        Raises GoneError if it was not there then either.
        """
        file = self._root / path
        try:
            digest = fingerprint(file)
            now = look(file)
        except FileNotFoundError:  # the program has moved or deleted it
            if before is None:
                raise GoneError("was gone before its task began") from None
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


def _ambiguous(path: str, tasks: Iterable[str]) -> str:
    return (
        f"{path} matches the outputs of several tasks that ran at the same time "
        f"({', '.join(tasks)}): of which inputs it was made is not known"
    )


def exact_outputs(task: Task) -> Iterable[str]:
    """The declared outputs that must be there afterwards: all that are no patterns."""
    return [path for path in task.outputs if task.reports or not is_pattern(path)]


def _signature(path: Path) -> Signature | None:
    try:
        return look(path)
    except OSError:
        return None
