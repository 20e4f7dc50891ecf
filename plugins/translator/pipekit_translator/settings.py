"""The translator's settings."""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Iterable
from typing import Literal

import attrs

from pipekit import Duration, Size, setting
from pipekit_translator import bounds
from pipekit_translator.contracts import rule_text
from pipekit_translator.dialects import (
    ADDED,
    EARLIEST,
    JUDGED,
    LATEST,
    MAX_DISTANCE,
    FileFormat,
    OutlierRule,
)
from pipekit_translator.sources import Source

TICKS = {
    "ES": 0.25, "NQ": 0.25, "YM": 1.0, "RTY": 0.10, "CL": 0.01, "NG": 0.001, "GC": 0.10,
    "MES": 0.25, "MNQ": 0.25, "MYM": 1.0, "M2K": 0.10, "MCL": 0.01, "MNG": 0.001, "MGC": 0.10,
}  # fmt: skip
INSTRUMENTS = tuple(TICKS)
ANY = "*"
RAW = "{raw}"  # stands for the setting `raw` in a source's glob

Kernels = Literal["auto", "off"]

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _known_zone(_instance: object, _attribute: object, value: str) -> None:
    try:
        if value:
            zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{value!r} is not in the tz database; use a name such as 'UTC' or 'America/Chicago'"
        ) from error


def _time(_instance: object, _attribute: object, value: str) -> None:
    bounds.instant(value, 0)


def _fraction(_instance: object, _attribute: object, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"must be between 0 and 1, not {value!r}")


def span(text: str) -> tuple[int, int]:
    """The first minute of the day and the end (excluded) of `HH:MM-HH:MM`."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time span; write for example '16:15-17:00'")
    hours = [int(part) for part in found.groups()]
    return hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]


def _span(_instance: object, _attribute: object, value: str) -> None:
    first, end = span(value)
    if first >= end:
        raise ValueError(f"{value!r} ends before it begins")


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


def _folder(_instance: object, _attribute: object, value: str) -> None:
    if not value or os.path.isabs(value) or ".." in value.replace("\\", "/").split("/"):
        raise ValueError(f"must be a folder below the project's root, not {value!r}")


def _raw_folder(instance: object, attribute: object, value: str) -> None:
    if not os.path.isabs(value):
        _folder(instance, attribute, value)


@attrs.frozen
class Settings:
    """Settings of the translator."""

    raw: str = setting(
        "Folder of the raw files; one outside the project is absolute, and below one of [paths] "
        "inputs.",
        default="data/raw",
        validator=_raw_folder,
    )
    processed: str = setting(
        "Folder of the processed bars.",
        default="data/processed",
        validator=_folder,
        publishes=True,
    )
    contracts: str = setting(
        "Folder of the rows of each contract, from which roll puts the root together.",
        default="data/contracts",
        validator=_folder,
        publishes=lambda settings: any(source.roll for source in settings.sources),
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
        "A file with a greater share of invalid rows, and at least ten, is rejected; so is one "
        "without a valid row, unless this is 1.",
        default=0.01,
        validator=_fraction,
    )
    partial_at: float = setting(
        "The run is partial if this share of a file's rows, or more, is set aside (1: all rows).",
        default=1.0,
        validator=_fraction,
        affects_output=False,
    )
    earliest: str = setting(
        "Rows of an earlier date are set aside: a date, or a time such as now - 30d.",
        default=EARLIEST,
        validator=_time,
    )
    latest: str = setting(
        "Rows of a later date are set aside: a date, or a time such as now + 2d.",
        default=LATEST,
        validator=_time,
    )
    max_distance: Duration = setting(
        "Up to ten rows together that are farther than this from the rows before and after them "
        "are set aside; 0: none are.",
        default=MAX_DISTANCE,
    )
    outliers: OutlierRule = setting(
        "Bars that fill gaps with zeros or a false price, and prices far off those around them: "
        "quarantine sets them aside, keep publishes them, reject rejects their file.",
        default="quarantine",
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

    @property
    def reads_raw(self) -> bool:
        """Whether any source has files in the folder `raw`."""
        raw = f"{self.raw.rstrip('/')}/"
        return any(self.glob(source).startswith(raw) for source in self.sources)

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
            timezone=source.zone(),
            bar_time=dialect.bar_time,
            instrument=dialect.instrument,
            exchange_timezone=self.timezone,
            max_bad_fraction=self.max_bad_fraction,
            instruments=tuple(listed),
            aggregate=source.aggregate,
            roll=rule_text(source.roll),
            **{name: getattr(dialect, name) for name in ADDED},
            **{name: getattr(self, name) for name in JUDGED},
        )
