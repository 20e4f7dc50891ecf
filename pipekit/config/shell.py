"""A value as a shell gives it, in a variable or a flag: a text whose type only its field knows."""

from __future__ import annotations

from typing import Any

_WORDS = {"true": True, "false": False}


class ShellText(str):
    """The text of a variable or a flag; a field of type text takes it as it is."""

    __slots__ = ()

    def literal(self) -> Any:
        """The value it writes in TOML or JSON: `5`, `true`, `['a', 'b']`, `{a = 1}`; else itself.

        Python's `True` is understood as well: it is what people write.
        """
        import tomllib  # only where a variable or flag is set

        if self.lower() in _WORDS:
            return _WORDS[self.lower()]
        try:
            table = tomllib.loads(f"value = {self}")
        except tomllib.TOMLDecodeError:
            return self._json()
        return table["value"] if len(table) == 1 else str(self)

    def text(self) -> str:
        """The text meant: quotes around it, as TOML has them, are taken off."""
        if self[:1] in ('"', "'"):
            value = self.literal()
            if isinstance(value, str):
                return str(value)
        return str(self)

    def _json(self) -> Any:
        if self[:1] not in "{[":
            return str(self)
        import json  # only for a table or list that is no TOML

        try:
            return json.loads(self)
        except ValueError:
            return str(self)
