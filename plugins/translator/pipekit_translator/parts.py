"""The parts of a source that a preset may set, and the complete dialect made of them.

Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from pipekit_translator.contracts import ContractRule
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


class Parts(NamedTuple):
    """What a preset says of a kind of files, or a source instead; None: nothing.

    Each is a setting of a source, where it is described.
    """

    separator: str | None = None
    header: bool | int | None = None
    columns: tuple[str, ...] | None = None
    skip_lines: int | None = None
    skip_footer: bool | None = None
    decimal: str | None = None
    thousands: str | None = None
    price_scale: float | None = None
    volume: Volume | None = None
    volume_type: VolumeType | None = None
    missing_volume: Missing | None = None
    price: Price | None = None
    carry: bool | None = None
    timestamp_format: str | None = None
    date: DateRule | None = None
    timezone: str | None = None
    bar_time: BarTime | None = None
    interval: str | None = None
    instrument: InstrumentRule | None = None
    contract: ContractRule | None = None
    growing: bool | None = None

    def given(self) -> dict[str, Any]:
        """What is said, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def over(self, other: Parts) -> Parts:
        """These parts, and where they say nothing, the other's."""
        return other._replace(**self.given())


NEEDED = ("separator", "header", "columns", "timestamp_format", "instrument")
"""What has no default: a preset or the source must say it."""


class Dialect(NamedTuple):
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
    contract: ContractRule | None = None
    growing: bool = False

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The dialect of these parts, which say everything that is needed."""
        return cls(**parts.given())
