"""An OTLP receiver on the loopback, and a project with a stage of two tasks."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KEY = "key-9f8e7d6c5b4a"
STAGE = """
import sys
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

WORKER = '''
import sys
from pipekit.worker import report
with report.unit("ES"):
    report.metric("rows", 1200)
    if sys.argv[1] != "0":
        sys.exit(int(sys.argv[1]))
'''

def plan(ctx, settings):
    file = ctx.root / "code.txt"
    if not file.exists():
        return StagePlan.skip("nothing to do")
    words = [sys.executable, "-c", WORKER, file.read_text()]
    task = Task(name="one", command=Command(argv=words), units=["ES"])
    return StagePlan(reason="always", tasks=[task])

@hookimpl
def pipekit_stages():
    yield StageSpec("work", plan)
"""


class Receiver:
    """Takes what is sent to /v1/traces and /v1/metrics, and answers with `code`."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.keys: set[str | None] = set()
        self.code = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.keys.add(self.headers.get("X-Key"))
                if self.path == "/v1/traces":
                    receiver.traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    receiver.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(receiver.code)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def spans(self):
        """All spans of the last trace, by name."""
        (resource,) = self.traces[-1].resource_spans
        (scope,) = resource.scope_spans
        return {span.name: span for span in scope.spans}

    def values(self):
        """The metrics of the last run, by name: their data points."""
        (resource,) = self.metrics[-1].resource_metrics
        (scope,) = resource.scope_metrics
        return {
            metric.name: list(getattr(metric, metric.WhichOneof("data")).data_points)
            for metric in scope.metrics
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def work(project, receiver):
    """A project whose stage ends with the exit code in code.txt; without it, it is idle."""
    project.plugin("work", STAGE)
    table = f'[sinks.otel]\nendpoint = "{receiver.url}"\nname = "bars"\n'
    project.config(f'[pipeline]\nstages = ["work"]\n[sinks.console]\n{table}[sinks.prometheus]\n')
    project.env["PIPEKIT_SINKS__OTEL__HEADERS__X_KEY"] = KEY
    return project
