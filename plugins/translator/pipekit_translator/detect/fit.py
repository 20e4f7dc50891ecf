"""Which sources read a text: presets first, then what the text itself suggests."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator
from itertools import filterfalse

import attrs

from pipekit_translator import presets
from pipekit_translator.detect.guess import guesses
from pipekit_translator.dialects import FileFormat, InstrumentRule
from pipekit_translator.layout import is_instrument
from pipekit_translator.parts import Parts
from pipekit_translator.presets import Preset
from pipekit_translator.settings import ANY, Settings
from pipekit_translator.sources import Source
from pipekit_translator.stampformat import stated_zone
from pipekit_translator.work.read.preview import Head, Preview, preview
from pipekit_translator.work.read.textrows import LONGEST_FOOTER

ANYTHING = InstrumentRule(constant="X")
_ASSUMED = {"instrument": ANYTHING, "timezone": "UTC"}
_SHARE = 0.02  # of rows that may be invalid, and of those that may be outliers
_HIGHEST = 1e10  # no price in points is
_SAME = {"C", "N"}  # presets that others describe more closely
_SETTINGS = Settings(sources=(), instruments=(ANY,))


@attrs.frozen(kw_only=True)
class Fit:
    """A source that reads a text.

    `parts`: those that the source says itself, beside the preset `dialect`. `missing`: those that
    are not known and were assumed, to be able to read. `named`: the name is usual for the preset.
    """

    dialect: str = ""
    parts: Parts
    missing: tuple[str, ...] = ()
    named: bool = False
    format: FileFormat
    preview: Preview

    @property
    def preset(self) -> Preset | None:
        """The preset, if there is one."""
        return presets.find(self.dialect) if self.dialect else None


def fits_of(head: Head, file: str) -> list[Fit]:
    """The sources that read the beginning of a text, the likeliest first."""
    guessed = list(guesses(head.lines()))
    found = [fit for name in presets.names() if (fit := _of_preset(name, head, file, guessed))]
    if found:
        return sorted(found, key=lambda fit: not fit.named)
    return [fit for parts in guessed if (fit := _read(head, file, "", parts)) is not None]


def _of_preset(name: str, head: Head, file: str, guessed: list[Parts]) -> Fit | None:
    """The preset, as it is or with another format of time stamps if these vary."""
    preset = presets.find(name)
    if name in _SAME or preset is None:
        return None
    headers = {int(parts.header or 0) for parts in guessed}
    if headers and int(preset.parts.header or 0) not in headers:
        return None
    found = _read(head, file, name, Parts())
    if found is not None or not preset.stamps_vary:
        return found
    for parts in guessed:
        stamps = parts.timestamp_format
        if preset.stamps_vary == "all" or _date_of(stamps) == _date_of(
            preset.parts.timestamp_format
        ):
            found = _read(head, file, name, Parts(timestamp_format=stamps))
            if found is not None:
                return found
    return None


def _date_of(timestamp_format: str | None) -> str:
    """The date in a format: what stands before the first blank or T."""
    return re.split(r"[ T]", timestamp_format or "", maxsplit=1)[0]


def _read(head: Head, file: str, dialect: str, parts: Parts) -> Fit | None:
    """The fit of a preset with these parts; None if it does not read the text."""
    preset = presets.find(dialect) if dialect else None
    known = (parts.over(preset.parts) if preset else parts).given()
    missing = []
    rule = known.get("instrument")
    if rule is None or (rule.pattern and not rule.column and not _names(rule, head)):
        missing.append("instrument")
    if "timestamp_format" not in known:
        return None
    if not known.get("timezone") and stated_zone(known["timestamp_format"]) is None:
        missing.append("timezone")
    assumed = {name: value for name, value in _ASSUMED.items() if name in missing}
    try:
        source = Source(glob="x", dialect=dialect, **{**parts.given(), **assumed})
    except ValueError:
        return None
    format = _SETTINGS.format(source, accepted=False)
    read = preview(head, format)
    if read.interval and parts.interval is None:
        return _read(head, file, dialect, parts._replace(interval=read.interval))
    if _has_footer(head, read) and not known.get("skip_footer"):
        return _read(head, file, dialect, parts._replace(skip_footer=True))
    unlike = preset is not None and preset.parts.instrument and "instrument" in missing
    usual = preset.files if preset and not unlike else ()
    found = Fit(
        dialect=dialect,
        parts=parts,
        missing=tuple(missing),
        named=any(fnmatch.fnmatch(name, each) for each in usual for name in {file, head.name}),
        format=format,
        preview=read,
    )
    return found if is_read(read) else None


def _has_footer(head: Head, read: Preview) -> bool:
    """Whether a few lines at the end of the text, and no others, are no rows."""
    if not (head.whole and read.rows and read.bad) or read.rejected:
        return False
    last = max(int(lines[-1]) for _, _, lines in read.rows)
    return len(read.bad) <= LONGEST_FOOTER and all(row.line > last for row in read.bad)


def _names(rule: InstrumentRule, head: Head) -> bool:
    (found,) = rule.of_names([head.name])
    return bool(found and is_instrument(found))


def is_read(read: Preview) -> bool:
    """Whether a text was read as it was meant: nearly all rows are valid and plausible."""
    if read.rejected or not read.count:
        return False
    odd = len(read.bad) + sum(map(len, read.aside.values()))
    if read.bad and read.bad[0].line < min(int(lines[0]) for _, _, lines in read.rows):
        return False  # the first line is a header, or something else that is no row
    if len(read.bad) > max(1, _SHARE * read.total) or odd > max(2, read.total / 4):
        return False
    return all(price < _HIGHEST for price in _highest(read))


def _highest(read: Preview) -> Iterator[float]:
    """The highest price of each column."""
    for _, table, _ in read.rows:
        for column in table.prices:
            yield max(filterfalse(math.isnan, column.tolist()), default=0.0)
