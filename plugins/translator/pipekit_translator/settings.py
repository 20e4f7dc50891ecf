"""The translator's settings; it imports no data library, since every plan loads it.

Its classes have no comparison and no repr: they would double the time that each takes to be made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

import attrs

from pipekit import Duration, setting
from pipekit_translator.dialects import (
    PRESETS,
    Aggregate,
    BarTime,
    Dialect,
    InstrumentRule,
    Reading,
    check_columns,
    check_format,
    is_aware,
    series_of,
)
from pipekit_translator.series import BARS

TICKS = {
    "ES": 0.25, "NQ": 0.25, "YM": 1.0, "RTY": 0.10, "CL": 0.01, "NG": 0.001, "GC": 0.10,
    "MES": 0.25, "MNQ": 0.25, "MYM": 1.0, "M2K": 0.10, "MCL": 0.01, "MNG": 0.001, "MGC": 0.10,
}  # fmt: skip
INSTRUMENTS = tuple(TICKS)
ANY = "*"
RAW = "{raw}"  # stands for the setting `raw` in a source's glob

_PARTS = ("separator", "header", "columns", "timestamp_format", "bar_time", "instrument")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(MB|GB)", re.IGNORECASE)
_FACTORS = {"MB": 1.0, "GB": 1000.0}
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _known_zone(_instance: object, attribute: Any, value: str) -> None:
    if value in ("", "UTC", attribute.default):
        return
    import zoneinfo  # 2 ms, only where another zone is set

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{attribute.name}: {value!r} is no time zone of the tz database; "
            "write for example 'UTC' or 'America/Chicago'"
        ) from error


def _fraction(_instance: object, attribute: Any, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} is a share between 0 and 1, not {value!r}")


def span(text: str) -> tuple[int, int]:
    """First minute and end (excluded) of `HH:MM-HH:MM`, in minutes of the day."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no span of time: write for example '16:15-17:00'")
    hours = [int(part) for part in found.groups()]
    return hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]


def _span(_instance: object, attribute: Any, value: str) -> None:
    try:
        first, end = span(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from error
    if first >= end:
        raise ValueError(f"{attribute.name}: {value!r} ends before it begins")


def megabytes(text: str) -> float:
    """Of a size such as `256MB` or `1.5 GB`."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no size: write for example '256MB' or '1GB'")
    return float(found[1]) * _FACTORS[found[2].upper()]


def _size(_instance: object, attribute: Any, value: str) -> None:
    try:
        megabytes(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from error


@attrs.frozen(eq=False, repr=False)
class Source:
    """Raw files of one kind: which, how they are written, and what their times mean."""

    glob: str = setting(
        "Which files, from the project's root; {raw} stands for the setting raw.",
        affects_output=False,
    )
    dialect: str = setting(
        "Preset A, B, C, D, T or N; empty where all parts are given.", default=""
    )
    separator: str = setting("Between two fields: one character (default: preset's).", default="")
    header: bool | None = setting("Whether line 1 names the columns.", default=None)
    columns: tuple[str, ...] = setting(
        "Role of each column, role=Name where the header names it otherwise, - if unused.",
        default=(),
    )
    timestamp_format: str = setting(
        "As for strptime, zero-padded, %3f for a fraction of three digits; date and time columns "
        "joined by a space.",
        default="",
    )
    timezone: str = setting(
        "Zone of the file's time stamps, such as UTC or America/Chicago.", default=""
    )
    bar_time: BarTime | None = setting(
        "Whether a bar is stamped with its open or its close.", default=None
    )
    instrument: InstrumentRule | None = setting("Where the instrument stands.", default=None)
    aggregate: Aggregate = setting(
        "1m: make bars of a minute of a source's ticks; empty: keep them.", default=""
    )
    growing: bool | None = setting(
        "Whether files may be read while they are written to (default: D alone).",
        default=None,
        affects_output=False,
    )
    priority: int = setting(
        "Of two files with the same bar, that of the higher priority wins within a run.", default=0
    )

    def __attrs_post_init__(self) -> None:
        _check_source(self)

    def resolved(self) -> Dialect:
        """The preset with the parts that the source gives itself."""
        given = {
            name: value
            for name in (*_PARTS, "growing")
            if (value := getattr(self, name)) not in (None, "", ())
        }
        if self.dialect:
            return attrs.evolve(PRESETS[self.dialect], **given)
        return Dialect(**given)


def _check_source(source: Source) -> None:
    """Raises ValueError with a sentence that says what to write."""
    where = f"source {source.glob!r}"
    if source.dialect and source.dialect not in PRESETS:
        raise ValueError(
            f"{where}: dialect {source.dialect!r} is none of {', '.join(PRESETS)}; "
            "leave it out and give separator, header, columns, timestamp_format and instrument"
        )
    missing = [name for name in _PARTS if getattr(source, name) in (None, "", ())]
    missing = [name for name in missing if name != "bar_time"]
    if missing and not source.dialect:
        raise ValueError(f"{where}: without a dialect it must say {', '.join(missing)}")
    dialect = source.resolved()
    if len(dialect.separator) != 1 or ord(dialect.separator) > 127 or dialect.separator in '\r\n"':
        raise ValueError(f"{where}: separator is one character, not {dialect.separator!r}")
    try:
        check_columns(dialect.columns)
        check_format(dialect.timestamp_format, dialect.columns)
        _known_zone(None, attrs.fields(Source).timezone, source.timezone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if source.aggregate and series_of(dialect.columns) is BARS:
        raise ValueError(f"{where}: aggregate is for ticks, and these are bars")
    if not source.timezone and not is_aware(dialect.timestamp_format):
        raise ValueError(
            f'{where}: its time stamps name no zone; write timezone = "UTC" if they are UTC, or '
            'the zone they were exported in, such as timezone = "America/Chicago"'
        )


@attrs.frozen(eq=False, repr=False)
class Quality:
    """What the data-quality report holds the bars against, in exchange time."""

    instruments: tuple[str, ...] = setting(
        "Instruments whose session is as below; others are not judged by it.",
        default=INSTRUMENTS,
    )
    pause: str = setting(
        "The part of the day without trade.", default="16:15-17:00", validator=_span
    )
    core: str = setting("The busy part of the day.", default="08:00-15:15", validator=_span)
    min_core_share: float = setting(
        "Least share of the volume in the busy part.", default=0.4, validator=_fraction
    )
    gap: Duration = setting("A hole in a session at least so long is a gap.", default=1800.0)
    min_bars: int = setting("Signs of a wrong zone are looked for in so many bars.", default=600)
    ticks: dict[str, float] = setting(
        "Smallest price step by instrument; prices of others are not checked.",
        factory=lambda: dict(TICKS),
    )


def _default_sources() -> tuple[Source, ...]:
    return (
        Source(glob=f"{RAW}/**/*DataExport_*_UTC.csv", dialect="A", timezone="UTC"),
        Source(glob=f"{RAW}/**/1m/*/*/*_1m_*.csv", dialect="D"),
    )


def _folder(_instance: object, attribute: Any, value: str) -> None:
    if not value or os.path.isabs(value) or ".." in value.replace("\\", "/").split("/"):
        raise ValueError(f"{attribute.name} is a folder below the project's root, not {value!r}")


@attrs.frozen(eq=False, repr=False)
class Settings:
    """Of the translator."""

    raw: str = setting("Folder of the raw files.", default="data/raw", validator=_folder)
    processed: str = setting(
        "Folder of the processed bars.", default="data/processed", validator=_folder
    )
    sources: tuple[Source, ...] = setting(
        "Kinds of raw files; one that no source matches is left alone.", factory=_default_sources
    )
    instruments: tuple[str, ...] = setting(
        'Instruments accepted; ["*"]: whatever the files name.', default=INSTRUMENTS
    )
    timezone: str = setting(
        "The exchange's: its date decides the month of a row.",
        default="America/Chicago",
        validator=_known_zone,
    )
    memory: str = setting(
        "What the process may take, roughly: with more input, rows wait in a temporary file.",
        default="256MB",
        affects_output=False,
        validator=_size,
    )
    max_bad_fraction: float = setting(
        "A file with a greater share of invalid rows (and at least ten) is rejected whole.",
        default=0.01,
        validator=_fraction,
    )
    final_after: Duration = setting(
        "A last line without newline is taken once the file has not changed for so long.",
        default=3600.0,
        affects_output=False,
    )
    quality: Quality = setting(
        "What the data-quality report holds the bars against.",
        factory=Quality,
        affects_output=False,
    )

    def accepts(self, instrument: str) -> bool:
        """Whether bars of this instrument are taken."""
        return ANY in self.instruments or instrument in self.instruments

    def glob(self, source: Source) -> str:
        """Which files a source takes, from the project's root."""
        return source.glob.replace(RAW, self.raw.rstrip("/"))

    def reading(self, source: Source, *, accepted: bool) -> Reading:
        """What decides what comes of a source's files.

        `accepted`: their names say the instrument and it is one of those accepted, so that a
        change of the list makes none of them pending.
        """
        dialect = source.resolved()
        listed: Iterable[str] = () if accepted else sorted(set(self.instruments))
        return Reading(
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
