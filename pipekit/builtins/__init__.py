"""The plugins that come with pipekit, by the same door as a stranger's."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit import EventSink, LifecyclePolicy, hookimpl
from pipekit.builtins import console, rules

PIPEKIT_API = "1"


@hookimpl
def pipekit_lifecycle_policies() -> Iterator[LifecyclePolicy]:
    """Rules of the configuration."""
    yield LifecyclePolicy("rules", rules.propose, settings=rules.Rules)


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """The terminal."""
    yield EventSink("console", console.open_console, settings=console.ConsoleSettings)
