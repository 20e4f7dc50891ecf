"""The plugins that come with pipekit; they are found and loaded like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pipekit import EventSink, Executor, LifecyclePolicy, hookimpl
from pipekit.builtins import console, rules

if TYPE_CHECKING:
    from pipekit import ExecutorContext
    from pipekit.builtins.local import Threads

PIPEKIT_API = "1"


@hookimpl
def pipekit_lifecycle_policies() -> Iterator[LifecyclePolicy]:
    """The rules of `[[lifecycle.rules]]`."""
    yield LifecyclePolicy("rules", rules.propose, settings=rules.Rules)


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """Events on the terminal, or in the log, that a run was started from."""
    yield EventSink("console", console.open_console, settings=console.ConsoleSettings)


def _open_local(ctx: ExecutorContext, settings: None) -> AbstractContextManager[Threads]:
    from pipekit.builtins.local import open_local  # only when there is work

    return open_local(ctx, settings)


@hookimpl
def pipekit_executors() -> Iterator[Executor]:
    """Tasks on this machine."""
    yield Executor("local", _open_local)
