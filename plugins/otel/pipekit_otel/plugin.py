"""The sinks `otel` and `prometheus`: what runs did, for those who watch machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipekit import Emit, Event, EventSink, SinkContext, hookimpl
from pipekit_otel.settings import LONGEST, OtelSettings, PrometheusSettings

PIPEKIT_API = "1"  # the hook API that this plugin is written for


@contextmanager
def open_otel(context: SinkContext, settings: OtelSettings) -> Iterator[Emit]:
    """Collect the events; send the run after its last one."""
    from pipekit_otel.run_record import RunRecord  # in the sink's own thread

    record = RunRecord()

    def emit(event: Event) -> None:
        if record.add(event) and (settings.idle or record.status != "idle"):
            from pipekit_otel.otlp import send  # OpenTelemetry: when the run is over

            send(record, settings, settings.name or context.root.name)

    yield emit


@contextmanager
def open_prometheus(context: SinkContext, settings: PrometheusSettings) -> Iterator[Emit]:
    """Collect the events; write the file after the last one."""
    from pipekit_otel.prometheus import write  # in the sink's own thread
    from pipekit_otel.run_record import RunRecord

    record = RunRecord()

    def emit(event: Event) -> None:
        if record.add(event):
            name = settings.name or context.root.name
            write(record, context.root / settings.file, context.state, name)

    yield emit


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """The sinks `otel` and `prometheus`."""
    yield EventSink("otel", open_otel, settings=OtelSettings, important=True, flush_seconds=LONGEST)
    yield EventSink("prometheus", open_prometheus, settings=PrometheusSettings)
