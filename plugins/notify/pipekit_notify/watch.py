"""Watch: follows the events of a run, decides what is worth telling whom, and has it sent."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Any, NamedTuple

from pipekit import Event, EventKind, FailureKind, PipelineStatus, SinkContext
from pipekit_notify.digest import due, note, text_of
from pipekit_notify.memory import Digest, Memory, Message, Trouble, load, save
from pipekit_notify.settings import Rule, Settings

_ENDS = frozenset(PipelineStatus)
_NO_STAGES = {"pipeline", "lifecycle", "sink", "plugin"}
_WARNINGS = {EventKind.WARNING, EventKind.DROPPED, EventKind.BROKEN}
_HANGS = {FailureKind.HANG, FailureKind.TIMEOUT}
_KINDS = {"failure": "failure", "hang": "failure", "stale": "warning", "recovery": "success"}
_RUN = "the run"  # the name of a trouble that is no stage's


class Found(NamedTuple):
    """Something that is wrong in this run. `words`: those of rules that are about it."""

    words: tuple[str, ...]
    title: str
    text: str


class Watch:
    """One run, seen by the sink. `event` takes its events in order."""

    def __init__(self, context: SinkContext, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._rules = settings.effective_rules()
        self._project = settings.name or context.root.name
        self._memory: Memory = load(context.state)
        self._number = 0
        self._wrong: dict[str, Found] = {}  # by stage, or what is expected
        self._well: dict[str, str] = {}  # likewise, with what to say
        self._warnings: list[str] = []
        self._metrics: dict[tuple[Any, ...], float] = {}

    def event(self, event: Event) -> None:
        """Take an event; after the last one, send. Raises SendError, or OSError."""
        if event.stage == "pipeline":
            self._of_pipeline(event)
        elif event.event in _WARNINGS and event.stage in _NO_STAGES:
            self._warnings.append(f"{event.stage}: {event.msg}")
        elif event.stage not in _NO_STAGES:
            self._of_stage(event)

    def _of_pipeline(self, event: Event) -> None:
        expected = f"expect {event.data.get('expect')}"
        if event.event == EventKind.START:
            self._number = int(event.data.get("run") or 0)
        elif event.event == EventKind.WARNING:
            self._warnings.append(event.msg)
        elif event.event == EventKind.STALE:
            self._wrong[expected] = Found(("stale",), "STALE", event.msg)
        elif event.event == EventKind.FRESH:
            self._well[expected] = event.msg
        elif event.event in _ENDS:
            self._end(event)

    def _of_stage(self, event: Event) -> None:
        if event.event == EventKind.FAILURE:
            words = ("failure", "hang") if event.data.get("kind") in _HANGS else ("failure",)
            self._wrong[event.stage] = Found(words, f"{event.stage} failed", _explained(event))
        elif event.event == EventKind.PARTIAL:
            found = Found(("partial",), f"{event.stage} was partial", _explained(event))
            self._wrong[event.stage] = found
        elif event.event == EventKind.SUCCESS:
            self._well[event.stage] = event.msg
        elif event.event == EventKind.METRIC:
            data = event.data
            if isinstance(value := data.get("value"), int | float):  # the latest counts
                self._metrics[event.stage, data.get("task"), data.get("unit"), data["name"]] = value

    def _end(self, event: Event) -> None:
        stages_failed = any(name for name in self._wrong if not name.startswith("expect "))
        if event.event == EventKind.FAILURE and not stages_failed:
            self._wrong[_RUN] = Found(("failure",), "the run failed", _explained(event))
        elif event.event != EventKind.CANCELLED:
            self._well[_RUN] = event.msg
        for name, found in self._wrong.items():
            self._note_wrong(name, found)
        for name, text in self._well.items():
            if name not in self._wrong:
                self._note_well(name, text)
        self._note_warnings()
        self._note_digests(event)
        self._deliver()

    def _note_wrong(self, name: str, found: Found) -> None:
        trouble = self._memory.troubles.setdefault(name, Trouble(since=self._number))
        trouble.runs += 1
        for rule_name, rule in self._rules.items():
            word = next((word for word in found.words if word in rule.on), "")
            told = f"{rule_name}:{found.words[-1]}"
            if not word or told in trouble.told or not _is_about(rule, name):
                continue
            if trouble.runs >= rule.in_a_row or word == "stale":
                trouble.told.append(told)
                again = f" (in {trouble.runs} runs, since run {trouble.since})"
                title = found.title + (again if trouble.runs > 1 else "")
                self._tell(rule_name, title, found.text, _KINDS.get(word, "warning"))

    def _note_well(self, name: str, text: str) -> None:
        trouble = self._memory.troubles.pop(name, None)
        if trouble is None:
            return
        told = {each.partition(":")[0] for each in trouble.told}
        what = "FRESH" if name.startswith("expect ") else f"{name} has recovered"
        for rule_name, rule in self._rules.items():
            if rule_name in told and "recovery" in rule.on:
                self._tell(rule_name, what, text, "success")

    def _note_warnings(self) -> None:
        """Tell those that the last run did not have; numbers in them do not make them new."""
        known, seen = set(self._memory.warned), []
        for text in self._warnings:
            seen.append(re.sub(r"\d+", "#", text) if not _names_a_run(text) else text)
            if seen[-1] not in known:
                for rule_name, rule in self._rules.items():
                    if "warning" in rule.on:
                        self._tell(rule_name, "warning", text, "warning")
        self._memory.warned = seen

    def _note_digests(self, event: Event) -> None:
        now = time.time()
        names = [name for name, rule in self._rules.items() if rule.digest != "none"]
        self._memory.digests = {
            name: self._memory.digests.get(name, Digest(since=now)) for name in names
        }
        for name, digest in self._memory.digests.items():
            note(digest, event, self._totals())
            if due(self._rules[name], digest.since, now):
                self._tell(name, "digest", text_of(digest), "info")
                self._memory.digests[name] = Digest(since=now)

    def _totals(self) -> dict[str, float]:
        """The sums of what tasks and units have reported, as `STAGE: NAME`."""
        found: dict[str, float] = {}
        for (stage, _, _, name), value in self._metrics.items():
            found[f"{stage}: {name}"] = found.get(f"{stage}: {name}", 0) + value
        return found

    def _tell(self, rule: str, what: str, text: str, kind: str) -> None:
        for to in self._settings.addresses_of(self._rules[rule]):
            title = f"{self._project}: {what}"
            message = Message(rule, to, title, text, kind, round(time.time(), 3))
            self._memory.unsent.append(message)

    def _deliver(self) -> None:
        """Keep all of it, send what may be sent now, and keep what could not be."""
        memory, now = self._memory, dt.datetime.now()  # quiet hours are local
        save(self._context.state, memory)
        ready = [
            message
            for message in memory.unsent
            if message.rule not in self._rules or not self._rules[message.rule].is_quiet(now)
        ]
        if not ready:
            return
        from pipekit_notify.send import deliver  # Apprise: only when there is something to say

        footer = f"pipekit -C {self._context.root} show {self._number}"
        sent, problems = deliver(ready, self._settings.addresses, footer)
        memory.unsent = [message for message in memory.unsent if message not in sent]
        save(self._context.state, memory)
        if problems:
            from pipekit_notify.send import SendError  # only on failure

            raise SendError("; ".join(problems))


def _is_about(rule: Rule, name: str) -> bool:
    return not rule.stages or name in rule.stages or name == _RUN or name.startswith("expect ")


def _names_a_run(text: str) -> bool:
    """A sentence about one run is told for each: `run 12 died`."""
    return re.match(r"run \d+ ", text) is not None


def _explained(event: Event) -> str:
    """What happened, the error, and the last lines of what the programs printed."""
    lines = [event.msg, *str(event.data.get("error") or "").splitlines()]
    lines += [f"| {line}" for line in event.data.get("last_lines") or ()]
    return "\n".join(lines)
