"""The translator's settings."""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Iterable
from typing import Any, Literal

import attrs

from pipekit import Duration, Size, setting
from pipekit_translator.dialects import (
    PRESETS,
    Aggregate,
    BarTime,
    Dialect,
    FileFormat,
    InstrumentRule,
    check_columns,
    check_format,
    is_aware,
    roles_of,
    series_of,
)
from pipekit_translator.layout import BARS

TICKS = {
    "ES": 0.25, "NQ": 0.25, "YM": 1.0, "RTY": 0.10, "CL": 0.01, "NG": 0.001, "GC": 0.10,
    "MES": 0.25, "MNQ": 0.25, "MYM": 1.0, "M2K": 0.10, "MCL": 0.01, "MNG": 0.001, "MGC": 0.10,
}  # fmt: skip
INSTRUMENTS = tuple(TICKS)
ANY = "*"
RAW = "{raw}"  # stands for the setting `raw` in a source's glob

Kernels = Literal["auto", "off"]

_PARTS = ("separator", "header", "columns", "timestamp_format", "bar_time", "instrument")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _known_zone(_instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    try:
        if value:
            zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{attribute.name}: {value!r} is not in the tz database; "
            "use a name such as 'UTC' or 'America/Chicago'"
        ) from error


def _fraction(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} must be between 0 and 1, not {value!r}")


def span(text: str) -> tuple[int, int]:
    """The first minute of the day and the end (excluded) of `HH:MM-HH:MM`."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time span; write for example '16:15-17:00'")
    hours = [int(part) for part in found.groups()]
    return hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]


def _span(_instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    try:
        first, end = span(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from error
    if first >= end:
        raise ValueError(f"{attribute.name}: {value!r} ends before it begins")


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
        "As for strptime, zero-padded; %3f is a fraction of three digits. Join the formats of a "
        "date and a time column with a space.",
        default="",
    )
    timezone: str = setting(
        "Time zone of the time stamps, such as UTC or America/Chicago.", default=""
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
        check_format(dialect.timestamp_format, dialect.columns)
        _known_zone(None, attrs.fields(Source).timezone, source.timezone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    taken = [name.lower() for role, name in roles_of(dialect.columns) if role != "instrument"]
    if dialect.instrument.column.lower() in taken:
        raise ValueError(f"{where}: {dialect.instrument.column!r} is the name of two columns")
    if source.aggregate and series_of(dialect.columns) is BARS:
        raise ValueError(f"{where}: aggregate works on ticks, but these columns are bars")
    if not source.timezone and not is_aware(dialect.timestamp_format):
        raise ValueError(
            f'{where}: its time stamps have no time zone; set timezone = "UTC" if they are UTC, or '
            'the zone they were exported in, such as timezone = "America/Chicago"'
        )


@attrs.frozen
class Quality:
    """Expectations of the data-quality report. Times of day are exchange time."""

    instruments: tuple[str, ...] = setting(
        "Instruments with this session; gaps and time zones of others are not checked.",
        default=INSTRUMENTS,
    )
    pause: str = setting("The daily break without trading.", default="16:15-17:00", validator=_span)
    core: str = setting("The busy part of the day.", default="08:00-15:15", validator=_span)
    min_core_share: float = setting(
        "Smallest plausible share of the volume in the busy part.", default=0.4, validator=_fraction
    )
    gap: Duration = setting(
        "Shortest time without bars inside a session that is reported as a gap.", default=1800.0
    )
    min_bars: int = setting(
        "Smallest number of bars that is checked for signs of a wrong time zone.", default=600
    )
    ticks: dict[str, float] = setting(
        "Tick size by instrument; prices of others are not checked.",
        factory=lambda: dict(TICKS),
    )


def _folder(_instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if not value or os.path.isabs(value) or ".." in value.replace("\\", "/").split("/"):
        raise ValueError(
            f"{attribute.name} must be a folder below the project's root, not {value!r}"
        )


@attrs.frozen
class Settings:
    """Settings of the translator."""

    raw: str = setting("Folder of the raw files.", default="data/raw", validator=_folder)
    processed: str = setting(
        "Folder of the processed bars.", default="data/processed", validator=_folder
    )
    sources: tuple[Source, ...] = setting(
        "Kinds of raw files. A file that no source matches is not read.",
        factory=lambda: (
            Source(glob=f"{RAW}/**/*DataExport_*_UTC.csv", dialect="A", timezone="UTC"),
            Source(glob=f"{RAW}/**/1m/*/*/*_1m_*.csv", dialect="D"),
        ),
    )
    instruments: tuple[str, ...] = setting(
        'Accepted instruments; ["*"] accepts all.', default=INSTRUMENTS
    )
    timezone: str = setting(
        "Time zone of the exchange; its date decides the month of a row.",
        default="America/Chicago",
        validator=_known_zone,
    )
    memory: Size = setting(
        "Approximate memory of the worker; rows that do not fit go to a temporary file.",
        default=256_000_000,
        affects_output=False,
    )
    kernels: Kernels = setting(
        "auto: read large input with compiled code. off: never compile; the result is the same.",
        default="auto",
        affects_output=False,
    )
    max_bad_fraction: float = setting(
        "A file with a greater share of invalid rows, and at least ten, is rejected.",
        default=0.01,
        validator=_fraction,
    )
    final_after: Duration = setting(
        "A last line without newline is read once the file has been unchanged for this long.",
        default=3600.0,
        affects_output=False,
    )
    quality: Quality = setting(
        "Expectations of the data-quality report.",
        factory=Quality,
        affects_output=False,
    )

    def accepts(self, instrument: str) -> bool:
        """Whether rows of this instrument are accepted."""
        return ANY in self.instruments or instrument in self.instruments

    def glob(self, source: Source) -> str:
        """The files of a source, relative to the project's root."""
        return source.glob.replace(RAW, self.raw.rstrip("/"))

    def format(self, source: Source, *, accepted: bool) -> FileFormat:
        """The format in which a source's files are read.

        `accepted`: the file names give the instrument, and it is one of those accepted; a change of
        the list then makes none of these files pending.
        """
        dialect = source.resolved()
        listed: Iterable[str] = () if accepted else sorted(set(self.instruments))
        return FileFormat(
            separator=dialect.separator,
            header=dialect.header,
            columns=dialect.columns,
            timestamp_format=dialect.timestamp_format,
            timezone="UTC" if is_aware(dialect.timestamp_format) else source.timezone,
            bar_time=dialect.bar_time,
            instrument=dialect.instrument,
            exchange_timezone=self.timezone,
            max_bad_fraction=self.max_bad_fraction,
            instruments=tuple(listed),
            aggregate=source.aggregate,
        )
