"""The sink `notify`: tells people what goes wrong, once, and when it has recovered, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipekit import Emit, EventSink, SinkContext, hookimpl
from pipekit_notify.settings import Settings

PIPEKIT_API = "1"  # the hook API that this plugin is written for
LONGEST = 30.0  # seconds for sending, after the run


@contextmanager
def open_notify(context: SinkContext, settings: Settings) -> Iterator[Emit]:
    """Collect what is worth telling; tell it after the run's last event."""
    from pipekit_notify.watch import Watch  # in the sink's own thread

    yield Watch(context, settings).event


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """The sink `notify`."""
    yield EventSink("notify", open_notify, settings=Settings, important=True, flush_seconds=LONGEST)
