"""The plugins that come with pipekit; they are found and loaded like any other."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import EventSink, LifecyclePolicy, hookimpl
from pipekit.builtins import console, rules

PIPEKIT_API = "1"


@hookimpl
def pipekit_lifecycle_policies() -> Iterator[LifecyclePolicy]:
    """The rules of `[[lifecycle.rules]]`."""
    yield LifecyclePolicy("rules", rules.propose, settings=rules.Rules)


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """Events on the terminal, or in the log, that a run was started from."""
    yield EventSink("console", console.open_console, settings=console.ConsoleSettings)
