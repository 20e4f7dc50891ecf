"""The sink `alarm`: a line in a file for each failure."""

from contextlib import contextmanager

import attrs

from pipekit import EventKind, EventSink, hookimpl, setting

PIPEKIT_API = "1"


@attrs.frozen
class Settings:
    file: str = setting("Where the lines go, in the folder of logs.", default="alarm.txt")


@contextmanager
def open_alarm(ctx, settings):
    with open(ctx.logs / settings.file, "a", encoding="utf-8") as file:

        def emit(event):
            if event.event in (EventKind.FAILURE, EventKind.PARTIAL):
                print(event.timestamp, event.stage, event.msg, file=file, flush=True)

        yield emit


@hookimpl
def pipekit_event_sinks():
    yield EventSink("alarm", open_alarm, settings=Settings)
