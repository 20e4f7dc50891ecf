"""Reads what a stage's process reports while it runs; judges nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from pipekit.model.stage import FileRecord, StageStatus, UnitResult, Watch

MAX_REPORT_BYTES = 256 * 1024 * 1024  # a worker that writes more is out of its mind
_CHUNK = 1024 * 1024
_FILE_VERBS = frozenset({"consumed", "wrote", "unchanged", "rejected"})


@define
class Facts:
    """What a task's process has said so far. A unit without a result has not finished."""

    units: dict[str, UnitResult | None] = field(factory=dict)
    metrics: dict[str, float] = field(factory=dict)
    unit_metrics: dict[str, dict[str, float]] = field(factory=dict)
    files: list[FileRecord] = field(factory=list)
    warnings: list[str] = field(factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in one line of the report; what is not of its form is named, not fatal."""
        try:
            self._add(record)
        except (KeyError, TypeError, ValueError) as error:
            self.warnings.append(f"a report line of the wrong form was ignored ({error!r})")

    def _add(self, record: Mapping[str, Any]) -> None:
        verb, unit = record["verb"], record.get("unit")
        if verb == "unit_start":
            self.units.setdefault(unit, None)
        elif verb == "unit_end":
            self.units[unit] = UnitResult(
                name=unit,
                status=StageStatus(record["status"]),
                reason=record.get("reason", ""),
                duration=record.get("duration"),
            )
        elif verb == "metric":
            metrics = self.metrics if unit is None else self.unit_metrics.setdefault(unit, {})
            metrics[record["name"]] = float(record["value"])
        elif verb == "warning":
            self.warnings.append(record["msg"])
        elif verb in _FILE_VERBS:
            self.files.append(_file_record(record))


def _file_record(record: Mapping[str, Any]) -> FileRecord:
    signature, sources = record.get("signature"), record.get("sources")
    return FileRecord(
        verb=record["verb"],
        path=record["path"],
        fingerprint=record.get("fingerprint", ""),
        signature=None if signature is None else tuple(signature),
        unit=record.get("unit"),
        reason=record.get("reason", ""),
        detail=record.get("detail") or {},
        sources=None if sources is None else tuple(sources),
        complete=record.get("complete", True),
    )


class ReportReader:
    """Follows a growing report file; `poll` returns the new records, whole lines only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.capped = False
        self._position = 0
        self._rest = b""

    def poll(self) -> list[dict[str, Any]]:
        """The records that were appended since the last call."""
        records: list[dict[str, Any]] = []
        try:
            with open(self.path, "rb") as file:
                file.seek(self._position)
                while chunk := file.read(_CHUNK):
                    self._position += len(chunk)
                    if self._position > MAX_REPORT_BYTES:
                        self.capped = True
                        break
                    *lines, self._rest = (self._rest + chunk).split(b"\n")
                    records += filter(None, map(_parsed, lines))
        except FileNotFoundError:
            pass  # nothing has been reported
        return records


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "verb" in record else None


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
