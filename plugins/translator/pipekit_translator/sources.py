"""A source: which raw files, how they are read, and in which time zone."""

from __future__ import annotations

import os

import attrs

from pipekit import setting
from pipekit_translator import timezones
from pipekit_translator.dialects import (
    PRESETS,
    Aggregate,
    BarTime,
    Dialect,
    InstrumentRule,
    check_columns,
    has_two_stamps,
    roles_of,
    series_of,
)
from pipekit_translator.layout import BARS
from pipekit_translator.stampformat import check, check_zone, stated_zone

_PARTS = ("separator", "header", "columns", "timestamp_format", "bar_time", "instrument")


@attrs.frozen
class Source:
    """Raw files of one kind: which files, their format, and their time zone."""

    glob: str = setting(
        "Files of this source, relative to the project; {raw} stands for the setting `raw`.",
        affects_output=False,
    )
    dialect: str = setting(
        "Preset A, B, C, D, T or N. Leave it out if all parts are given.", default=""
    )
    separator: str = setting(
        "The character between two fields (default: the preset's).", default=""
    )
    header: bool | None = setting(
        "Whether the first line names the columns (default: the preset's).", default=None
    )
    columns: tuple[str, ...] = setting(
        "Role of each column; role=Name if the header uses another name, - to ignore it.",
        default=(),
    )
    timestamp_format: str = setting(
        "As for strptime; %3f is a fraction of three digits; or epoch_s, epoch_ms, epoch_us, "
        "epoch_ns. Join the formats of a date and a time column with a space.",
        default="",
    )
    timezone: str = setting(
        "Time zone of the time stamps, such as UTC or America/Chicago, an offset such as +02:00, "
        "or a zone with one, such as America/New_York+07:00.",
        default="",
    )
    bar_time: BarTime | None = setting(
        "Whether a time stamp is the bar's open or its close.", default=None
    )
    instrument: InstrumentRule | None = setting("Where to find the instrument.", default=None)
    aggregate: Aggregate = setting(
        "1m: aggregate ticks to one-minute bars. Empty: keep ticks.", default=""
    )
    growing: bool | None = setting(
        "Whether files may be read while they are still written to (default: only D).",
        default=None,
        affects_output=False,
    )
    priority: int = setting(
        "If two files of a run hold the same bar, the higher priority wins.", default=0
    )

    def __attrs_post_init__(self) -> None:
        _check_source(self)

    def resolved(self) -> Dialect:
        """The preset, overridden by the parts that the source sets itself."""
        given = {
            name: value
            for name in (*_PARTS, "growing")
            if (value := getattr(self, name)) not in (None, "", ())
        }
        if self.dialect:
            return attrs.evolve(PRESETS[self.dialect], **given)
        return Dialect(**given)

    def zone(self) -> str:
        """The zone of the time stamps."""
        stated = stated_zone(self.resolved().timestamp_format)
        return timezones.UTC if stated == timezones.UTC else self.timezone or stated or ""


def _check_source(source: Source) -> None:
    """Raises ValueError, whose message says what to write instead."""
    where = f"source {source.glob!r}"
    normal = os.path.normpath(source.glob)
    if os.path.isabs(normal) or normal.split(os.sep)[0] == "..":
        raise ValueError(f"{where}: glob must name files below the project's root, relative to it")
    if source.dialect and source.dialect not in PRESETS:
        raise ValueError(
            f"{where}: unknown dialect {source.dialect!r}; use one of {', '.join(PRESETS)}, or "
            "leave it out and set separator, header, columns, timestamp_format and instrument"
        )
    needed = [name for name in _PARTS if name != "bar_time"]
    missing = [name for name in needed if getattr(source, name) in (None, "", ())]
    if missing and not source.dialect:
        raise ValueError(f"{where}: set a dialect, or else {', '.join(missing)}")
    dialect = source.resolved()
    if len(dialect.separator) != 1 or ord(dialect.separator) > 127 or dialect.separator in '\r\n"':
        raise ValueError(
            f"{where}: separator must be one ASCII character, not {dialect.separator!r}"
        )
    try:
        check_columns(dialect.columns)
        check(dialect.timestamp_format, in_two=has_two_stamps(dialect.columns))
        check_zone(dialect.timestamp_format, source.timezone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    taken = [name.lower() for role, name in roles_of(dialect.columns) if role != "instrument"]
    if dialect.instrument.column.lower() in taken:
        raise ValueError(f"{where}: {dialect.instrument.column!r} is the name of two columns")
    if source.aggregate and series_of(dialect.columns) is BARS:
        raise ValueError(f"{where}: aggregate works on ticks, but these columns are bars")
