"""Sends messages with Apprise, and tries again with stamina. Never says an address: it is a secret.

Imported only when there is something to send.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import apprise
import stamina
from stamina.instrumentation import set_on_retry_hooks

from pipekit_notify.memory import Message

SECONDS = 25.0  # for all addresses of a run; the sink has 30 to finish
LONGEST_TEXT = 8_000  # characters of a message
_SECONDS_EACH = 12.0  # for one address
_WITH_HOST = ("mailto", "json", "xml", "form")  # in other addresses, a token is in its place
_RANKS = ("failure", "warning", "success", "info")  # the worst first

set_on_retry_hooks(())  # they would print warnings on the terminal of the run


class SendError(Exception):
    """A message could not be sent."""


def deliver(
    messages: Sequence[Message], addresses: Mapping[str, str], footer: str
) -> tuple[list[Message], list[str]]:
    """Send each address what it is to get, in one message; returns what needs no more of it.

    Also returns a sentence for each address that could not be reached. Messages for an address that
    is no longer configured are dropped.
    """
    done = [message for message in messages if message.to not in addresses]
    problems = []
    deadline = time.monotonic() + SECONDS
    for name, url in addresses.items():
        own = [message for message in messages if message.to == name]
        if not own:
            continue
        seconds = min(_SECONDS_EACH, max(deadline - time.monotonic(), 0.5))
        try:
            send(url, *combined(own, footer), seconds=seconds)
        except SendError as error:
            problems.append(f"{name}: {error}")
        else:
            done += own
    return done, problems


def combined(messages: Sequence[Message], footer: str) -> tuple[str, str, str]:
    """Title, text and kind of one message that says all of these."""
    worst = min(messages, key=lambda message: _RANKS.index(message.kind))
    more = len(messages) - 1
    title = worst.title + (f" and {more} more" if more else "")
    parts = [f"{each.title}\n{each.text}" if more else each.text for each in messages]
    text = "\n\n".join(parts)
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}\n…"
    return title, f"{text}\n\n{footer}", worst.kind


def send(url: str, title: str, text: str, kind: str, *, seconds: float) -> None:
    """Send one message, and try again for some time. Raises SendError with the reason."""
    service = apprise.Apprise()
    if not service.add(url):
        raise SendError("Apprise does not know this kind of address")
    tries = stamina.retry_context(on=SendError, attempts=None, timeout=seconds, wait_initial=0.3)
    deadline = time.monotonic() + seconds
    for attempt in tries:
        with attempt:
            _try(service, url, title, text, kind, max(deadline - time.monotonic(), 0.5))


def _try(
    service: apprise.Apprise, url: str, title: str, text: str, kind: str, seconds: float
) -> None:
    said: list[str] = []

    def listen(entry: Any, _plugin: Any) -> None:
        if entry.level in ("WARNING", "ERROR"):
            said.append(str(entry.message))

    sent = service.notify(
        title=title, body=text, notify_type=kind, timeout=seconds, log_callback=listen
    )
    if not sent:
        raise SendError(without_secrets(url, "; ".join(said)) or "it was not sent")


def without_secrets(url: str, text: str) -> str:
    """The text without any part of the address but its host."""
    service, _, rest = url.partition("://")
    host = re.split(r"[/?]", rest)[0].rpartition("@")[2].partition(":")[0]
    if service.rstrip("s") not in _WITH_HOST:
        host = ""
    raw = {part for between in ("[/:@?&=]+", "[/?&=]+") for part in re.split(between, rest)}
    parts = raw | {unquote(part) for part in raw}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 3 and part != host:
            text = text.replace(part, "***")
    return text
