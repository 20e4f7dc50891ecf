"""Secrets in what is written or shown: found by their value and replaced by `***`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from pipekit.model.text import escaped, json_text

MASK = "***"
_SHORTEST_LINE = 8  # characters of a line that is masked by itself, in a secret with several lines
_SHORTEST_SECRET = 4  # characters; masking every `0` would spoil a text and hide nothing


class Mask:
    """Replaces secrets in texts and JSON values; more can be added at any time, from any thread.

    A secret is found as it is, and as JSON, a URL or Python's `repr` (also of its bytes) or
    `ascii` would write it; `forms` are all of these, the longest first. Of a secret with several
    lines, each longer line is one, too.
    A secret is not found if it is encoded in another way, as in Base64.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.forms: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these, too, if they are long enough."""
        found = set(self.forms)
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                found.update(_forms(secret))
        if len(found) != len(self.forms):
            self.forms = tuple(sorted(found, key=lambda form: (-len(form), form)))
            self._bytes = tuple(form.encode("utf-8", "surrogateescape") for form in self.forms)

    def text(self, text: str) -> str:
        """The text without secrets."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def data(self, data: bytes) -> bytes:
        """UTF-8 text without secrets."""
        for form in self._bytes:
            if form in data:
                data = data.replace(form, MASK.encode())
        return data

    def value(self, value: Any, *, keys: bool = False) -> Any:
        """A JSON value without secrets; what is not JSON becomes text if that holds one.

        `keys`: also in the keys of tables. Words of our own (enums) and numbers stay.
        """
        if not self.forms or value is None or isinstance(value, bool | int | float | Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if keys and isinstance(key, str) else key: self.value(
                    item, keys=keys
                )
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, keys=keys) for item in value]
        shown = _shown(value)
        hidden = self.text(shown)
        return value if hidden == shown else hidden


def _forms(secret: str) -> Iterator[str]:
    """The secret in every way of writing that is looked for, and its longer lines."""
    for part in (secret, *(line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)):
        yield part
        if re.fullmatch(r"[A-Za-z0-9_.~-]+", part):  # the same everywhere
            continue
        from urllib.parse import quote, quote_plus  # rarely needed

        url = (
            write(part, safe=safe, errors="replace")
            for write in (quote, quote_plus)
            for safe in ("", "/")
        )
        data = part.encode("utf-8", "surrogateescape")
        shown = (repr(part)[1:-1], ascii(part)[1:-1], repr(data)[2:-1])
        for written in (part, *shown, escaped(part), *url):
            yield written
            yield json.dumps(written)[1:-1]
            yield json.dumps(written, ensure_ascii=False)[1:-1]
            yield json_text(written)[1:-1]


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # the isolation boundary of data in events
        return ""
