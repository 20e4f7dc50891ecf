"""The presets of public archives: crypto exchanges, and the data folders of Lean."""

from __future__ import annotations

from pipekit_translator.dialects import DateRule, InstrumentRule
from pipekit_translator.parts import Parts
from pipekit_translator.presets.preset import OHLCV, Preset

_UNUSED = ("-",) * 6  # close time, quote volume, trades, taker's volumes, and one for nothing
_BINANCE = Parts(
    separator=",",
    header=False,
    columns=("timestamp", *OHLCV, *_UNUSED),
    timestamp_format="epoch_ms",
    volume_type="float",
    instrument=InstrumentRule(pattern=r"^([A-Z0-9_]+?)-1m-"),
)
_KLINES = ("*-1m-*",)
_LEAN = Parts(
    separator=",",
    header=False,
    columns=("time", *OHLCV),
    timestamp_format="ms_of_day",
    date=DateRule(pattern=r"^(\d{8})_"),
    instrument=InstrumentRule(pattern=r"^\d{8}_([a-z0-9.]+)_minute_trade"),
)
_TRADE = ("????????_trade.zip", "????????_*_minute_trade*.csv")

PRESETS = {
    "cryptodatadownload": Preset(
        title="CryptoDataDownload: bars",
        page="cryptodatadownload",
        files=("*_minute.csv", "*_1min.csv"),
        parts=Parts(
            separator=",",
            header=True,
            skip_lines=1,
            columns=("timestamp=date", "open", "high", "low", "close", "volume=#8"),
            timestamp_format="%Y-%m-%d %H:%M:%S",
            timezone="UTC",
            volume_type="float",
            instrument=InstrumentRule(pattern=r"^[^_]+_([A-Z0-9]+)_"),
        ),
    ),
    "binance-spot": Preset(
        title="Binance: spot klines until 2024",
        page="binance",
        files=_KLINES,
        parts=_BINANCE,
    ),
    "binance-spot-2025": Preset(
        title="Binance: spot klines from 2025 on",
        page="binance",
        files=_KLINES,
        parts=_BINANCE._replace(timestamp_format="epoch_us"),
    ),
    "binance-futures": Preset(
        title="Binance: klines of futures, with a header",
        page="binance",
        files=_KLINES,
        parts=_BINANCE._replace(header=True, columns=("timestamp=open_time", *OHLCV)),
    ),
    "lean-equity": Preset(
        title="Lean: minute bars of US equities",
        page="lean",
        files=_TRADE,
        parts=_LEAN._replace(timezone="America/New_York", price_scale=0.0001),
    ),
    "lean-crypto": Preset(
        title="Lean: minute bars of crypto",
        page="lean",
        files=_TRADE,
        parts=_LEAN._replace(timezone="UTC", volume_type="float"),
    ),
    "lean-future": Preset(
        title="Lean: minute bars of futures",
        page="lean",
        files=_TRADE,
        parts=_LEAN._replace(
            instrument=InstrumentRule(pattern=r"^\d{8}_([a-z0-9]+)_minute_trade_\d{6,8}\.csv"),
        ),
        asks={"timezone": "dataTimeZone of the market in market-hours-database.json"},
    ),
    "lean-forex": Preset(
        title="Lean: minute bars of currencies, bid side",
        page="lean",
        files=("????????_quote.zip", "????????_*_minute_quote*.csv"),
        parts=_LEAN._replace(
            columns=("time", "open", "high", "low", "close", *("-",) * 6),
            volume="none",
            instrument=InstrumentRule(pattern=r"^\d{8}_([a-z0-9]+)_minute_quote"),
        ),
        asks={"timezone": "dataTimeZone of the market in market-hours-database.json"},
    ),
}
