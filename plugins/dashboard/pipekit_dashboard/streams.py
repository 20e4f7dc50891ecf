"""Server-sent events: how they are written, how many at once, and when they end."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import PlainTextResponse, Response, StreamingResponse

MOST = 60  # streams at once
PATIENCE = 0.5  # seconds in which a stream notices that the server stops
_BEAT = 5.0  # seconds between two signs of life
_LONGEST = 3600.0  # seconds of a stream; the page opens another one


class Message:
    """One message of a stream. `id`: where to go on from, or empty."""

    def __init__(self, event: str, data: Any, id: str = "") -> None:
        self.event = event
        self.data = data
        self.id = id

    def encoded(self) -> bytes:
        """As it is sent."""
        lead = f"id: {self.id}\n" if self.id else ""
        return f"{lead}event: {self.event}\ndata: {json.dumps(self.data)}\n\n".encode()


class Streams:
    """The open streams. `is_stopping`: whether the server is, which no stream may outlive."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self.count = 0

    def answer(self, messages: AsyncIterator[Message | None]) -> Response:
        """A response with these messages; None is a moment without one."""
        if self.count >= MOST:
            return PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "10"})
        return StreamingResponse(self._sent(messages), media_type="text/event-stream")

    async def _sent(self, messages: AsyncIterator[Message | None]) -> AsyncIterator[bytes]:
        self.count += 1
        begun = beat = time.monotonic()
        try:
            yield b"retry: 1000\n\n"
            async for message in messages:
                now = time.monotonic()
                if self._is_stopping() or now - begun > _LONGEST:
                    return
                if message is not None:
                    yield message.encoded()
                    beat = now
                elif now - beat > _BEAT:
                    yield Message("beat", "").encoded()
                    beat = now
        finally:
            self.count -= 1
            await messages.aclose()  # type: ignore[attr-defined]  # they are all generators
