"""A source: which raw files, how they are read, and in which time zone."""

from __future__ import annotations

import datetime as dt
import math
import os

import attrs

from pipekit import setting
from pipekit_translator import presets, timezones
from pipekit_translator.columns import check_columns, columns_of, has_two_stamps, series_of
from pipekit_translator.contracts import FRONT, ContractRule, RollDates, RollName, rule_text
from pipekit_translator.dialects import (
    BarTime,
    DateRule,
    InstrumentRule,
    Missing,
    Price,
    Volume,
    VolumeType,
)
from pipekit_translator.layout import BARS, TICKS, seconds_of
from pipekit_translator.parts import NEEDED, Dialect, Parts
from pipekit_translator.stampformat import check, check_time, check_zone, stated_zone

_MOST_LINES = 1000  # before the rows
_POINTS = (".", ",")
_GROUPED = ",.'_ "


@attrs.frozen
class Source:
    """Raw files of one kind: which files, their format, and their time zone."""

    glob: str = setting(
        "Files of this source, relative to the project, or below one of [paths] inputs; {raw} "
        "stands for the setting `raw`.",
        affects_output=False,
    )
    dialect: str = setting(
        "A preset: A, B, C, D, T, N, or one that `pipekit sources list` names. Leave it out if all "
        "parts are given.",
        default="",
    )
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
    contract: ContractRule | None = setting(
        "Where to find the contract of a file or row (default: the preset's, or what follows the "
        "root in the name that the instrument is found in).",
        default=None,
    )
    roll: RollName | dict[str, str | dt.date] = setting(
        "Several contracts of one root. Empty: only one is taken. separate: each is an instrument "
        "of its own, ES-202003. front: each day from the one with the most volume. A table: from "
        "which date on which contract.",
        default="",
        converter=lambda roll: roll if isinstance(roll, str) else RollDates(roll),
    )
    growing: bool | None = setting(
        "Whether files may be read while they are still written to (default: only D).",
        default=None,
        affects_output=False,
    )
    aggregate: str = setting(
        "Interval, such as 1m, to whose bars ticks or shorter bars are aggregated. Empty: keep "
        "them as they are.",
        default="",
    )
    priority: int = setting(
        "If two files of a run hold the same bar, the higher priority wins.", default=0
    )

    def __attrs_post_init__(self) -> None:
        _check_source(self)

    def resolved(self) -> Dialect:
        """The preset, overridden by the parts that the source sets itself."""
        return Dialect.of(self.parts())

    def parts(self) -> Parts:
        """What the source says, and its preset where it says nothing."""
        own = Parts(*(getattr(self, name) for name in Parts._fields))
        preset = presets.find(self.dialect) if self.dialect else None
        return own.over(preset.parts) if preset else own

    def zone(self) -> str:
        """The zone of the time stamps."""
        dialect = self.resolved()
        stated = stated_zone(dialect.timestamp_format)
        return timezones.UTC if stated == timezones.UTC else dialect.timezone or stated or ""


def _check_source(source: Source) -> None:
    """Raises ValueError, whose message says what to write instead."""
    where = f"source {source.glob!r}"
    normal = os.path.normpath(source.glob)
    if normal.split(os.sep)[0] == "..":
        raise ValueError(
            f"{where}: glob must name files below the project's root, relative to it, or be an "
            "absolute path below one of [paths] inputs"
        )
    _check_parts(source, where)
    dialect = source.resolved()
    try:
        _check_layout(dialect)
        series, dated = series_of(dialect.columns), dialect.date is not None
        absent = ("volume",) * bool(dialect.volume) + ("price",) * (series is TICKS)
        check_columns(
            dialect.columns,
            header=bool(dialect.header),
            absent=(*absent, "bid", "ask"),
            dated=dated,
        )
        _check_names(dialect)
        _check_numbers(dialect)
        _check_ticks(source, dialect)
        _check_intervals(source, dialect)
        _check_roll(source, dialect)
        if dated:
            check_time(dialect.timestamp_format)
        else:
            check(dialect.timestamp_format, in_two=has_two_stamps(dialect.columns))
        check_zone(dialect.timestamp_format, dialect.timezone)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _check_parts(source: Source, where: str) -> None:
    """Raises ValueError for an unknown preset, or parts that nothing says."""
    if source.dialect and presets.find(source.dialect) is None:
        raise ValueError(
            f"{where}: unknown dialect {source.dialect!r}{presets.suggestion(source.dialect)}; "
            f"use one of {', '.join(presets.names())}, or leave it out and set {', '.join(NEEDED)}"
        )
    given = source.parts().given()
    missing = [name for name in NEEDED if name not in given]
    if missing and not source.dialect:
        raise ValueError(f"{where}: set a dialect, or else {', '.join(missing)}")
    naive = "timestamp_format" in given and stated_zone(given["timestamp_format"]) is None
    if naive and not given.get("timezone") and presets.asks(source.dialect, "timezone"):
        missing.append("timezone")
    if missing:
        raise ValueError(
            f"{where}: dialect {source.dialect!r} does not say {', '.join(missing)}: "
            f"{presets.hint(source.dialect, missing[0])}"
        )


def _check_layout(dialect: Dialect) -> None:
    if len(dialect.separator) != 1 or ord(dialect.separator) > 127 or dialect.separator in '\r\n"':
        raise ValueError(f"separator must be one ASCII character, not {dialect.separator!r}")
    if not 0 <= dialect.header <= _MOST_LINES:
        raise ValueError(f"header must be true, false or a number of lines, not {dialect.header}")
    if not 0 <= dialect.skip_lines <= _MOST_LINES:
        raise ValueError(
            f"skip_lines must be between 0 and {_MOST_LINES}, not {dialect.skip_lines}"
        )
    if dialect.skip_footer and dialect.growing:
        raise ValueError(
            "skip_footer needs the end of a file, and a growing file has none: set growing = false"
        )


def _check_names(dialect: Dialect) -> None:
    column = dialect.instrument.column.lower()
    others = [each for each in columns_of(dialect.columns) if each.role != "instrument"]
    if column and any(column in each.references for each in others):
        raise ValueError(f"{dialect.instrument.column!r} is the name of two columns")


def _check_numbers(dialect: Dialect) -> None:
    used = [column.role for column in columns_of(dialect.columns)]
    if dialect.volume and "volume" in used:
        raise ValueError('volume = "none", but columns have one: remove either')
    if dialect.missing_volume and dialect.volume:
        raise ValueError('missing_volume is for single rows; with volume = "none" there is none')
    if dialect.decimal not in _POINTS:
        raise ValueError(f"decimal must be '.' or ',', not {dialect.decimal!r}")
    if dialect.thousands and (len(dialect.thousands) != 1 or dialect.thousands not in _GROUPED):
        raise ValueError(f"thousands must be one of , . ' _ or a space, not {dialect.thousands!r}")
    if dialect.thousands == dialect.decimal:
        raise ValueError(f"decimal and thousands are both {dialect.decimal!r}: set the other one")
    if not 0 < dialect.price_scale < math.inf:
        raise ValueError(
            f"price_scale must be a number above 0, such as 0.01, not {dialect.price_scale!r}"
        )


def _check_ticks(source: Source, dialect: Dialect) -> None:
    used = [column.role for column in columns_of(dialect.columns)]
    if series_of(dialect.columns) is BARS:
        for name, value in {"price": dialect.price, "carry": dialect.carry}.items():
            if value:
                raise ValueError(f"{name} works on ticks, but these columns are bars")
        return
    needed = {"mid": ("bid", "ask")}.get(dialect.price, (dialect.price,))
    if dialect.price and "price" in used:
        raise ValueError(f'price = "{dialect.price}", but columns have a price: remove either')
    if dialect.price not in ("", "none") and (lacking := [n for n in needed if n not in used]):
        raise ValueError(
            f'price = "{dialect.price}", but columns have no {" and no ".join(lacking)}'
        )
    if source.aggregate and "price" not in used and dialect.price in ("", "none"):
        raise ValueError(
            'aggregate needs a price, but columns have none: set price = "bid", "ask" or "mid"'
        )
    if dialect.carry and dialect.growing:
        raise ValueError("carry needs all of a file: set growing = false")


def _check_intervals(source: Source, dialect: Dialect) -> None:
    for name, value in {"interval": dialect.interval, "aggregate": source.aggregate}.items():
        try:
            seconds_of(value or BARS.name)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    if series_of(dialect.columns) is TICKS:
        if dialect.interval != BARS.name:
            raise ValueError("interval is how far bars are apart, but these columns are ticks")
        return
    longer, shorter = seconds_of(source.aggregate or BARS.name), seconds_of(dialect.interval)
    if source.aggregate and (longer <= shorter or longer % shorter):
        raise ValueError(
            f"aggregate = {source.aggregate!r} cannot be made of bars of {dialect.interval!r}: set "
            "interval to that of the files, and aggregate to a multiple of it, or leave it out"
        )


def _check_roll(source: Source, dialect: Dialect) -> None:
    rule_text(source.roll)
    column = dialect.contract.column.lower() if dialect.contract else ""
    others = [each for each in columns_of(dialect.columns) if each.role != "instrument"]
    if column and any(column in each.references for each in others):
        raise ValueError(f"contract: {column!r} is the name of two columns")
    if column and not dialect.header:
        raise ValueError("contract.column needs a header with the column's name")
    if source.roll == FRONT and dialect.volume == "none":
        raise ValueError('roll = "front" goes by the volume, and volume = "none": write a table')
    if not source.roll or dialect.contract:
        return
    if dialect.instrument.column and not dialect.instrument.pattern:
        raise ValueError(
            "roll needs contracts, and nothing says where they are: set contract, or a pattern "
            "for the instrument's column"
        )
