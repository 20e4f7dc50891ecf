"""Fills the tables of docs/reference/configuration.md from the settings classes.

A line `<!-- settings: package.module:Class -->` stands above each table.
"""

from __future__ import annotations

import importlib
import re

from pipekit.config.describe import describe

_TABLE = re.compile(r"(<!-- settings: (\S+):(\w+) -->\n)(?:\|.*\n)*")
_LONG = 40


def filled(page: str) -> str:
    """The page with a fresh table below each marker."""
    return _TABLE.sub(lambda match: match[1] + table(match[2], match[3]), page)


def table(module: str, name: str) -> str:
    """A row for each setting of the class: key, type, default, help."""
    settings = describe(getattr(importlib.import_module(module), name))
    rows = [
        f"| `{setting.key}` | {setting.type} | {_default(setting.default)} | {_cell(setting.help)} |"
        for setting in settings
        if setting.key.isidentifier()  # those of nested classes have tables of their own
    ]
    return "\n".join(["| key | type | default | what it is for |", "|---|---|---|---|", *rows, ""])


def _default(text: str) -> str:
    if len(text) > _LONG:
        return "see `pipekit config show`"
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
