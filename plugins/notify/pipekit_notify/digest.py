"""Digests: a line for each run with work, and the sums of what stages report."""

from __future__ import annotations

import datetime as dt

from pipekit import Event, EventKind
from pipekit_notify.memory import MOST_LINES, Digest
from pipekit_notify.settings import Rule

_MONDAY = 0


def note(digest: Digest, event: Event, totals: dict[str, float]) -> None:
    """Add a run, which ended with this event; `totals`: the metrics of its stages."""
    if event.event == EventKind.IDLE:
        digest.idle += 1
        return
    minute = event.timestamp[:16].replace("T", " ")
    digest.lines = [*digest.lines, f"{minute} {event.msg}"][-MOST_LINES:]
    for name, value in totals.items():
        digest.totals[name] = digest.totals.get(name, 0) + value


def due(rule: Rule, since: float, now: float) -> bool:
    """Whether it was time for a digest since the last one."""
    return dt.datetime.fromtimestamp(since) < _last_time(rule, now)  # local


def _last_time(rule: Rule, now: float) -> dt.datetime:
    """The last local time, up to now, at which a digest was due."""
    present = dt.datetime.fromtimestamp(now)  # local
    last = dt.datetime.combine(present.date(), rule.digest_at)
    while last > present or (rule.digest == "weekly" and last.weekday() != _MONDAY):
        last -= dt.timedelta(days=1)
    return last


def text_of(digest: Digest) -> str:
    """A digest as text."""
    count = len(digest.lines)
    begin = dt.datetime.fromtimestamp(digest.since).strftime("%Y-%m-%d %H:%M")
    lines = [f"since {begin}: {count} with work, {digest.idle} with nothing to do", *digest.lines]
    if digest.totals:
        lines += ["", *(f"{name} {_number(v)}" for name, v in sorted(digest.totals.items()))]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
