"""Presets: the formats of programs and vendors by name, each a set of parts of a source.

The letters are loaded with the plan; the others only if a source or a person asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from pipekit_translator.parts import NEEDED
from pipekit_translator.presets import house
from pipekit_translator.presets.preset import Preset as Preset
from pipekit_translator.stampformat import stated_zone


def find(name: str) -> Preset | None:
    """The preset of this name."""
    return house.PRESETS.get(name) or every().get(name)


@cache
def every() -> Mapping[str, Preset]:
    """All presets by name: first those of one letter, then by program and vendor."""
    from pipekit_translator.presets import archives, platforms, vendors  # most plans need none

    return {**house.PRESETS, **platforms.PRESETS, **vendors.PRESETS, **archives.PRESETS}


def names() -> Iterator[str]:
    """The names of all presets."""
    yield from every()


def needs(preset: Preset) -> list[str]:
    """The parts that a source with this preset has to say itself."""
    known = preset.parts.given()
    missing = [name for name in NEEDED if name not in known]
    stamps = known.get("timestamp_format", "%H")
    if "timezone" not in known and stated_zone(stamps) is None:
        missing.append("timezone")
    return missing


def suggestion(name: str) -> str:
    """`; did you mean 'x'?` for an unknown name, or nothing."""
    import difflib  # only for a mistake

    close = difflib.get_close_matches(name.lower(), list(every()), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def asks(name: str, part: str) -> str:
    """Where to find out a part that a preset does not know; empty if it says nothing of it."""
    preset = find(name) if name else None
    return preset.asks.get(part, "") if preset else ""


def hint(name: str, part: str) -> str:
    """What to write for a part that a preset does not know."""
    why = asks(name, part)
    example = {
        "instrument": "instrument = { pattern = '^([A-Z]+)_' } or { constant = \"ES\" }",
        "timestamp_format": 'timestamp_format = "%Y/%m/%d %H:%M:%S"',
    }.get(part, part)
    return f"set {example}" + (f" ({why})" if why else "")
