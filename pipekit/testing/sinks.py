"""The contract of event sinks, and an example of each kind of event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipekit.model.event import Event, SinkContext
from pipekit.model.specs import EventSink
from pipekit.testing.contract import Contract, check_settings, chosen

_RUN_ID = "01900000-0000-7000-8000-000000000000"
_UNIT = {"task": "translate", "unit": "ES"}
_TASK = {"task": "translate", "units": ["ES"], "attempt": 1}
_ORDER = {"executor": "dask", "order": 17, "engine_id": "r-translate-17"}
_NODE = {"node": "n1", "queued": 0.25}
_FAILED = {
    "kind": "exit",
    "error": "translate: exited with code 1",
    "last_line": {"translate": "KeyError"},
    "last_lines": ["KeyError"],
}


def _end(status: str, text: str, **more: Any) -> dict[str, Any]:
    sentence = f"translator: {text}"
    common = {"status": status, "reason": "3 new files in data/raw", "sentence": sentence}
    return {**common, "duration": 2.1, "warnings": 0, **more}


_RUN, _STAGE = "pipeline", "translator"
_KINDS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (_RUN, "start", {"run": 12, "stages": [_STAGE]}),
    (_RUN, "warning", {}),
    (_RUN, "stale", {"expect": "data/raw/ES/**"}),
    (_RUN, "fresh", {"expect": "data/raw/ES/**"}),
    (_RUN, "success", {"exit_code": 0}),
    (_RUN, "partial", {"exit_code": 1}),
    (_RUN, "failure", {"exit_code": 3, "recovered": True, "kind": "lost", "error": "OSError"}),
    (_RUN, "cancelled", {"exit_code": 130}),
    (_RUN, "idle", {"exit_code": 0}),
    (_STAGE, "start", {"tasks": ["translate"]}),
    (_STAGE, "metric", {**_UNIT, "name": "rows", "value": 1380}),
    (_STAGE, "progress", {**_UNIT, "done": 1, "total": 3}),
    (_STAGE, "task_queued", {**_TASK, **_ORDER}),
    (_STAGE, "task_start", {**_TASK, **_ORDER, **_NODE}),
    (_STAGE, "retry", {"attempt": 2, "of": 3, "delay": 10.0, "tasks": ["translate"]}),
    (
        _STAGE,
        "task_end",
        {
            "task": "translate",
            "status": "failure",
            "kind": "hang",
            "attempt": 1,
            **_ORDER,
            **_NODE,
            "metrics": {"rows": 1380},
            "last_lines": ["reading ES.csv"],
            "processes": ["4711 sleeping in futex_do_wait, 0.8 s of CPU: python -m translate"],
        },
    ),
    (_STAGE, "unit_start", _UNIT),
    (_STAGE, "unit_end", {**_UNIT, "status": "success", "reason": ""}),
    (
        _STAGE,
        "warning",
        {
            **_UNIT,
            "path": "data/raw/ES.csv",
            "survivors": 1,
            "escaped": [4711],
            "dropped": {"stdout": 1024},
        },
    ),
    (_STAGE, "success", _end("success", "3 files, 2 written, 2.1 s")),
    (_STAGE, "partial", _end("partial", "partial, 3 files, 1 rejected, 2.1 s", error="1 rejected")),
    (_STAGE, "failure", _end("failure", "failure, 2.1 s", **_FAILED)),
    (_STAGE, "skipped", _end("skipped", "skipped, nothing new in data/raw")),
    (_STAGE, "blocked", _end("blocked", "not run: analyzer failed")),
    (_STAGE, "cancelled", _end("cancelled", "cancelled, 2.1 s")),
    ("lifecycle", "proposed", {}),
    ("lifecycle", "applied", {"files": 3, "bytes": 4096, "archived": 0}),
    ("lifecycle", "refused", {"files": 1, "reasons": {"it has several names (hard links)": 1}}),
    ("lifecycle", "restored", {"files": 3, "bytes": 4096, "run": 11}),
    ("lifecycle", "purged", {"files": 3, "bytes": 4096, "run": 11}),
    ("lifecycle", "warning", {}),
    ("sink", "warning", {"sink": "webhook"}),
    ("sink", "dropped", {"sink": "webhook"}),
    ("plugin", "broken", {"plugin": "pipekit-strange"}),
)


def _event(seq: int, stage: str, kind: str, data: Mapping[str, Any], msg: str = "") -> Event:
    return Event(
        run_id=_RUN_ID,
        seq=seq,
        stage=stage,
        event=kind,
        timestamp="2026-04-12T02:00:00.123-05:00",
        msg=msg or f"an example of {stage} {kind}",
        data=data,
    )


EXAMPLES: tuple[Event, ...] = tuple(_event(seq, *each) for seq, each in enumerate(_KINDS, 1))
"""One event of each kind for each stage that emits it, with data as in a real run."""


class SinkContract(Contract):
    """The rules for all sinks. Subclass it, and set `sink`.

    Override `settings` if the defaults cannot be used in a test (an address, a password).
    """

    sink: ClassVar[EventSink]

    def send(self, root: Path, events: Iterable[Event]) -> None:
        """Open the sink, pass it the events in order, and close it, as a run does."""
        logs, state = root / "logs", root / ".pipekit"
        logs.mkdir(exist_ok=True)
        state.mkdir(exist_ok=True)
        context = SinkContext(run_id=_RUN_ID, root=root, logs=logs, state=state)
        with self.sink.open(context, chosen(self.sink.settings, self.settings)) as emit:
            for event in events:
                emit(event)

    def test_every_setting_has_help_and_a_default(self) -> None:
        """Every setting can be explained, and omitted unless the test gives values."""
        check_settings(self.sink.settings, self.settings)

    def test_it_closes_without_an_event(self, project: Path) -> None:
        """A sink can be closed before it has received any event."""
        self.send(project, [])

    @pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: f"{e.stage}-{e.event}")
    def test_it_takes_each_kind_of_event(self, project: Path, event: Event) -> None:
        """The sink accepts each event on its own."""
        self.send(project, [event])

    def test_it_takes_a_whole_run_and_the_next(self, project: Path) -> None:
        """The sink can be opened again for the next run."""
        self.send(project, EXAMPLES)
        self.send(project, EXAMPLES)

    def test_it_survives_events_of_a_later_version(self, project: Path) -> None:
        """Unknown kinds, fields and characters do not break the sink."""
        strange = {"ни": [None, {"deep": [1, 2.5, True]}], "": "\x1b[31m\n"}
        self.send(project, [_event(1, "my_stage", "teleported", strange, "→ ✓ “fine”\nsecond")])

    def test_it_survives_a_gap_in_the_sequence(self, project: Path) -> None:
        """A gap in `seq` (lost events) does not break the sink."""
        self.send(project, [EXAMPLES[0], EXAMPLES[-1]])
