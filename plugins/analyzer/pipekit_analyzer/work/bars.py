"""Read processed months: their days, the days' digests, and the bars in ticks.

The files' schema and metadata: docs/reference/data.md, processed bars.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile

from pipekit.worker import Signature, fingerprint, hasher, look
from pipekit_analyzer.times import parse_instant
from pipekit_analyzer.work.contract import Contract
from pipekit_analyzer.work.kernel import Bars
from pipekit_analyzer.work.sessions import Exchange

# The translator writes these (docs/reference/data.md: metadata of processed bars).
DAYS_KEY, LAST_KEY, ZONE_KEY = b"pipekit.days", b"pipekit.last", b"pipekit.timezone"
PRICES = ("open", "high", "low", "close")
OFF_GRID = 1e-6  # of a tick: far above a division's rounding error, far below a real deviation
OFF_GRID_SHARE = 0.01  # of a day's bars: beyond it, the tick or the instrument is wrong
_TIME = pa.timestamp("us", "UTC")
_VOLUMES = (pa.int64(), pa.float64())
_DAY = timedelta(days=1)


class UnusableError(ValueError):
    """The content of a file cannot be used; the message says why."""


class Rejection(NamedTuple):
    """A file that cannot be used as it is, and why. `signature`: from before it was read."""

    path: str
    reason: str
    fingerprint: str
    signature: Signature

    @classmethod
    def of(cls, path: str, reason: str) -> Rejection:
        """Reject a file that has not been read. Raises OSError."""
        signature = look(path)
        return cls(path, reason, fingerprint(path), signature)


class RejectedError(ValueError):
    """Files that stay rejected until their content or the settings change."""

    def __init__(self, rejections: Sequence[Rejection]) -> None:
        self.rejections = rejections
        super().__init__("; ".join(f"{r.path}: {r.reason}" for r in rejections))


@frozen(kw_only=True)
class Month:
    """A processed file, opened. `digests`: of days, by ISO date. `last`: instant of the last."""

    path: str
    fingerprint: str
    signature: Signature
    file: ParquetFile
    digests: dict[str, str]
    last: int | None


def open_months(paths: Iterable[str], exchange: Exchange) -> dict[str, Month]:
    """Read processed files into memory, by path. Raises OSError or RejectedError."""
    months: dict[str, Month] = {}
    rejections = []
    for path in paths:
        signature = look(path)
        with open(path, "rb") as file:
            data = file.read()
        digest = hasher(data).hexdigest()
        try:
            parquet, digests, last = _parse(data, exchange)
        except UnusableError as error:
            rejections.append(Rejection(path, str(error), digest, signature))
            continue
        months[path] = Month(
            path=path,
            fingerprint=digest,
            signature=signature,
            file=parquet,
            digests=digests,
            last=last,
        )
    if rejections:
        raise RejectedError(rejections)
    return months


def _parse(data: bytes, exchange: Exchange) -> tuple[ParquetFile, dict[str, str], int | None]:
    try:
        parquet = ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UnusableError(f"it is not a Parquet file: {error}") from error
    _check_schema(parquet.schema_arrow)
    metadata = parquet.metadata.metadata or {}
    _check_zone(metadata, exchange)
    stated = _stated(metadata, parquet.metadata.num_rows)
    return parquet, *(stated or _digests(parquet, exchange))


def _check_schema(schema: pa.Schema) -> None:
    expected = {"timestamp": _TIME, **dict.fromkeys(PRICES, pa.float64())}
    for name, type in expected.items():
        found = schema.field(name).type if name in schema.names else "missing"
        if found != type:
            raise UnusableError(f"column {name} is {found}, expected {type}")
    volume = schema.field("volume").type if "volume" in schema.names else "missing"
    if volume not in _VOLUMES:
        raise UnusableError(f"column volume is {volume}, expected int64 or double")


def _check_zone(metadata: Mapping[bytes, bytes], exchange: Exchange) -> None:
    """Raises UnusableError for days of another time zone: changes in a window could be missed."""
    zone, ours = metadata.get(ZONE_KEY, b"").decode(), str(exchange.zone)
    if zone and zone != ours:
        raise UnusableError(
            f"its days are those of {zone}, but the analyzer uses {ours}: set `timezone` of the "
            "translator and of the analyzer to the same time zone",
        )


def _stated(metadata: Mapping[bytes, bytes], rows: int) -> tuple[dict[str, str], int | None] | None:
    """Digests and last bar from the file's metadata; None if the metadata cannot be trusted."""
    try:
        days = json.loads(metadata[DAYS_KEY])
        last = metadata[LAST_KEY].decode()
        if sum(day["rows"] for day in days.values()) != rows:
            return None
        known = {date.fromisoformat(day).isoformat(): v["digest"] for day, v in days.items()}
        return known, parse_instant(last) if last and rows else None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _digests(file: ParquetFile, exchange: Exchange) -> tuple[dict[str, str], int | None]:
    """Digests, to the byte as the translator computes them, and the last bar, from the content."""
    columns = _columns(file, (*PRICES, "volume"))
    _check_numbers(columns)
    stamps = columns["timestamp"]
    days = {}
    for day, first, end in _split(stamps, exchange):
        digest = hasher()
        for column in columns.values():
            digest.update(column[first:end].tobytes())
        days[day.isoformat()] = digest.hexdigest()
    return days, int(stamps[-1]) if len(stamps) else None


def _columns(file: ParquetFile, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Columns as arrays, the time first. Raises UnusableError for missing or unsorted values."""
    wanted = ["timestamp", *names]
    try:
        table = file.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise UnusableError(f"it cannot be read: {error}") from error
    columns = {name: _array(name, table.column(name)) for name in wanted}
    stamps = columns["timestamp"]
    if not (stamps[1:] > stamps[:-1]).all():
        raise UnusableError("its timestamps are not in ascending order")
    return columns


def _array(name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    if name == "volume" and column.null_count:
        column = column.fill_null(-1 if column.type == pa.int64() else np.nan)
    if column.null_count:
        raise UnusableError(f"{column.null_count} values of {name} are missing")
    # not to_numpy(), which imports pandas if that is installed
    type = np.float64 if column.type == pa.float64() else np.int64
    if not len(column):
        return np.empty(0, type)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.frombuffer(array.buffers()[1], type, len(array), array.offset * 8)


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
    months: Sequence[Month], contract: Contract, exchange: Exchange, until: int | None
) -> tuple[Bars, int]:
    """The bars of consecutive months up to an instant, in ticks; how many are off the grid.

    Raises RejectedError if more than 1 % of a day's bars are off the grid.
    """
    rows = sum(month.file.metadata.num_rows for month in months)
    bars = Bars(*(np.empty(rows, np.int64) for _ in Bars._fields))
    off_grid = end = 0
    rejections = []
    for month in months:
        start, end = end, end + month.file.metadata.num_rows
        part = Bars(*(column[start:end] for column in bars))
        try:
            off_grid += _fill(part, month.file, contract, exchange)
            if 0 < start < end and bars.time[start - 1] >= part.time[0]:
                raise UnusableError("it has bars of the months before it")
        except UnusableError as error:
            rejections.append(Rejection(month.path, str(error), month.fingerprint, month.signature))
    if rejections:
        raise RejectedError(rejections)
    if until is None:
        return bars, off_grid
    end = int(np.searchsorted(bars.time, until, side="right"))
    return Bars(*(column[:end] for column in bars)), off_grid


def _fill(bars: Bars, file: ParquetFile, contract: Contract, exchange: Exchange) -> int:
    """Write a file's bars into these arrays, and count those with a price off the grid."""
    columns = _columns(file, PRICES)
    bars.time[:] = columns["timestamp"]
    off = np.zeros(len(bars.time), np.bool_)
    with np.errstate(invalid="ignore"):  # values that are not finite are rejected below
        for name in PRICES:
            exact = columns[name] / float(contract.tick)
            whole = np.rint(exact)
            off |= ~(np.abs(exact - whole) <= OFF_GRID)
            if name != "open":
                getattr(bars, name)[:] = whole
    if off.any():
        _check_numbers(columns)
        _check_grid(contract, _split(columns["timestamp"], exchange), off)
    return int(np.count_nonzero(off))


def _check_numbers(columns: Mapping[str, NDArray[Any]]) -> None:
    for name in PRICES:
        if not np.isfinite(columns[name]).all():
            raise UnusableError(f"{name} has values that are not finite numbers")


def _check_grid(
    contract: Contract, days: list[tuple[date, int, int]], off: NDArray[np.bool_]
) -> None:
    bad = [
        (int(np.count_nonzero(off[first:end])), end - first, day)
        for day, first, end in days
        if np.count_nonzero(off[first:end]) > OFF_GRID_SHARE * (end - first)
    ]
    if bad:
        count, bars, day = bad[0]
        more = f" and {len(bad) - 1} more days" if len(bad) > 1 else ""
        raise UnusableError(
            f"on {day}{more}, {count} of {bars} bars have prices that are not multiples of the "
            f"tick {contract.tick}: correct the bars, or the tick under "
            f"[stages.analyzer.settings.instruments.{contract.name}]",
        )
