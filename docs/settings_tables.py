"""Fills the tables of docs/reference/configuration.md from the settings classes.

A line `<!-- settings: package.module:Class -->` stands above each table.
"""

from __future__ import annotations

import importlib
import re

from pipekit.config.describe import Field, default_text, settings_fields, type_words

_TABLE = re.compile(r"(<!-- settings: (\S+):(\w+) -->\n)(?:\|.*\n)*")
_LONG = 40


def filled(page: str) -> str:
    """The page with a fresh table below each marker."""
    return _TABLE.sub(lambda match: match[1] + table(match[2], match[3]), page)


def table(module: str, name: str) -> str:
    """A row for each setting of the class: key, type, default, help."""
    fields = settings_fields(getattr(importlib.import_module(module), name))
    rows = [
        f"| `{key}` | {type_words(field.type)} | {_default(field)} | {_cell(field.help)} |"
        for key, field in fields.items()
    ]
    return "\n".join(["| key | type | default | what it is for |", "|---|---|---|---|", *rows, ""])


def _default(field: Field) -> str:
    text = default_text(field)
    if len(text) > _LONG:
        return "see `pipekit config show`"
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
