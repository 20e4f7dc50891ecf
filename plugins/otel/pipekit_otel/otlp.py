"""Sends a run as a trace and as metrics, by OTLP over HTTP.

Names are those of the semantic conventions for CI/CD (https://opentelemetry.io/docs/specs/semconv/cicd/)
where they have one, and begin with `pipekit.` where not. The id of the trace is that of the run.
Imported only when a run is over, since OpenTelemetry takes a tenth of a second.
"""

from __future__ import annotations

import uuid
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context

import pipekit
from pipekit_otel.run_record import Part, RunRecord
from pipekit_otel.settings import OtelSettings

_RESULTS = {  # our statuses in the words of cicd.pipeline.result
    "success": "success",
    "idle": "skip",
    "skipped": "skip",
    "blocked": "skip",
    "cancelled": "cancellation",
    "partial": "failure",
    "failure": "failure",
}


class SendError(Exception):
    """The receiver could not be reached in time, or refused what was sent."""


class _TraceId(RandomIdGenerator):
    """The run's id, a UUID, is the id of its trace; ids of spans are random."""

    def __init__(self, run_id: str) -> None:
        try:
            self._id = uuid.UUID(run_id).int
        except ValueError:
            self._id = super().generate_trace_id()

    def generate_trace_id(self) -> int:
        return self._id


def send(record: RunRecord, settings: OtelSettings, name: str) -> None:
    """Send the run. Raises SendError."""
    resource = Resource.create({"service.name": name, "service.version": pipekit.__version__})
    headers = {name.replace("_", "-"): value for name, value in settings.headers.items()}
    common: dict[str, Any] = {"headers": headers, "timeout": settings.limit}
    base = settings.endpoint.rstrip("/")
    traces = OTLPSpanExporter(f"{base}/v1/traces", **common)
    try:
        sent = traces.export(spans(record, settings, name, resource))
    finally:
        traces.shutdown()  # type: ignore[no-untyped-call]  # published without types
    if sent is not SpanExportResult.SUCCESS:
        raise SendError("the receiver did not take the trace")
    metrics = OTLPMetricExporter(f"{base}/v1/metrics", **common)
    try:
        taken = metrics.export(measured(record, name, resource))
    finally:
        metrics.shutdown()
    if taken is not MetricExportResult.SUCCESS:
        raise SendError("the receiver did not take the metrics")


def spans(
    record: RunRecord, settings: OtelSettings, name: str, resource: Resource
) -> tuple[ReadableSpan, ...]:
    """The spans of a run: itself, its stages, their tasks, their units."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=resource, id_generator=_TraceId(record.run_id), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("pipekit", pipekit.__version__)
    run = tracer.start_span(
        f"RUN {name}",
        kind=SpanKind.SERVER,
        start_time=record.begin,
        attributes={
            "cicd.pipeline.name": name,
            "cicd.pipeline.run.id": record.run_id,
            "cicd.pipeline.run.state": "executing",
            "cicd.pipeline.result": _RESULTS.get(record.status, record.status),
            "pipekit.run": record.number,
            "pipekit.status": record.status,
            "pipekit.exit_code": record.exit_code,
            "pipekit.units_left_out": record.units_left_out,
        },
    )
    if record.status in ("failure", "partial"):
        run.set_status(Status(StatusCode.ERROR, record.sentence))
    for stage in record.stages.values():
        _span(tracer, run, "stage", stage, [stage.name], settings)
    run.end(record.end)
    provider.shutdown()
    return memory.get_finished_spans()


_BELOW = {"stage": "task", "task": "unit"}


def _span(
    tracer: Tracer, parent: Any, level: str, part: Part, path: list[str], settings: OtelSettings
) -> None:
    begin = part.begin or part.end
    end = max(part.end or begin, begin)
    names = {f"pipekit.{level}": part.name, "pipekit.status": part.status}
    if level != "unit":
        names["cicd.pipeline.task.name"] = "/".join(path)
        names["cicd.pipeline.task.run.result"] = _RESULTS.get(part.status, part.status)
    span = tracer.start_span(
        "/".join(path),
        context=set_span_in_context(parent),
        start_time=begin,
        attributes={
            **names,
            **({"error.type": part.kind} if part.kind else {}),
            **{f"pipekit.metric.{key}": value for key, value in part.metrics.items()},
        },
    )
    if part.status in ("failure", "partial"):
        span.set_status(Status(StatusCode.ERROR, part.reason))
    if level in _BELOW and (settings.units or level == "stage"):
        for inner in part.parts.values():
            _span(tracer, span, _BELOW[level], inner, [*path, inner.name], settings)
    span.end(end)


def measured(record: RunRecord, name: str, resource: Resource) -> Any:
    """The metrics of a run: durations, its exit code, and what stages have counted."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("pipekit", pipekit.__version__)
    labels = {"cicd.pipeline.name": name}
    duration = meter.create_histogram("cicd.pipeline.run.duration", "s", "How long runs take.")
    seconds = (record.end - record.begin) / 1e9
    state = {**labels, "cicd.pipeline.run.state": "executing"}
    duration.record(seconds, {**state, "cicd.pipeline.result": _RESULTS.get(record.status, "")})
    code = meter.create_gauge("pipekit.run.exit_code", "1", "The exit code of the last run.")
    code.set(record.exit_code, labels)
    stages = meter.create_histogram("pipekit.stage.duration", "s", "How long stages take.")
    values = meter.create_gauge("pipekit.metric", "1", "A number that a task reported.")
    for stage in record.stages.values():
        if stage.begin and stage.end and stage.status not in ("skipped", "blocked"):
            where = {**labels, "pipekit.stage": stage.name, "pipekit.status": stage.status}
            stages.record((stage.end - stage.begin) / 1e9, where)
        for task in stage.parts.values():
            where = {**labels, "pipekit.stage": stage.name, "pipekit.task": task.name}
            for key, value in task.sums().items():
                values.set(value, {**where, "pipekit.name": key})
    data = reader.get_metrics_data()
    provider.shutdown()
    return data
