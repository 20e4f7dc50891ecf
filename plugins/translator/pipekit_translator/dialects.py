"""Formats of raw files: the presets, their parts, and the complete format made of both.

Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import Literal

import attrs

from pipekit import setting
from pipekit_translator.layout import BARS, TICKS, Series
from pipekit_translator.stampformat import halves

BarTime = Literal["open", "close"]
Aggregate = Literal["", "1m"]

UNUSED = "-"  # the role of a column that is ignored
ROLES = (
    *("date", "time", "timestamp", "open", "high", "low", "close"),
    *("price", "bid", "ask", "volume", "instrument"),
)
BAR_SECONDS = 60

_NAMED = ("Date", "Time", "Open", "High", "Low", "Close", "Volume", "Instrument")
_OHLCV = ("open", "high", "low", "close", "volume")


@attrs.frozen
class InstrumentRule:
    """Where to find a file's instrument: exactly one of the three."""

    pattern: str = setting(
        "Regular expression for the file name; its first group is the instrument.",
        default="",
    )
    column: str = setting("Name of the column that holds the instrument.", default="")
    constant: str = setting("The instrument of every file of this source.", default="")

    def __attrs_post_init__(self) -> None:
        if sum(map(bool, (self.pattern, self.column, self.constant))) != 1:
            raise ValueError(
                "instrument: set exactly one of pattern, column and constant, "
                'for example instrument = { constant = "ES" }'
            )
        if self.pattern and not _groups(self.pattern):
            raise ValueError(
                f"instrument.pattern {self.pattern!r} has no group: put parentheses around the "
                "instrument, for example '^([A-Z]+)_'"
            )

    def of_names(self, names: Iterable[str]) -> Iterator[str | None]:
        """The instruments of files with these names; None if a name does not match."""
        if not self.pattern:
            return (self.constant or None for _ in names)
        return (found and found[1] for found in map(re.compile(self.pattern).search, names))


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"instrument.pattern {pattern!r}: {error}") from error


@attrs.frozen(kw_only=True)
class Dialect:
    """The parts of a preset, or of a source that spells them out.

    `columns`: a role each, `role=Name` if the header's name differs, `-` for one not used; with a
    header, the file's own order is used. `timestamp_format`: as for `strptime`, zero-padded; date
    and time in two columns are joined by a space. A final `Z` means UTC.
    """

    separator: str
    header: bool
    columns: tuple[str, ...]
    timestamp_format: str
    bar_time: BarTime = "open"
    instrument: InstrumentRule
    growing: bool = False


def _exporter(instrument: InstrumentRule) -> Dialect:
    return Dialect(
        separator=",",
        header=True,
        columns=tuple(name.lower() for name in _NAMED),
        timestamp_format="%Y-%m-%d %H:%M:%S",
        instrument=instrument,
    )


_LETTERS = r"^([A-Za-z]+(?:\d[A-Za-z]+)?)"  # a single digit between letters belongs to them: M2K

PRESETS = {
    "A": _exporter(InstrumentRule(column="Instrument")),
    "B": _exporter(InstrumentRule(pattern=r"^([^.]+)")),
    "C": Dialect(
        separator=";",
        header=False,
        columns=("timestamp", *_OHLCV),
        timestamp_format="%Y%m%d %H%M%S",
        bar_time="close",
        instrument=InstrumentRule(pattern=_LETTERS),
    ),
    "D": Dialect(
        separator=",",
        header=True,
        columns=("timestamp=timestamp_utc", *_OHLCV),
        timestamp_format="%Y-%m-%dT%H:%M:%SZ",
        instrument=InstrumentRule(pattern=r"^([^_]+)_"),
        growing=True,
    ),
    "T": Dialect(
        separator=",",
        header=True,
        columns=("date", "time", "price=Close", "volume", "instrument"),
        timestamp_format="%Y-%m-%d %H:%M:%S.%3f",
        instrument=InstrumentRule(column="Instrument"),
    ),
    "N": Dialect(
        separator=";",
        header=False,
        columns=("timestamp", "price", "bid", "ask", "volume"),
        timestamp_format="%Y%m%d %H%M%S %7f",
        instrument=InstrumentRule(pattern=_LETTERS),
    ),
}


@attrs.frozen(kw_only=True)
class FileFormat:
    """Everything that determines which rows a file yields: a change makes its files pending.

    `instruments`: those accepted; empty if the plan has already accepted the file by its name.
    """

    separator: str = setting("The character between two fields.")
    header: bool = setting("Whether the first line names the columns.")
    columns: tuple[str, ...] = setting("Role, or role=name, of each column.")
    timestamp_format: str = setting("As for strptime.")
    timezone: str = setting("Zone of the time stamps.")
    bar_time: BarTime = setting("Whether a time stamp is the bar's open or close.")
    instrument: InstrumentRule = setting("Where to find the instrument.")
    exchange_timezone: str = setting("Zone whose date decides the month of a row.")
    max_bad_fraction: float = setting("Share of invalid rows above which a file is rejected.")
    instruments: tuple[str, ...] = setting("Instruments accepted.", default=())
    aggregate: Aggregate = setting("What ticks are aggregated to.", default="")

    @property
    def series_read(self) -> Series:
        """What the file's rows are: bars or ticks."""
        return series_of(self.columns)

    @property
    def series_written(self) -> Series:
        """What they are published as."""
        return BARS if self.aggregate else self.series_read

    @cached_property
    def digest(self) -> str:
        """Identifies the rows a file yields; what can only reject a file is left out."""
        fields = attrs.asdict(self)
        del fields["instruments"], fields["max_bad_fraction"]
        text = json.dumps(fields, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def stamp_formats(self) -> list[tuple[str, str]]:
        """The columns that make up the time stamp, each with its format."""
        if not has_two_stamps(self.columns):
            return [("timestamp", self.timestamp_format)]
        found = halves(self.timestamp_format)
        assert found is not None  # see `stampformat.check`
        return [("date", found[0]), ("time", found[1])]


@cache
def roles_of(columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Role and header name of each column."""
    parts = [column.partition("=") for column in columns]
    return tuple((role, name or role) for role, _, name in parts)


@cache
def has_two_stamps(columns: tuple[str, ...]) -> bool:
    """Whether date and time are two columns."""
    return all(role != "timestamp" for role, _ in roles_of(columns))


@cache
def series_of(columns: tuple[str, ...]) -> Series:
    """What rows with these columns are: ticks have one price, and quotes."""
    return TICKS if any(role in TICKS.prices for role, _ in roles_of(columns)) else BARS


def check_columns(columns: tuple[str, ...]) -> None:
    """Raises ValueError for columns that make neither a bar nor a tick."""
    roles = roles_of(columns)
    unknown = [role for role, _ in roles if role not in (*ROLES, UNUSED)]
    if unknown:
        raise ValueError(
            f"columns: unknown role {unknown[0]!r}; use {', '.join(ROLES)}, or '-' for an ignored "
            "column"
        )
    used = [role for role, _ in roles if role != UNUSED]
    if len(used) != len(set(used)):
        twice = next(role for role in used if used.count(role) > 1)
        raise ValueError(f"columns: the role {twice!r} is given twice")
    names = [name.lower() for role, name in roles if role != UNUSED]
    if shared := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"columns: {shared[0]!r} is the name of two columns")
    series = series_of(columns)
    other = BARS if series is TICKS else TICKS
    mixed = [role for role in other.prices if role in used]
    if mixed:
        raise ValueError(
            f"columns: {mixed[0]!r} does not belong to {series.noun}; a tick has price, bid and "
            "ask, a bar open, high, low and close"
        )
    needed = [role for role in series.columns[1:] if role not in series.optional]
    missing = [role for role in needed if role not in used]
    stamp = "timestamp" in used, "date" in used and "time" in used
    if missing or sum(stamp) != 1:
        need = missing or ["timestamp (or date and time, not both)"]
        raise ValueError(f"columns: {', '.join(need)} missing")
