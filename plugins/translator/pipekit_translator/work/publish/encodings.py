"""How the columns of a processed file are encoded, decided by the values alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipekit_translator.layout import Series
from pipekit_translator.work.table import Floats, Table

_SAMPLE = 1024  # rows of a column that decide its encoding
_FEW = 0.9  # share of different values up to which a dictionary is shorter than the column
_LOW = (1 << 32) - 1  # the half of a double that is zero for halves and quarters


def encodings_of(series: Series, first: Table) -> dict[str, str]:
    """Encodings of the columns that are not written with a dictionary."""
    found = {"timestamp": "DELTA_BINARY_PACKED"}
    fractions: dict[str, Any] = dict(zip(series.prices, first.prices, strict=True))
    if first.volume.dtype == np.float64:
        fractions["volume"] = first.volume
    elif not series.grouped:  # a tick's volume is one of few
        found["volume"] = "DELTA_BINARY_PACKED"
    for name, column in fractions.items():
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
