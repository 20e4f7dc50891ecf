"""The sinks `otel` and `prometheus`: what runs did, for those who watch machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import attrs

from pipekit import Duration, Emit, Event, EventSink, SinkContext, hookimpl, setting

PIPEKIT_API = "1"  # the hook API that this plugin is written for
LONGEST = 20.0  # seconds for sending, after the run


def _address(_: object, _attribute: object, value: str) -> None:
    if not re.fullmatch(r"https?://[^/\s?#@]+[^\s?#]*", value):
        raise ValueError("must be like http://localhost:4318")


def _limit(_: object, _attribute: object, value: float) -> None:
    if not 0 < value <= LONGEST / 2:
        raise ValueError(f"must be greater than 0 and at most {LONGEST / 2:g} seconds")


def _inside(_: object, _attribute: object, value: str) -> None:
    path = PurePosixPath(value)
    if path.suffix != ".prom" or ".." in path.parts:
        raise ValueError("must end with .prom, as node_exporter wants it")


@attrs.frozen(kw_only=True)
class OtelSettings:
    """The table `[sinks.otel]`."""

    endpoint: str = setting(
        "The OTLP receiver, by HTTP, without /v1/traces.",
        default="http://localhost:4318",
        validator=_address,
    )
    headers: dict[str, str] = setting(
        "HTTP headers, such as the receiver's key; `_` in a name stands for `-`.",
        factory=dict,
        secret=True,
    )
    name: str = setting("Name of the pipeline there; empty: the project folder's name.", default="")
    idle: bool = setting("Whether runs with nothing to do are sent, too.", default=False)
    units: bool = setting("Whether each unit of a task gets a span.", default=True)
    limit: Duration = setting(
        "Maximum time for sending traces, and again for metrics.", default=5.0, validator=_limit
    )


@attrs.frozen(kw_only=True)
class PrometheusSettings:
    """The table `[sinks.prometheus]`."""

    file: str = setting(
        "The file to write, below the project or absolute: in node_exporter's folder.",
        default="logs/metrics.prom",
        validator=_inside,
    )
    name: str = setting("The label `pipeline`; empty: the project folder's name.", default="")


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
