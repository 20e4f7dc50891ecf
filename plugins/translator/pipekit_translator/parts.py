"""The parts of a source that a preset may set, and the complete dialect made of them.

Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

from typing import Any, Self

import attrs

from pipekit import setting
from pipekit_translator.dialects import (
    BarTime,
    DateRule,
    InstrumentRule,
    Missing,
    Price,
    Volume,
    VolumeType,
)
from pipekit_translator.layout import BARS


@attrs.frozen(kw_only=True)
class Parts:
    """What a preset may say of a kind of files, and a source may say instead; None: nothing."""

    separator: str | None = setting(
        "The character between two fields (default: the preset's).", default=None
    )
    header: bool | int | None = setting(
        "Whether the first line names the columns (default: the preset's), or how many lines do.",
        default=None,
    )
    columns: tuple[str, ...] | None = setting(
        "Role of each column; role=Name if the header uses another name, role=#3 for the third "
        "column, volume=Up+Down for a sum, - to ignore a column (default: the preset's).",
        default=None,
    )
    skip_lines: int | None = setting(
        "Lines before the header or the first row (default: the preset's, or 0).", default=None
    )
    skip_footer: bool | None = setting(
        "Whether up to ten lines at the end may be no rows; they are counted (default: the "
        "preset's, or no).",
        default=None,
    )
    decimal: str | None = setting(
        "The decimal point of numbers (default: the preset's, or a point).", default=None
    )
    thousands: str | None = setting(
        "The character between groups of three digits (default: the preset's, or none).",
        default=None,
    )
    price_scale: float | None = setting(
        "What prices are multiplied by, such as 1e-9 for whole numbers of billionths (default: the "
        "preset's, or 1).",
        default=None,
    )
    volume: Volume | None = setting(
        "none: the files have no volume, and it is null. Empty: they have (default: the preset's, "
        "or they have).",
        default=None,
    )
    volume_type: VolumeType | None = setting(
        "int: whole numbers. float: fractions, too. An instrument's bars have one type (default: "
        "the preset's, or int).",
        default=None,
    )
    missing_volume: Missing | None = setting(
        "What an empty volume or -1 stands for: zero or null. Empty: the row is invalid (default: "
        "the preset's, or invalid).",
        default=None,
    )
    price: Price | None = setting(
        "What ticks without a price have instead: bid, ask, mid (of both) or none (null; the "
        "default, unless the preset says something else).",
        default=None,
    )
    carry: bool | None = setting(
        "Whether an empty price, bid or ask is the one of the row before, as in ticks of "
        "MetaTrader (default: the preset's, or no).",
        default=None,
    )
    timestamp_format: str | None = setting(
        "As for strptime; %3f is a fraction of three digits; or epoch_s, epoch_ms, epoch_us, "
        "epoch_ns; ms_of_day or s_of_day for a time of day. Join the formats of a date and a time "
        "column with a space (default: the preset's).",
        default=None,
    )
    date: DateRule | None = setting(
        "Where the date is in the files' names, if rows have only a time (default: the preset's, "
        "or none).",
        default=None,
    )
    timezone: str | None = setting(
        "Time zone of the time stamps, such as UTC or America/Chicago, an offset such as +02:00, "
        "or a zone with one, such as America/New_York+07:00 (default: the preset's, if it is "
        "always the same).",
        default=None,
    )
    bar_time: BarTime | None = setting(
        "Whether a time stamp is the bar's open or its close (default: the preset's, or open).",
        default=None,
    )
    interval: str | None = setting(
        "How far bars are apart, such as 5s, 1m, 5m or 1h; files of another interval are rejected "
        "(default: the preset's, or 1m).",
        default=None,
    )
    instrument: InstrumentRule | None = setting(
        "Where to find the instrument (default: the preset's, if it is always in one place).",
        default=None,
    )
    growing: bool | None = setting(
        "Whether files may be read while they are still written to (default: only D).",
        default=None,
        affects_output=False,
    )


NAMES = tuple(field.name for field in attrs.fields(Parts))
NEEDED = ("separator", "header", "columns", "timestamp_format", "instrument")
"""What has no default: a preset or the source must say it."""


@attrs.frozen(kw_only=True)
class Dialect:
    """All parts of a kind of files.

    `header`: the number of lines that name the columns. `columns`: see `columns`; with a header,
    the file's own order is used. `timestamp_format`: see `stampformat`; date and time in two
    columns are joined by a space. `timezone`: empty if nobody says it.
    """

    separator: str
    header: bool | int
    columns: tuple[str, ...]
    timestamp_format: str
    instrument: InstrumentRule
    bar_time: BarTime = "open"
    interval: str = BARS.name
    timezone: str = ""
    date: DateRule | None = None
    skip_lines: int = 0
    skip_footer: bool = False
    decimal: str = "."
    thousands: str = ""
    price_scale: float = 1.0
    volume: Volume = ""
    volume_type: VolumeType = "int"
    missing_volume: Missing = ""
    price: Price = ""
    carry: bool = False
    growing: bool = False

    @classmethod
    def of(cls, *parts: Parts) -> Self:
        """The dialect of these parts; of several that say something, the first one is right."""
        return cls(**said(*parts))


def said(*parts: Parts) -> dict[str, Any]:
    """What parts say, by name; of several that say something, the first one is right."""
    found: dict[str, Any] = {}
    for each in reversed(parts):
        found |= {name: value for name in NAMES if (value := getattr(each, name)) is not None}
    return found
