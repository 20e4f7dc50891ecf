"""The tables `[sinks.otel]` and `[sinks.prometheus]`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import attrs

from pipekit import Duration, setting

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
