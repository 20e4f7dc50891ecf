"""The presets with one letter: exports that this pipeline met first."""

from __future__ import annotations

from pipekit_translator.dialects import LETTERS, InstrumentRule
from pipekit_translator.parts import Parts
from pipekit_translator.presets.preset import OHLCV, Preset


def _exporter(instrument: InstrumentRule) -> Parts:
    return Parts(
        separator=",",
        header=True,
        columns=("date", "time", *OHLCV, "instrument"),
        timestamp_format="%Y-%m-%d %H:%M:%S",
        instrument=instrument,
    )


BARS = Parts(
    separator=";",
    header=False,
    columns=("timestamp", *OHLCV),
    timestamp_format="%Y%m%d %H%M%S",
    bar_time="close",
    instrument=InstrumentRule(pattern=LETTERS),
)
"""NinjaTrader's bars."""

TICKS = Parts(
    separator=";",
    header=False,
    columns=("timestamp", "price", "bid", "ask", "volume"),
    timestamp_format="%Y%m%d %H%M%S %7f",
    instrument=InstrumentRule(pattern=LETTERS),
)
"""Its ticks, from version 8 on."""

PRESETS = {
    "A": Preset(
        title="Exports with a header, the instrument in a column",
        files=("*DataExport_*.csv",),
        parts=_exporter(InstrumentRule(column="Instrument")),
    ),
    "B": Preset(
        title="The same, the instrument in the file's name",
        parts=_exporter(InstrumentRule(pattern=r"^([^.]+)")),
    ),
    "C": Preset(title="NinjaTrader: bars", page="ninjatrader", parts=BARS),
    "D": Preset(
        title="One file for each UTC day, which may still be growing",
        files=("*_1m_*.csv",),
        parts=Parts(
            separator=",",
            header=True,
            columns=("timestamp=timestamp_utc", *OHLCV),
            timestamp_format="%Y-%m-%dT%H:%M:%SZ",
            instrument=InstrumentRule(pattern=r"^([^_]+)_"),
            growing=True,
        ),
    ),
    "T": Preset(
        title="Exports of ticks with a header, the instrument in a column",
        files=("*DataExport_*.csv",),
        parts=Parts(
            separator=",",
            header=True,
            columns=("date", "time", "price=Close", "volume", "instrument"),
            timestamp_format="%Y-%m-%d %H:%M:%S.%3f",
            instrument=InstrumentRule(column="Instrument"),
        ),
    ),
    "N": Preset(title="NinjaTrader: ticks", page="ninjatrader", parts=TICKS),
}
