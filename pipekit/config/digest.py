"""A digest of the settings that affect a stage's output, to notice when one of them changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs


def output_digest(settings: object, *more: str) -> str:
    """32 hexadecimal digits; equal for equal settings, whatever the order of fields and tables.

    Fields with `affects_output=False` are left out, at any depth. The order of `more` (a plugin's
    version, say) matters. `settings` may be None, an attrs object, or any nesting of such objects
    and values.
    """
    import hashlib  # loads OpenSSL, which a stage without files does not need

    text = json.dumps([_counted(settings), *more], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _counted(value: Any) -> Any:
    if attrs.has(type(value)):
        return {
            attribute.name: _counted(getattr(value, attribute.name))
            for attribute in attrs.fields(type(value))
            if attribute.metadata.get("affects_output", True)
        }
    if isinstance(value, Enum):
        return _counted(value.value)
    if isinstance(value, Mapping):
        return {str(key): _counted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_counted(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_counted(item) for item in value), key=repr)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
