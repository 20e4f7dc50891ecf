"""Writes a file for node_exporter's textfile collector. Needs no library.

The format is https://prometheus.io/docs/instrumenting/exposition_formats/. The file is replaced as
a whole, as the collector may read it at any moment. Stages that had nothing to do keep what was
true of them: that is remembered in the state folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipekit.worker import Publication
from pipekit_otel.run_record import RunRecord

_MEMORY = "prometheus.json"
_LARGEST = 4 << 20  # bytes
_READABLE = 0o644  # by node_exporter, another user
_PRIVATE = 0o600
_NOT_RUN = ("skipped", "blocked")
_RUN = ("success", "partial", "failure", "cancelled", "idle")
_STAGE = ("success", "partial", "failure", "cancelled", "blocked")

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def write(record: RunRecord, file: Path, state: Path, name: str) -> None:
    """Write the file after a run. Raises OSError."""
    stages = _remembered(state)
    for stage in record.stages.values():
        known = stages.setdefault(stage.name, {})
        if stage.status == "skipped":
            continue
        known["status"] = stage.status
        if stage.status in _NOT_RUN:
            continue
        known["duration"] = (stage.end - stage.begin) / 1e9
        known["metrics"] = {
            f"{task.name}/{key}": value
            for task in stage.parts.values()
            for key, value in task.sums().items()
        }
        if stage.status == "success":
            known["success"] = stage.end / 1e9
    _replace(state / _MEMORY, json.dumps(stages), _PRIVATE)
    _replace(file, "".join(_lines(record, stages, name)), _READABLE)


def _remembered(state: Path) -> dict[str, dict[str, Any]]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads((state / _MEMORY).read_bytes()[:_LARGEST])
        if isinstance(found, dict):
            return {k: v for k, v in found.items() if isinstance(v, dict)}
    return {}


def _replace(file: Path, text: str, mode: int) -> None:
    with Publication(file, reported=False, mode=mode) as published:
        published.write(text.encode())


def _lines(record: RunRecord, stages: Mapping[str, Mapping[str, Any]], name: str) -> Iterable[str]:
    run = {"pipeline": name}
    ended = record.end / 1e9
    yield from _gauge("run_end_timestamp_seconds", "When the last run ended.", [(run, ended)])
    took = (record.end - record.begin) / 1e9
    yield from _gauge("run_duration_seconds", "How long it took.", [(run, took)])
    yield from _gauge("run_exit_code", "Its exit code.", [(run, record.exit_code)])
    yield from _gauge("run_number", "Its number.", [(run, record.number)])
    statuses = [({**run, "status": each}, float(record.status == each)) for each in _RUN]
    yield from _gauge("run_status", "1 for the status of the last run.", statuses)
    of = {stage: {**run, "stage": stage} for stage in stages}
    yield from _gauge(
        "stage_status",
        "1 for the status of a stage when it last had work.",
        [
            ({**of[stage], "status": each}, float(known["status"] == each))
            for stage, known in stages.items()
            if "status" in known
            for each in _STAGE
        ],
    )
    for key, metric, text in (
        ("duration", "stage_duration_seconds", "How long it took then."),
        ("success", "stage_success_timestamp_seconds", "When it last succeeded."),
    ):
        found = [(of[stage], known[key]) for stage, known in stages.items() if key in known]
        yield from _gauge(metric, text, found)
    yield from _gauge(
        "stage_metric",
        "A number that a task of the stage reported when it last had work.",
        [
            ({**of[stage], "task": key.partition("/")[0], "name": key.partition("/")[2]}, value)
            for stage, known in stages.items()
            for key, value in known.get("metrics", {}).items()
        ],
    )


def _gauge(name: str, text: str, samples: Iterable[Sample]) -> Iterable[str]:
    lines = [f"pipekit_{name}{{{_labels(labels)}}} {value!r}\n" for labels, value in samples]
    if lines:
        yield f"# HELP pipekit_{name} {text}\n# TYPE pipekit_{name} gauge\n"
        yield from lines


def _labels(labels: Labels) -> str:
    return ",".join(f'{key}="{_quoted(value)}"' for key, value in labels.items())


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return text.encode("utf-8", "backslashreplace").decode()
