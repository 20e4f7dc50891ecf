"""Formats of raw files: where instrument and date are, and the complete format of a file.

Plan and worker use it, so it imports no data library.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal

import attrs

from pipekit import setting
from pipekit_translator import contracts
from pipekit_translator.columns import has_two_stamps, series_of
from pipekit_translator.contracts import ContractRule
from pipekit_translator.layout import BARS, NAMING, TICKS, Series, bars_of, is_instrument
from pipekit_translator.stampformat import check_date, halves

BarTime = Literal["open", "close"]
VolumeType = Literal["int", "float"]
Missing = Literal["", "zero", "null"]
Price = Literal["", "bid", "ask", "mid", "none"]
Volume = Literal["", "none"]
OutlierRule = Literal["quarantine", "keep", "reject"]

EARLIEST, LATEST = "1970-01-01", "now + 2d"
MAX_DISTANCE = 180 * 86_400.0


class NameMap(dict[str, str]):
    """Names by the names that an export uses; hashable, as are the formats that hold it."""

    def __hash__(self) -> int:  # type: ignore[override]  # nobody changes it
        return hash(frozenset(self.items()))


@attrs.frozen
class InstrumentRule:
    """Where to find a file's instrument: a pattern, a column or a constant.

    With a column, the pattern is one for what is in the column.
    """

    pattern: str = setting(
        "Regular expression for the file name, or for the column if there is one; its first group "
        "is the instrument.",
        default="",
    )
    column: str = setting("Name of the column that holds the instrument.", default="")
    constant: str = setting("The instrument of every file of this source.", default="")
    map: dict[str, str] = setting(
        "Instruments by the names that the export uses.", factory=NameMap, converter=NameMap
    )
    ignore: tuple[str, ...] = setting(
        "Regular expressions; rows or files whose names they match are left out.", default=()
    )

    def __attrs_post_init__(self) -> None:
        given = [name for name in ("pattern", "column", "constant") if getattr(self, name)]
        if len(given) != 1 and given != ["pattern", "column"]:
            raise ValueError(
                "instrument: set exactly one of pattern, column and constant, or pattern and "
                'column, for example instrument = { constant = "ES" }'
            )
        if self.pattern and not _compiled("instrument.pattern", self.pattern).groups:
            raise ValueError(
                f"instrument.pattern {self.pattern!r} has no group: put parentheses around the "
                "instrument, for example '^([A-Z]+)_'"
            )
        for pattern in self.ignore:
            _compiled("instrument.ignore", pattern)
        if self.constant and (self.map or self.ignore):
            raise ValueError("instrument: a constant needs neither map nor ignore")
        for name in (*self.map.values(), *([self.constant] if self.constant else [])):
            if not is_instrument(name):
                raise ValueError(f"instrument: {name!r} is not a valid name: {NAMING}")

    def of_names(self, names: Iterable[str]) -> Iterator[str | None]:
        """The instruments of these names; None if a name does not match."""
        if self.constant:
            return (self.constant for _ in names)
        find = re.compile(self.pattern or "^(.*)$", re.DOTALL).search
        return (self.map.get(name) or self._mapped(find(name)) for name in names)

    def _mapped(self, found: re.Match[str] | None) -> str | None:
        name = found and found[1]
        return self.map.get(name, name) if name else None

    def code_in(self, name: str) -> str:
        """The code of a contract that follows the root in a name; empty if there is none."""
        if self.constant:
            at = len(self.constant)
            return contracts.code_after(name, at) if name.startswith(self.constant) else ""
        found = re.search(self.pattern, name) if self.pattern and name not in self.map else None
        return contracts.code_after(name, found.end(1)) if found and found[1] else ""

    def ignores(self, name: str) -> bool:
        """Whether what has this name is left out."""
        return any(re.search(pattern, name) for pattern in self.ignore)


def _compiled(field: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{field} {pattern!r}: {error}") from error


@attrs.frozen
class DateRule:
    """The date in the name of a file (or of an archive's member) whose rows have only a time."""

    pattern: str = setting("Regular expression for the name; its first group is the date.")
    format: str = setting("As for strptime.", default="%Y%m%d")

    def __attrs_post_init__(self) -> None:
        if not _compiled("date.pattern", self.pattern).groups:
            raise ValueError(
                f"date.pattern {self.pattern!r} has no group: put parentheses around the date, for "
                r"example '^(\d{8})_'"
            )
        check_date(self.format)

    def of_name(self, name: str) -> str | None:
        """The text of the date in a name; None if there is none."""
        found = re.search(self.pattern, name)
        return found[1] if found else None


# a single digit before or between letters belongs to them: 6E, M2K. Of `ESH20` the root is ES
_CODE = r"(?=[FGHJKMNQUVXZ](?:\d{4}|\d\d?)(?![0-9A-Za-z]))"
LETTERS = rf"^(\d?[A-Za-z]+?(?:\d[A-Za-z]+?)?{_CODE}|\d?[A-Za-z]+(?:\d[A-Za-z]+)?)"
LETTERS_BEFORE = r"^([A-Za-z]+(?:\d[A-Za-z]+)?)"  # what files are remembered with

# what is plausible: settings of the stage
JUDGED = ("earliest", "latest", "max_distance", "outliers")

# the fields added after 1.0, each a setting of a source; `reading` leaves them out at their default
ADDED = (
    *("volume", "volume_type", "missing_volume", "price", "carry", "decimal", "thousands"),
    *("price_scale", "skip_lines", "skip_footer", "date", "interval", "contract"),
)


@attrs.frozen(kw_only=True)
class FileFormat:
    """Everything that determines which rows a file yields: a change makes its files pending.

    `instruments`: those accepted; empty if the plan has already accepted the file by its name.
    """

    separator: str = setting("The character between two fields.")
    header: bool | int = setting("Number of lines that name the columns.")
    columns: tuple[str, ...] = setting("Role, or role=name, of each column.")
    timestamp_format: str = setting("As for strptime.")
    timezone: str = setting("Zone of the time stamps.")
    bar_time: BarTime = setting("Whether a time stamp is the bar's open or close.")
    instrument: InstrumentRule = setting("Where to find the instrument.")
    exchange_timezone: str = setting("Zone whose date decides the month of a row.")
    max_bad_fraction: float = setting("Share of invalid rows above which a file is rejected.")
    instruments: tuple[str, ...] = setting("Instruments accepted.", default=())
    aggregate: str = setting("The interval of bars that rows are aggregated to.", default="")
    interval: str = setting("How far bars are apart.", default=BARS.name)
    contract: ContractRule | None = setting("Where to find the contract.", default=None)
    roll: str = setting("What becomes of several contracts; see `contracts`.", default="")
    volume: Volume = setting("Whether there is none.", default="")
    volume_type: VolumeType = setting("Whether it may be fractional.", default="int")
    missing_volume: Missing = setting("What an empty one, or -1, means.", default="")
    price: Price = setting("What ticks without a price have instead.", default="")
    carry: bool = setting("Whether an empty price or quote is the last one.", default=False)
    decimal: str = setting("The decimal point.", default=".")
    thousands: str = setting("What may stand between groups of three digits.", default="")
    price_scale: float = setting("What prices are multiplied by.", default=1.0)
    skip_lines: int = setting("Lines before the header or the first row.", default=0)
    skip_footer: bool = setting("Whether lines at the end may be no rows.", default=False)
    date: DateRule | None = setting("Where it is in the name of a file.", default=None)
    earliest: str = setting("The first date that is plausible.", default=EARLIEST)
    latest: str = setting("The last one.", default=LATEST)
    max_distance: float = setting("From other rows, in seconds; 0: any.", default=MAX_DISTANCE)
    outliers: OutlierRule = setting("What becomes of them.", default="quarantine")

    @property
    def series_read(self) -> Series:
        """What the file's rows are: bars or ticks."""
        kind = series_of(self.columns)
        return kind if kind is TICKS else bars_of(self.interval)

    @property
    def series_written(self) -> Series:
        """What they are published as."""
        return bars_of(self.aggregate) if self.aggregate else self.series_read

    @cached_property
    def reading(self) -> dict[str, object]:
        """All fields, without those that were added later and are at their defaults.

        So a new version that adds a field makes no file pending.
        """
        fields = attrs.asdict(self)
        for field in attrs.fields(FileFormat):
            if field.name in (*ADDED, *JUDGED, "roll") and fields[field.name] == field.default:
                del fields[field.name]
        if self.instrument.pattern == LETTERS:
            fields["instrument"]["pattern"] = LETTERS_BEFORE
        for name in ("map", "ignore"):
            if not getattr(self.instrument, name):
                del fields["instrument"][name]
        return fields

    @cached_property
    def digest(self) -> str:
        """Identifies the rows a file yields; what can only reject a file is left out."""
        fields = {**self.reading}
        del fields["instruments"], fields["max_bad_fraction"]
        text = json.dumps(fields, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def has_contracts_in_rows(self) -> bool:
        """Whether a column says the contract of a row."""
        if self.contract is not None:
            return bool(self.contract.column)
        return bool(self.instrument.column and self.instrument.pattern)

    @property
    def has_own_contract_column(self) -> bool:
        """Whether that is another column than the instrument's."""
        column = self.contract.column.lower() if self.contract else ""
        return bool(column) and column != self.instrument.column.lower()

    def code_in(self, text: str) -> str:
        """The code of the contract in a file's name or a field; empty if there is none."""
        return (self.contract or self.instrument).code_in(text)

    def stamp_formats(self) -> list[tuple[str, str]]:
        """The columns that make up the time stamp, each with its format."""
        if not has_two_stamps(self.columns):
            return [("timestamp", self.timestamp_format)]
        if self.date is not None:
            return [("time", self.timestamp_format)]
        found = halves(self.timestamp_format)
        assert found is not None  # see `stampformat.check`
        return [("date", found[0]), ("time", found[1])]
