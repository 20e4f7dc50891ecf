"""Pings by HTTP, as healthchecks.io understands them: `/start`, then the exit code of the run.

The address, with `/start` or an exit code behind it, gets a POST request. Its query has the run's
id (`rid`), so that the service can measure how long runs take; its body says what happened.
See https://healthchecks.io/docs/http_api/.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple

from pipekit import Event, EventKind

if TYPE_CHECKING:
    from pipekit_ping.plugin import Settings

LONGEST_BODY = 100_000  # bytes; healthchecks.io keeps no more
_STARTS, _ENDS = {EventKind.START}, {"success", "partial", "failure", "cancelled", "idle"}
_TOO_MANY = 429  # requests: the one refusal that passes
_FIRST_PAUSE = 0.2  # seconds before the second try, then twice that


class PingError(Exception):
    """The service could not be reached in time, or refused the ping."""


class Pinger:
    """Pings at the first and at the last event of a run, and collects what went wrong between."""

    def __init__(self, run_id: str, settings: Settings) -> None:
        self._run_id = run_id
        self._settings = settings
        self._wrong: list[str] = []

    def event(self, event: Event) -> None:
        """Take an event. Raises PingError if it is one to tell and could not be told."""
        if event.stage == "pipeline" and event.event in _STARTS:
            self._ping("start", event.msg)
        elif event.stage == "pipeline" and event.event in _ENDS:
            self._ping(str(self._exit_code(event)), "\n".join([event.msg, *self._wrong]))
        elif event.event in (EventKind.FAILURE, EventKind.PARTIAL, EventKind.STALE):
            lines = [*str(event.data.get("error") or "").splitlines()]
            lines += event.data.get("last_lines") or ()
            self._wrong += [event.msg, *(f"    {line}" for line in lines)]

    def _exit_code(self, event: Event) -> int:
        """What is told: 0 is a success to the service, and all else a failure."""
        if event.event == EventKind.PARTIAL and not self._settings.partial:
            return 0
        return int(event.data.get("exit_code", event.event not in ("success", "idle")))

    def _ping(self, word: str, text: str) -> None:
        """Try until it works or the time is over."""
        url = f"{self._settings.url.rstrip('/')}/{word}?rid={self._run_id}"
        body = text.encode("utf-8", "backslashreplace")[:LONGEST_BODY]
        deadline, pause = time.monotonic() + self._settings.limit, _FIRST_PAUSE
        while problem := _post(url, body, deadline - time.monotonic()):
            if problem.is_final or time.monotonic() + pause >= deadline:
                raise PingError(f"ping {word}: {problem.text}")
            time.sleep(pause)
            pause *= 2


class _Problem(NamedTuple):
    """Why a try did not work. `is_final`: another one would not, either."""

    text: str
    is_final: bool = False


def _post(url: str, body: bytes, timeout: float) -> _Problem | None:
    """Try once. What went wrong never says the address, which is a secret."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # http(s): see `Settings`
    try:
        with urllib.request.urlopen(request, timeout=max(timeout, 0.05)) as answer:  # noqa: S310  # as above
            answer.read(1)
    except urllib.error.HTTPError as error:
        text = f"the service answered {error.code} {error.reason}"
        return _Problem(text, is_final=400 <= error.code < 500 and error.code != _TOO_MANY)
    except (OSError, HTTPException) as error:
        return _Problem(str(getattr(error, "reason", "") or error) or type(error).__name__)
    return None
