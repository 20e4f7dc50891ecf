"""Results as a Parquet file: the schema, the columns, and how a file is published whole.

Knows what an outcome is and how it is written; nothing of how it came about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np  # noqa: TID253  # a module of the worker's, never imported by a plan
import pyarrow as pa  # noqa: TID253  # as above
from numpy.typing import NDArray  # noqa: TID253  # as above
from pyarrow.parquet import ParquetWriter  # noqa: TID253  # as above

from pipekit.worker import fingerprint
from pipekit_analyzer.instruments import Instrument
from pipekit_analyzer.kernel import NO_ROW, NO_TRADE, RESULTS, SHORT, Bars, Windows
from pipekit_analyzer.sessions import Slot
from pipekit_analyzer.strategy import Outcome

_DIRECTIONS = ("Short", None, "Long")  # from SHORT upwards
_EPOCH = date(1970, 1, 1).toordinal()


class Computed(NamedTuple):
    """One variant's outcomes over dates and slots."""

    variant: str
    asked: Sequence[tuple[date, Slot]]
    windows: Windows
    outcome: Outcome


def dates(computed: Computed) -> list[date]:
    """The dates of its rows, in order; one a row."""
    kept = np.flatnonzero(computed.outcome.result != NO_ROW)
    return [computed.asked[i][0] for i in kept.tolist()]


def schema(zone: str) -> pa.Schema:
    """The columns of a result file (data, §2.3); times in the exchange's zone."""
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


def table(
    computed: Iterable[Computed],
    bars: Bars,
    instrument: Instrument,
    targets: dict[str, int],
    zone: str,
) -> pa.Table:
    """All variants' rows; `targets` are in ticks, by variant. Variants come in their order."""
    form = schema(zone)
    parts = [
        pa.Table.from_arrays(
            _columns(one, bars, instrument, targets[one.variant], zone), schema=form
        )
        for one in computed
    ]
    return pa.concat_tables([pa.Table.from_batches([], schema=form), *parts])


def _columns(
    computed: Computed, bars: Bars, instrument: Instrument, target: int, zone: str
) -> list[pa.Array]:
    kept = np.flatnonzero(computed.outcome.result != NO_ROW)
    o = Outcome(*(column[kept] for column in computed.outcome))
    asked = [computed.asked[i] for i in kept.tolist()]
    traded, closed = o.result != NO_TRADE, o.exit_bar >= 0
    points = instrument.points
    slots = sorted({slot for _, slot in asked})
    number = {slot: i for i, slot in enumerate(slots)}
    of_slot = np.array([number[slot] for _, slot in asked], np.int64)
    same = np.zeros(len(kept), np.int64)
    return [
        _texts([computed.variant], same),
        _days([day for day, _ in asked]),
        _texts([slot.session for slot in slots], of_slot),
        _texts([slot.key[1] for slot in slots], of_slot),
        _texts([slot.stream.replace("{I}", instrument.name) for slot in slots], of_slot),
        _texts([instrument.name], same),
        _texts(_DIRECTIONS, o.direction - SHORT),
        _texts(RESULTS, o.result),
        _times(bars, o.entry_bar, traded, zone),
        _times(bars, o.exit_bar, closed, zone),
        _floats(points(o.entry), traded),
        _floats(points(o.exit), closed),
        _floats(points(o.stop)),
        _floats(points(np.full(len(kept), target, np.int64))),
        _floats(points(o.peak), traded),
        _floats(points(o.range_high)),
        _floats(points(o.range_low)),
        _floats(points(o.range_high - o.range_low)),
        _fixed(pa.int64(), o.range_bars),
        _floats(points(o.profit)),
        _floats(instrument.usd(o.profit)),
    ]


# Arrays are built from buffers: `pa.array` of Python values imports pandas where it is installed.


def _texts(words: Sequence[str | None], chosen: NDArray[np.int64]) -> pa.Array:
    """The words by their numbers."""
    encoded = [(word or "").encode() for word in words]
    lengths = np.array([len(word) for word in encoded], np.int64)
    ends = np.append(0, np.cumsum(lengths[chosen])).astype(np.int32)
    valid = _bits(np.array([word is not None for word in words], np.bool_)[chosen])
    text = b"".join([encoded[number] for number in chosen.tolist()])
    buffers = [valid, pa.py_buffer(ends.tobytes()), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(chosen), buffers)


def _days(days: Sequence[date]) -> pa.Array:
    return _fixed(pa.date32(), np.array([day.toordinal() - _EPOCH for day in days], np.int32))


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


def publish(path: str, rows: pa.Table, metadata: dict[str, Any]) -> str:
    """Write a result file under its name, whole or not at all, and return its fingerprint.

    `metadata`: JSON values, stored under `pipekit.` and their names; as the file's, since those of
    an Arrow schema are written twice. Only dates have statistics: all columns' were a tenth of a
    file of 500 rows. It is written beside the runs' folders, always under the same name, so that
    what a killed worker left is written over. Raises OSError.
    """
    texts = {f"pipekit.{name}": _json(value) for name, value in metadata.items()}
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(os.path.dirname(folder), f".{name}.tmp")
    try:
        with open(temporary, "wb") as file:
            # not zstd: a run file is small, and zstd's own start takes as long as all the rest
            with ParquetWriter(
                file, rows.schema, compression="snappy", write_statistics=["date"]
            ) as writer:
                writer.write_table(rows)
                writer.add_key_value_metadata(texts)
            file.flush()
            os.fsync(file.fileno())
        digest = fingerprint(temporary)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync(folder)
    _sync(os.path.dirname(folder))
    return digest


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _sync(folder: str) -> None:
    """Make a folder's entries last; Windows has no way to ask for that, and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
