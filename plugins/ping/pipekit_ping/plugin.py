"""The sink `ping`: tells a dead-man's switch that a run began, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from pipekit import Duration, Emit, EventSink, SinkContext, hookimpl, setting

PIPEKIT_API = "1"  # the hook API that this plugin is written for
LONGEST_LIMIT = 10.0  # seconds for one ping


def _address(_: object, _attribute: object, value: str) -> None:
    """An address of this service, without what is added to it."""
    if not re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", value):
        raise ValueError("must begin with http:// or https://, without ? and #")


def _limit(_: object, _attribute: object, value: float) -> None:
    if not 0 < value <= LONGEST_LIMIT:
        raise ValueError(f"must be greater than 0 and at most {LONGEST_LIMIT:g} seconds")


@attrs.frozen(kw_only=True)
class Settings:
    """The table `[sinks.ping]`."""

    url: str = setting(
        "Address to ping, without `/start` or an exit code: for example https://hc-ping.com/…",
        secret=True,  # who knows it can ping
        validator=_address,
    )
    partial: bool = setting("Whether a partial run counts as a failure.", default=True)
    limit: Duration = setting(
        "Maximum time for a ping, with retries.", default=2.0, validator=_limit
    )


@contextmanager
def open_ping(context: SinkContext, settings: Settings) -> Iterator[Emit]:
    """Ping when the run begins; what is yielded pings when it ends."""
    from pipekit_ping.pinger import Pinger  # with the HTTP client, in the sink's own thread

    yield Pinger(context.run_id, settings).event


@hookimpl
def pipekit_event_sinks() -> Iterator[EventSink]:
    """The sink `ping`."""
    most = LONGEST_LIMIT * 2  # the first ping may still be under way
    yield EventSink("ping", open_ping, settings=Settings, important=True, flush_seconds=most)
