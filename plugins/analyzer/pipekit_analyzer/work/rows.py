"""Results as a Parquet file: its schema, its columns, and how it is published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray
from pyarrow.parquet import ParquetWriter

from pipekit.worker import publish
from pipekit_analyzer.work.contract import Contract
from pipekit_analyzer.work.kernel import NO_ROW, NO_TRADE, RESULTS, SHORT, Bars, Breakouts, Windows
from pipekit_analyzer.work.sessions import Slot

_DIRECTIONS = ("Short", None, "Long")  # from SHORT upwards
_EPOCH = date(1970, 1, 1).toordinal()


@frozen(kw_only=True)
class Computed:
    """One variant's outcomes over dates and slots; `target` in ticks."""

    variant: str
    target: int
    slots: Sequence[tuple[date, Slot]]
    windows: Windows
    outcome: Breakouts

    def dates(self) -> list[date]:
        """The date of each row, in order."""
        kept = np.flatnonzero(self.outcome.result != NO_ROW)
        return [self.slots[i][0] for i in kept.tolist()]


def schema(zone: str) -> pa.Schema:
    """The columns of a result file (docs/reference/data.md); times in the exchange's zone."""
    texts = ("variant", "session", "slot", "stream", "instrument", "direction", "result")
    types = dict.fromkeys(texts, pa.string())
    types |= {"date": pa.date32(), "range_bars": pa.int64()}
    types |= dict.fromkeys(("entry_time", "exit_time"), pa.timestamp("us", zone))
    names = (
        "variant date session slot stream instrument direction result entry_time exit_time "
        "entry_price exit_price stop_distance target peak range_high range_low range_size "
        "range_bars profit profit_usd"
    )
    return pa.schema([(name, types.get(name, pa.float64())) for name in names.split()])


def table(computed: Iterable[Computed], bars: Bars, contract: Contract, zone: str) -> pa.Table:
    """The rows of all variants, in the order given."""
    columns = schema(zone)
    parts = [
        pa.Table.from_arrays(_columns(one, bars, contract, zone), schema=columns)
        for one in computed
    ]
    return pa.concat_tables([pa.Table.from_batches([], schema=columns), *parts])


def _columns(computed: Computed, bars: Bars, contract: Contract, zone: str) -> list[pa.Array]:
    kept = np.flatnonzero(computed.outcome.result != NO_ROW)
    o = Breakouts(*(column[kept] for column in computed.outcome))
    rows = [computed.slots[i] for i in kept.tolist()]
    traded, closed = o.result != NO_TRADE, o.exit_bar >= 0
    points = contract.points
    slots = sorted({slot for _, slot in rows})
    number = {slot: i for i, slot in enumerate(slots)}
    of_slot = np.array([number[slot] for _, slot in rows], np.int64)
    same = np.zeros(len(kept), np.int64)
    return [
        _texts([computed.variant], same),
        _fixed(pa.date32(), np.array([day.toordinal() - _EPOCH for day, _ in rows], np.int32)),
        _texts([slot.session for slot in slots], of_slot),
        _texts([slot.key[1] for slot in slots], of_slot),
        _texts([slot.stream.replace("{I}", contract.name) for slot in slots], of_slot),
        _texts([contract.name], same),
        _texts(_DIRECTIONS, o.direction - SHORT),
        _texts(RESULTS, o.result),
        _times(bars, o.entry_bar, traded, zone),
        _times(bars, o.exit_bar, closed, zone),
        _floats(points(o.entry), traded),
        _floats(points(o.exit), closed),
        _floats(points(o.stop)),
        _floats(points(np.full(len(kept), computed.target, np.int64))),
        _floats(points(o.peak), traded),
        _floats(points(o.range_high)),
        _floats(points(o.range_low)),
        _floats(points(o.range_high - o.range_low)),
        _fixed(pa.int64(), o.range_bars),
        _floats(points(o.profit)),
        _floats(contract.usd(o.profit)),
    ]


# Arrays are built from buffers: `pa.array` of Python values imports pandas if it is installed.


def _texts(words: Sequence[str | None], chosen: NDArray[np.int64]) -> pa.Array:
    """The chosen words, by their positions."""
    encoded = [(word or "").encode() for word in words]
    lengths = np.array([len(word) for word in encoded], np.int64)
    ends = np.append(0, np.cumsum(lengths[chosen])).astype(np.int32)
    valid = _bits(np.array([word is not None for word in words], np.bool_)[chosen])
    text = b"".join([encoded[number] for number in chosen.tolist()])
    buffers = [valid, pa.py_buffer(ends.tobytes()), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(chosen), buffers)


def _times(
    bars: Bars, positions: NDArray[np.int64], valid: NDArray[np.bool_], zone: str
) -> pa.Array:
    stamps = np.zeros(len(positions), np.int64)
    stamps[valid] = bars.time[positions[valid]]
    return _fixed(pa.timestamp("us", zone), stamps, valid)


def _floats(values: NDArray[np.float64], valid: NDArray[np.bool_] | None = None) -> pa.Array:
    return _fixed(pa.float64(), values, valid)


def _fixed(type: pa.DataType, values: Any, valid: NDArray[np.bool_] | None = None) -> pa.Array:
    if valid is not None:
        values = np.where(valid, values, 0).astype(values.dtype)
    buffers = [None if valid is None else _bits(valid), pa.py_buffer(values.tobytes())]
    return pa.Array.from_buffers(type, len(values), buffers)


def _bits(valid: NDArray[np.bool_]) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())


def publish_table(
    path: str,
    rows: pa.Table,
    *,
    metadata: Mapping[str, object],
    sources: Iterable[str],
    detail: Mapping[str, object],
) -> None:
    """Publish a result file and report it as written. Raises OSError.

    `metadata`: JSON values, stored as `pipekit.NAME` (docs/reference/data.md: scope of a run file)
    in the file, because metadata of an Arrow schema is written twice. Only `date` has statistics:
    for all columns they were 10 % of a 500-row file. Compressed with snappy: zstd's start-up alone
    takes as long as writing a small file.
    """
    texts = {f"pipekit.{name}": _json(value) for name, value in metadata.items()}
    with (
        publish(path, sources=sources, detail=detail) as file,
        ParquetWriter(
            file,
            rows.schema,
            compression="snappy",
            write_statistics=["date"],
            write_page_checksum=True,
        ) as writer,
    ):
        writer.write_table(rows)
        writer.add_key_value_metadata(texts)


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
