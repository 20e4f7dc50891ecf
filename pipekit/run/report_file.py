"""Reads what a stage's process reports while it runs; judges nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipekit.model.status import StageStatus
from pipekit.model.task import FileRecord, UnitResult, Watch

MAX_REPORT_BYTES = 256 * 1024 * 1024  # a worker that writes more is out of its mind
_CHUNK = 1024 * 1024
_FILE_VERBS = frozenset({"consumed", "wrote", "unchanged", "rejected"})


class Facts:
    """What a task's process has said so far. A unit without a result has not finished.

    `damage`: why the report cannot be complete; nothing is consumed then.
    """

    def __init__(self) -> None:
        self.units: dict[str, UnitResult | None] = {}
        self.metrics: dict[str, float] = {}
        self.unit_metrics: dict[str, dict[str, float]] = {}
        self.files: list[FileRecord] = []
        self.warnings: list[str] = []
        self.damage = ""

    def add(self, record: Mapping[str, Any]) -> bool:
        """Take in one line of the report; what is not of its form is named, not fatal.

        Returns whether it was of its form.
        """
        try:
            self._add(record)
        except (KeyError, TypeError, ValueError) as error:
            self.warnings.append(f"a report line of the wrong form was ignored ({error!r})")
            return False
        return True

    def _add(self, record: Mapping[str, Any]) -> None:
        verb, unit = record["verb"], record.get("unit")
        if unit is not None:
            self.units.setdefault(_checked_text(unit), None)
        if verb == "unit_end":
            name = _checked_text(unit)
            self.units[name] = UnitResult(
                name=name,
                status=StageStatus(record["status"]),
                reason=_checked_text(record.get("reason", "")),
                duration=record.get("duration"),
            )
        elif verb == "metric":
            metrics = self.metrics if unit is None else self.unit_metrics.setdefault(unit, {})
            metrics[_checked_text(record["name"])] = _checked_number(record["value"])
        elif verb == "warning":
            self.warnings.append(_checked_text(record["msg"]))
        elif verb in _FILE_VERBS:
            self.files.append(_file_record(record))


def _file_record(record: Mapping[str, Any]) -> FileRecord:
    signature, sources = record.get("signature"), record.get("sources")
    return FileRecord(
        verb=record["verb"],
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
        raise TypeError(f"text was expected, not {value!r}")
    return value


def _checked_path(value: object) -> str:
    """A path that the ledger can hold: text in UTF-8, without NUL."""
    path = _checked_text(value)
    if not path or "\0" in path:
        raise ValueError(f"{path!r} cannot name a file")
    path.encode()
    return path


def _checked_number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


def _checked_signature(value: Iterable[Any]) -> tuple[int, int, int, int, int]:
    device, inode, size, mtime, ctime = map(int, value)
    return device, inode, size, mtime, ctime


class ReportReader:
    """Follows a growing report file; `poll` returns the new records, whole lines only.

    `damage` says why something in it was lost: a line that is no record (a writer was killed within
    it, or the disk was full), a file beyond all measure, or one that cannot be read.
    """

    def __init__(self, path: Path, limit: int = MAX_REPORT_BYTES) -> None:
        self.path = path
        self.damage = ""
        self._limit = limit
        self._position = 0
        self._rest = b""

    def poll(self) -> list[dict[str, Any]]:
        """The records that were appended since the last call."""
        records: list[dict[str, Any]] = []
        try:
            with open(self.path, "rb") as file:
                file.seek(self._position)
                while chunk := file.read(_CHUNK):
                    if self._position + len(chunk) > self._limit:
                        self.damage = f"its report is larger than {self._limit} bytes"
                        break
                    self._position += len(chunk)
                    *lines, self._rest = (self._rest + chunk).split(b"\n")
                    records += [r for line in lines if (r := self._parsed(line)) is not None]
        except FileNotFoundError:
            pass  # nothing has been reported
        except OSError as error:
            self.damage = f"its report cannot be read: {error.strerror}"
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
        self.damage = self.damage or f"a line of its report is no record: {line[:80]!r}"
        return None


class Watcher:
    """Turns lines of output into report records, by the patterns of a stage."""

    def __init__(self, watch: Iterable[Watch]) -> None:
        self._patterns = [(re.compile(w.pattern), w.metric) for w in watch]

    def records(self, line: str) -> list[dict[str, Any]]:
        """What the patterns make of one line."""
        found = []
        for pattern, metric in self._patterns:
            match = pattern.search(line)
            if match and metric:
                found.append({"verb": "metric", "name": metric, "value": match["value"]})
            elif match:
                groups = match.groupdict()
                status = groups.get("status") or "success"
                found.append({"verb": "unit_start", "unit": groups["unit"]})
                found.append({"verb": "unit_end", "unit": groups["unit"], "status": status})
        return found
