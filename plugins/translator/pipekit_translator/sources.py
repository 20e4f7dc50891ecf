"""A source: which raw files, how they are read, and in which time zone."""

from __future__ import annotations

import datetime as dt
import math
import os

import attrs

from pipekit import setting
from pipekit_translator import timezones
from pipekit_translator.columns import check_columns, columns_of, has_two_stamps, series_of
from pipekit_translator.contracts import FRONT, ContractRule, RollDates, RollName, rule_text
from pipekit_translator.dialects import (
    PRESETS,
    BarTime,
    Dialect,
    InstrumentRule,
    Missing,
    Price,
    Volume,
    VolumeType,
)
from pipekit_translator.layout import BARS, TICKS, seconds_of
from pipekit_translator.stampformat import check, check_zone, stated_zone

_MOST_LINES = 1000  # before the rows
_POINTS = (".", ",")
_GROUPED = ",.'_ "
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
    header: bool | int | None = setting(
        "Whether the first line names the columns (default: the preset's), or how many lines do.",
        default=None,
    )
    columns: tuple[str, ...] = setting(
        "Role of each column; role=Name if the header uses another name, role=#3 for the third "
        "column, volume=Up+Down for a sum, - to ignore a column.",
        default=(),
    )
    skip_lines: int = setting("Lines before the header or the first row.", default=0)
    skip_footer: bool = setting(
        "Whether up to ten lines at the end may be no rows; they are counted.", default=False
    )
    decimal: str = setting("The decimal point of numbers.", default=".")
    thousands: str = setting(
        "The character between groups of three digits, if there is one.", default=""
    )
    price_scale: float = setting(
        "What prices are multiplied by, such as 1e-9 for whole numbers of billionths.", default=1.0
    )
    volume: Volume = setting(
        "none: the files have no volume, and it is null. Empty: they have.", default=""
    )
    volume_type: VolumeType = setting(
        "int: whole numbers. float: fractions, too. An instrument's bars have one type.",
        default="int",
    )
    missing_volume: Missing = setting(
        "What an empty volume or -1 stands for: zero or null. Empty: the row is invalid.",
        default="",
    )
    price: Price = setting(
        "What ticks without a price have instead: bid, ask, mid (of both) or none (null).",
        default="",
    )
    carry: bool = setting(
        "Whether an empty price, bid or ask is the one of the row before (ticks of MetaTrader).",
        default=False,
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
    contract: ContractRule | None = setting(
        "Where to find the contract of a file or row (default: what follows the root in the name "
        "that the instrument is found in).",
        default=None,
    )
    roll: RollName | dict[str, str | dt.date] = setting(
        "Several contracts of one root. Empty: only one is taken. separate: each is an instrument "
        "of its own, ES-202003. front: each day from the one with the most volume. A table: from "
        "which date on which contract.",
        default="",
        converter=lambda roll: roll if isinstance(roll, str) else RollDates(roll),
    )
    interval: str = setting(
        "How far bars are apart, such as 5s, 1m, 5m or 1h; files of another interval are rejected.",
        default=BARS.name,
    )
    aggregate: str = setting(
        "Interval, such as 1m, to whose bars ticks or shorter bars are aggregated. Empty: keep "
        "them as they are.",
        default="",
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
    try:
        _check_layout(source, dialect)
        series = series_of(dialect.columns)
        absent = ("volume",) * bool(source.volume) + ("price",) * (series is TICKS)
        check_columns(dialect.columns, header=bool(dialect.header), absent=(*absent, "bid", "ask"))
        _check_names(dialect)
        _check_numbers(source, dialect)
        _check_ticks(source, dialect)
        _check_intervals(source, dialect)
        _check_roll(source, dialect)
        check(dialect.timestamp_format, in_two=has_two_stamps(dialect.columns))
        check_zone(dialect.timestamp_format, source.timezone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _check_layout(source: Source, dialect: Dialect) -> None:
    if len(dialect.separator) != 1 or ord(dialect.separator) > 127 or dialect.separator in '\r\n"':
        raise ValueError(f"separator must be one ASCII character, not {dialect.separator!r}")
    if not 0 <= dialect.header <= _MOST_LINES:
        raise ValueError(f"header must be true, false or a number of lines, not {dialect.header}")
    if not 0 <= source.skip_lines <= _MOST_LINES:
        raise ValueError(f"skip_lines must be between 0 and {_MOST_LINES}, not {source.skip_lines}")
    if source.skip_footer and dialect.growing:
        raise ValueError(
            "skip_footer needs the end of a file, and a growing file has none: set growing = false"
        )


def _check_names(dialect: Dialect) -> None:
    column = dialect.instrument.column.lower()
    others = [each for each in columns_of(dialect.columns) if each.role != "instrument"]
    if column and any(column in each.references for each in others):
        raise ValueError(f"{dialect.instrument.column!r} is the name of two columns")


def _check_numbers(source: Source, dialect: Dialect) -> None:
    used = [column.role for column in columns_of(dialect.columns)]
    if source.volume and "volume" in used:
        raise ValueError('volume = "none", but columns have one: remove either')
    if source.missing_volume and source.volume:
        raise ValueError('missing_volume is for single rows; with volume = "none" there is none')
    if source.decimal not in _POINTS:
        raise ValueError(f"decimal must be '.' or ',', not {source.decimal!r}")
    if source.thousands and (len(source.thousands) != 1 or source.thousands not in _GROUPED):
        raise ValueError(f"thousands must be one of , . ' _ or a space, not {source.thousands!r}")
    if source.thousands == source.decimal:
        raise ValueError(f"decimal and thousands are both {source.decimal!r}: set the other one")
    if not 0 < source.price_scale < math.inf:
        raise ValueError(
            f"price_scale must be a number above 0, such as 0.01, not {source.price_scale!r}"
        )


def _check_ticks(source: Source, dialect: Dialect) -> None:
    used = [column.role for column in columns_of(dialect.columns)]
    if series_of(dialect.columns) is BARS:
        for name in ("price", "carry"):
            if getattr(source, name):
                raise ValueError(f"{name} works on ticks, but these columns are bars")
        return
    needed = {"mid": ("bid", "ask")}.get(source.price, (source.price,))
    if source.price and "price" in used:
        raise ValueError(f'price = "{source.price}", but columns have a price: remove either')
    if source.price not in ("", "none") and (lacking := [n for n in needed if n not in used]):
        raise ValueError(
            f'price = "{source.price}", but columns have no {" and no ".join(lacking)}'
        )
    if source.aggregate and "price" not in used and source.price in ("", "none"):
        raise ValueError(
            'aggregate needs a price, but columns have none: set price = "bid", "ask" or "mid"'
        )
    if source.carry and dialect.growing:
        raise ValueError("carry needs all of a file: set growing = false")


def _check_intervals(source: Source, dialect: Dialect) -> None:
    for name in ("interval", "aggregate"):
        try:
            seconds_of(getattr(source, name) or BARS.name)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    if series_of(dialect.columns) is TICKS:
        if source.interval != BARS.name:
            raise ValueError("interval is how far bars are apart, but these columns are ticks")
        return
    longer, shorter = seconds_of(source.aggregate or BARS.name), seconds_of(source.interval)
    if source.aggregate and (longer <= shorter or longer % shorter):
        raise ValueError(
            f"aggregate = {source.aggregate!r} cannot be made of bars of {source.interval!r}: set "
            "interval to that of the files, and aggregate to a multiple of it, or leave it out"
        )


def _check_roll(source: Source, dialect: Dialect) -> None:
    rule_text(source.roll)
    column = source.contract.column.lower() if source.contract else ""
    others = [each for each in columns_of(dialect.columns) if each.role != "instrument"]
    if column and any(column in each.references for each in others):
        raise ValueError(f"contract: {column!r} is the name of two columns")
    if column and not dialect.header:
        raise ValueError("contract.column needs a header with the column's name")
    if source.roll == FRONT and source.volume == "none":
        raise ValueError('roll = "front" goes by the volume, and volume = "none": write a table')
    if not source.roll or source.contract:
        return
    if dialect.instrument.column and not dialect.instrument.pattern:
        raise ValueError(
            "roll needs contracts, and nothing says where they are: set contract, or a pattern "
            "for the instrument's column"
        )
