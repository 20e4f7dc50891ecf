"""Processed months as the analyzer reads them: their days, their digests and the bars in ticks.

Knows the files' schema and metadata (docs/reference: processed bars), and nothing of strategy.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
import pyarrow as pa  # noqa: TID253  # as above
from numpy.typing import NDArray  # noqa: TID253  # as above
from pyarrow.parquet import ParquetFile  # noqa: TID253  # as above

from pipekit.worker import Signature, fingerprint, hasher, look
from pipekit_analyzer.instruments import Instrument
from pipekit_analyzer.kernel import Bars
from pipekit_analyzer.parallel import together
from pipekit_analyzer.sessions import Exchange, instant_of, moment

DAYS_KEY, LAST_KEY, ZONE_KEY = b"pipekit.days", b"pipekit.last", b"pipekit.timezone"
PRICES = ("open", "high", "low", "close")
OFF_GRID = 1e-6  # of a tick: far above the error of a division, far below any other price
OFF_GRID_SHARE = 0.01  # of a day's bars: more than that is another tick, or another instrument
_TIME = pa.timestamp("us", "UTC")
_DAY = timedelta(days=1)

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class Opening(NamedTuple):
    """A file as it was read: where, and what its content is known by."""

    path: str
    fingerprint: str
    signature: Signature


class Refusal(NamedTuple):
    """A file whose content cannot be used, and why."""

    file: Opening
    reason: str


class RefusedError(ValueError):
    """Files that stay refused until their content or the settings change."""

    def __init__(self, *refusals: Refusal) -> None:
        self.refusals = refusals
        super().__init__("; ".join(f"{r.file.path}: {r.reason}" for r in refusals))


class Month(NamedTuple):
    """A processed file, opened. `days`: digest by date; `last`: its last bar (µs), or None."""

    path: str
    fingerprint: str
    signature: Signature
    file: ParquetFile
    days: dict[str, str]
    last: int | None

    def known(self) -> dict[str, Any]:
        """What the next plan is told of it."""
        last = None if self.last is None else moment(self.last).isoformat()
        return {"days": self.days, "last": last}


def gather(
    function: Callable[[_Item], _Found], items: Iterable[_Item], threads: int
) -> list[_Found]:
    """The function's results in order; all that is refused is named in one RefusedError."""

    def tried(item: _Item) -> _Found | RefusedError:
        try:
            return function(item)
        except RefusedError as error:
            return error

    tries = together(tried, items, threads)
    refusals = [r for one in tries if isinstance(one, RefusedError) for r in one.refusals]
    if refusals:
        raise RefusedError(*refusals)
    return [one for one in tries if not isinstance(one, RefusedError)]


def _refused(opening: Opening, reason: str) -> RefusedError:
    return RefusedError(Refusal(opening, reason))


def identify(path: str) -> Opening:
    """A file by its content, unread otherwise. Raises OSError."""
    signature = look(path)
    return Opening(path, fingerprint(path), signature)


def open_month(path: str, exchange: Exchange) -> Month:
    """Read a processed file whole. Raises OSError, or RefusedError for what is no such file."""
    signature = look(path)
    with open(path, "rb") as file:
        data = file.read()
    opening = Opening(path, hasher(data).hexdigest(), signature)
    try:
        parquet = ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise _refused(opening, f"it is no Parquet file: {error}") from error
    _check_schema(opening, parquet.schema_arrow)
    metadata = parquet.metadata.metadata or {}
    _check_zone(opening, metadata, exchange)
    stated = _stated(metadata, parquet.metadata.num_rows)
    days, last = stated or _digests(opening, parquet, exchange)
    return Month(*opening, parquet, days, last)


def _check_schema(opening: Opening, schema: pa.Schema) -> None:
    expected = {"timestamp": _TIME, **dict.fromkeys(PRICES, pa.float64()), "volume": pa.int64()}
    for name, type in expected.items():
        found = schema.field(name).type if name in schema.names else "missing"
        if found != type:
            raise _refused(opening, f"column {name} is {found}, where {type} is expected")


def _check_zone(opening: Opening, metadata: Mapping[bytes, bytes], exchange: Exchange) -> None:
    """Days and months of another zone would make windows miss changed days."""
    zone, ours = metadata.get(ZONE_KEY, b"").decode(), str(exchange.zone)
    if zone and zone != ours:
        raise _refused(
            opening,
            f"its days are those of {zone}, the analyzer's those of {ours}: let the setting "
            "`timezone` of the translator and of the analyzer name the same zone",
        )


def _stated(metadata: Mapping[bytes, bytes], rows: int) -> tuple[dict[str, str], int | None] | None:
    """Digests and last bar as the file's metadata state them; None where they cannot be trusted."""
    try:
        days = json.loads(metadata[DAYS_KEY])
        last = metadata[LAST_KEY].decode()
        if sum(day["rows"] for day in days.values()) != rows:
            return None
        known = {date.fromisoformat(day).isoformat(): v["digest"] for day, v in days.items()}
        return known, instant_of(last) if last and rows else None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _digests(
    opening: Opening, file: ParquetFile, exchange: Exchange
) -> tuple[dict[str, str], int | None]:
    columns = _columns(opening, file, (*PRICES, "volume"))
    _check_numbers(opening, columns)
    stamps = columns["timestamp"]
    days = {}
    for day, first, end in _split(stamps, exchange):
        digest = hasher()
        for column in columns.values():
            digest.update(column[first:end].tobytes())
        days[day.isoformat()] = digest.hexdigest()
    return days, int(stamps[-1]) if len(stamps) else None


def _columns(opening: Opening, file: ParquetFile, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Columns as arrays, the time first. Raises RefusedError where values or order are wrong."""
    wanted = ["timestamp", *names]
    try:
        table = file.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _refused(opening, f"it cannot be read: {error}") from error
    columns = {name: _array(opening, name, table.column(name)) for name in wanted}
    stamps = columns["timestamp"]
    if not (stamps[1:] > stamps[:-1]).all():
        raise _refused(opening, "its timestamps do not ascend")
    return columns


def _array(opening: Opening, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    if column.null_count:
        raise _refused(opening, f"{column.null_count} values of {name} are missing")
    # not to_numpy(): it imports pandas where that is installed
    type = np.float64 if name in PRICES else np.int64
    parts = [
        np.frombuffer(chunk.buffers()[1], type, len(chunk), chunk.offset * 8)
        for chunk in column.chunks
        if len(chunk)
    ]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, type)


def _split(stamps: NDArray[np.int64], exchange: Exchange) -> list[tuple[date, int, int]]:
    """The exchange-local days of ascending times, each with its first position and its end."""
    found = []
    first, times = 0, stamps
    while first < len(times):
        day = exchange.day_of(int(times[first]))
        end = bisect_left(times, exchange.instant(day + _DAY, time()), first)
        found.append((day, first, end))
        first = end
    return found


def read_bars(
    months: Sequence[Month],
    instrument: Instrument,
    exchange: Exchange,
    until: int | None,
    threads: int = 1,
) -> tuple[Bars, int]:
    """The months' bars up to an instant, in ticks, and how many have a price off the grid.

    Months come in order. Raises RefusedError where more than a hundredth of a day is off the grid.
    """
    ends = np.cumsum([0, *(month.file.metadata.num_rows for month in months)])
    bars = Bars(*(np.empty(ends[-1], np.int64) for _ in Bars._fields))
    places = [slice(*edges) for edges in pairwise(ends.tolist())]

    def fill(number: int) -> int:
        part = Bars(*(column[places[number]] for column in bars))
        return _fill(part, months[number], instrument, exchange)

    off = sum(gather(fill, range(len(months)), threads))
    for month, place in zip(months, places, strict=True):
        before, first = bars.time[: place.start][-1:], bars.time[place][:1]
        if len(before) and len(first) and before[0] >= first[0]:
            raise _refused(Opening(*month[:3]), "it has bars of the months before it")
    if until is None:
        return bars, off
    end = int(np.searchsorted(bars.time, until, side="right"))
    return Bars(*(column[:end] for column in bars)), off


def _fill(bars: Bars, month: Month, instrument: Instrument, exchange: Exchange) -> int:
    """Put a month's bars into these arrays, and count those with a price off the grid."""
    opening = Opening(*month[:3])
    columns = _columns(opening, month.file, PRICES)
    tick = float(instrument.tick)
    bars.time[:] = columns["timestamp"]
    on_grid = True
    for name in PRICES:
        whole, distance = _rounded(columns[name], tick)
        if name != "open":
            with np.errstate(invalid="ignore"):  # what is no number is refused below
                getattr(bars, name)[:] = whole
        on_grid &= bool(np.max(distance, initial=0) <= OFF_GRID)
    if on_grid:
        return 0
    _check_numbers(opening, columns)
    off = np.any([_rounded(columns[name], tick)[1] > OFF_GRID for name in PRICES], axis=0)
    _check_grid(opening, instrument, _split(columns["timestamp"], exchange), off)
    return int(np.count_nonzero(off))


def _rounded(prices: NDArray[np.float64], tick: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """In ticks, and how far from the grid; no number is as far as itself."""
    exact = prices / tick
    whole = np.rint(exact)
    exact -= whole
    return whole, np.abs(exact, out=exact)


def _check_numbers(opening: Opening, columns: Mapping[str, NDArray[Any]]) -> None:
    for name in PRICES:
        if not np.isfinite(columns[name]).all():
            raise _refused(opening, f"{name} holds values that are no numbers")


def _check_grid(
    opening: Opening,
    instrument: Instrument,
    days: list[tuple[date, int, int]],
    off: NDArray[np.bool_],
) -> None:
    bad = [
        (int(np.count_nonzero(off[first:end])), end - first, day)
        for day, first, end in days
        if np.count_nonzero(off[first:end]) > OFF_GRID_SHARE * (end - first)
    ]
    if bad:
        count, bars, day = bad[0]
        more = f" and {len(bad) - 1} more days" if len(bad) > 1 else ""
        raise _refused(
            opening,
            f"on {day}{more}, {count} of {bars} bars have prices that are no multiples of the tick "
            f"{instrument.tick}: correct the bars, or the tick under "
            f"[stages.analyzer.settings.instruments.{instrument.name}]",
        )
