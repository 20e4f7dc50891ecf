"""Reads the report that a task's processes write through `pipekit.worker`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipekit.model.status import StageStatus
from pipekit.model.task import FileRecord, UnitResult, Watch
from pipekit.worker import Signature, Verb

MAX_REPORT_BYTES = 256 * 1024 * 1024  # more means a runaway worker
_CHUNK = 1024 * 1024
_FILE_VERBS = frozenset({Verb.CONSUMED, Verb.WROTE, Verb.UNCHANGED, Verb.REJECTED})


class TaskReport:
    """The content of a task's report so far. A unit without a result has not finished.

    `temporaries`: absolute paths of temporary files, as reported. `damage`: why the report is
    incomplete; empty if it is complete.
    """

    def __init__(self) -> None:
        self.units: dict[str, UnitResult | None] = {}
        self.metrics: dict[str, float] = {}
        self.unit_metrics: dict[str, dict[str, float]] = {}
        self.files: list[FileRecord] = []
        self.warnings: list[str] = []
        self.temporaries: list[str] = []
        self.damage = ""

    def add(self, record: Mapping[str, Any]) -> bool:
        """Add one record; returns whether it is valid. An invalid one becomes a warning."""
        try:
            self._add(record)
        except (KeyError, TypeError, ValueError) as error:
            self.warnings.append(f"ignored an invalid record in the report ({error!r})")
            return False
        return True

    def _add(self, record: Mapping[str, Any]) -> None:
        verb, unit = record["verb"], record.get("unit")
        if unit is not None:
            self.units.setdefault(_checked_text(unit), None)
        if verb == Verb.UNIT_END:
            name = _checked_text(unit)
            self.units[name] = UnitResult(
                name=name,
                status=StageStatus(record["status"]),
                reason=_checked_text(record.get("reason", "")),
                duration=record.get("duration"),
            )
        elif verb == Verb.METRIC:
            metrics = self.metrics if unit is None else self.unit_metrics.setdefault(unit, {})
            metrics[_checked_text(record["name"])] = _checked_number(record["value"])
        elif verb == Verb.WARNING:
            self.warnings.append(_checked_text(record["msg"]))
        elif verb == Verb.TEMPORARY:
            self.temporaries.append(_checked_path(record["path"]))
        elif verb in _FILE_VERBS:
            self.files.append(_file_record(record))


def _file_record(record: Mapping[str, Any]) -> FileRecord:
    signature, sources = record.get("signature"), record.get("sources")
    return FileRecord(
        verb=Verb(record["verb"]),
        path=_checked_path(record["path"]),
        fingerprint=_checked_text(record.get("fingerprint", "")),
        signature=None if signature is None else _checked_signature(signature),
        unit=record.get("unit"),
        reason=_checked_text(record.get("reason", "")),
        detail=dict(record.get("detail") or {}),
        sources=None if sources is None else tuple(map(_checked_path, sources)),
        complete=bool(record.get("complete", True)),
    )


def _checked_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {value!r}")
    return value


def _checked_path(value: object) -> str:
    """A path that the ledger can store: UTF-8 text without NUL characters."""
    path = _checked_text(value)
    if not path or "\0" in path:
        raise ValueError(f"{path!r} is not a valid path")
    path.encode()
    return path


def _checked_number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _checked_signature(value: Iterable[Any]) -> Signature:
    return Signature(*map(int, value))


class ReportReader:
    """Follows a growing report file; `poll` returns the new records, from complete lines only.

    `damage`: why records are missing (empty if none are): an invalid line (its writer was killed,
    or the disk was full), a file that is too large, or one that cannot be read.
    """

    def __init__(self, path: Path, limit: int = MAX_REPORT_BYTES) -> None:
        self.path = path
        self.damage = ""
        self._limit = limit
        self._position = 0
        self._rest = b""

    def poll(self) -> list[dict[str, Any]]:
        """The records added since the last call."""
        records: list[dict[str, Any]] = []
        try:
            with open(self.path, "rb") as file:
                file.seek(self._position)
                while chunk := file.read(_CHUNK):
                    if self._position + len(chunk) > self._limit:
                        self.damage = f"the report is larger than {self._limit} bytes"
                        break
                    self._position += len(chunk)
                    *lines, self._rest = (self._rest + chunk).split(b"\n")
                    records += [r for line in lines if (r := self._parsed(line)) is not None]
        except FileNotFoundError:
            pass  # no report yet
        except OSError as error:
            self.damage = f"the report cannot be read: {error.strerror}"
        return records

    def _parsed(self, line: bytes) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get("verb"), str):
            return record
        self.damage = self.damage or f"the report has an invalid line: {line[:80]!r}"
        return None


def watched(watch: Iterable[Watch], line: str) -> list[dict[str, Any]]:
    """The report records that a stage's `watch` patterns find in a line of output."""
    found = []
    for pattern, metric in ((each.pattern, each.metric) for each in watch):
        match = re.search(pattern, line)
        if match and metric:
            found.append({"verb": Verb.METRIC, "name": metric, "value": match["value"]})
        elif match:
            status = match.groupdict().get("status") or "success"
            found.append({"verb": Verb.UNIT_START, "unit": match["unit"]})
            found.append({"verb": Verb.UNIT_END, "unit": match["unit"], "status": status})
    return found
