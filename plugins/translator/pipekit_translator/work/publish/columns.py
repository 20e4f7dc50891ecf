"""Rows as Parquet columns: Arrow schemas, encodings and compression.

All choices depend on the values alone, so that the same rows make the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from pipekit_translator.series import BARS, TICKS, Series
from pipekit_translator.work.table import Floats, Table

_SAMPLE = 1024  # rows of a column that decide its encoding
_FEW = 0.9  # share of different values up to which a dictionary is shorter than the column
_CODEC = {
    BARS.name: "snappy",
    TICKS.name: "zstd",
}  # zstd costs too much to set up for a month of bars
_LOW = (1 << 32) - 1  # the half of a double that is zero for halves and quarters


def use_system_memory() -> None:
    """Use the system's allocator: pyarrow's others keep tens of megabytes."""
    pa.set_memory_pool(pa.system_memory_pool())


def _schema(series: Series, unit: str, *constant: str) -> Any:
    return pa.schema(
        [
            pa.field("timestamp", pa.timestamp(unit, "UTC"), nullable=False),
            *(
                pa.field(name, pa.float64(), nullable=name in series.optional)
                for name in series.prices
            ),
            pa.field("volume", pa.int64(), nullable=False),
            *(pa.field(name, pa.string(), nullable=False) for name in constant),
        ]
    )


SCHEMAS = {
    BARS.name: _schema(BARS, "us", "instrument", "interval"),
    TICKS.name: _schema(TICKS, "ns", "instrument"),
}
SCHEMA = SCHEMAS[BARS.name]


def writer(sink: Any, series: Series, first: Table) -> Any:
    """A writer of row groups; the `first` one decides how all are encoded."""
    schema = _encoded(SCHEMAS[series.name])
    encodings = _encodings(series, first)
    compressed = [name for name in schema.names if _pays(name, series)]
    return ParquetWriter(
        sink,
        schema,
        version="2.6",
        use_dictionary=[name for name in schema.names if name not in encodings],
        column_encoding=encodings,
        compression={n: _CODEC[series.name] if n in compressed else "none" for n in schema.names},
        write_statistics=["timestamp"],  # the one column a reader could skip row groups by
        store_schema=False,
    )


def _encodings(series: Series, first: Table) -> dict[str, str]:
    """Encodings of the columns that are not written with a dictionary."""
    found = {"timestamp": "DELTA_BINARY_PACKED"}
    if not series.grouped:  # a tick's volume is one of few
        found["volume"] = "DELTA_BINARY_PACKED"
    for name, column in zip(series.prices, first.prices, strict=True):
        if not _repeats(column):
            found[name] = "BYTE_STREAM_SPLIT"
    return found


def _repeats(prices: Floats) -> bool:
    """Whether a dictionary is shorter than a split into eight streams of bytes.

    Streams are shorter for halves and quarters, since six of the eight are constant, and wherever
    most prices differ; not for the few different prices in tenths or hundredths.
    """
    sample = prices[:: max(len(prices) // _SAMPLE, 1)].view(np.int64)
    if not (np.bitwise_or.reduce(sample) & _LOW):
        return False
    ordered = np.sort(sample)
    return 1 + int(np.count_nonzero(np.diff(ordered))) <= _FEW * len(sample)


def _pays(name: str, series: Series) -> bool:
    """Whether compression makes a column small enough to be worth its time."""
    return name in (*series.prices, "volume" if series.grouped else "timestamp")


def _encoded(schema: Any) -> Any:
    """The schema with strings as dictionaries, which are written faster."""
    texts = pa.dictionary(pa.int8(), pa.string())
    return pa.schema([f.with_type(texts) if f.type == pa.string() else f for f in schema])


def arrow(table: Table, instrument: str, series: Series) -> Any:
    """The rows as an Arrow table over the same memory."""
    schema = SCHEMAS[series.name]
    values = zip(series.columns, table.columns(), strict=True)
    columns = [_values(schema.field(name), column) for name, column in values]
    constant = {"instrument": instrument, "interval": series.name}
    columns += [_repeated(constant[name], table.size) for name in schema.names[len(columns) :]]
    return pa.Table.from_arrays(columns, schema=_encoded(schema))


def _values(field: Any, column: Any) -> Any:
    """An Arrow array over the same memory; `pa.array` would import pandas."""
    valid, absent = None, 0
    if field.nullable:
        there = ~np.isnan(column)
        absent = len(column) - int(np.count_nonzero(there))
        valid = pa.py_buffer(np.packbits(there, bitorder="little")) if absent else None
    buffers = [valid, pa.py_buffer(np.ascontiguousarray(column))]
    return pa.Array.from_buffers(field.type, len(column), buffers, absent)


def _repeated(text: str, count: int) -> Any:
    """A column of one string; `pa.repeat` would import pandas."""
    data = text.encode()
    offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
    once = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data))
    places = [None, pa.py_buffer(np.zeros(count, np.int8))]
    return pa.DictionaryArray.from_arrays(pa.Array.from_buffers(pa.int8(), count, places), once)
