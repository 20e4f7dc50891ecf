"""The presets of trading platforms: what their users export by hand or by a script."""

from __future__ import annotations

from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.parts import Parts
from pipekit_translator.presets import house
from pipekit_translator.presets.preset import OHLC, OHLCV, Preset

_NAMED_BY_YOU = {"instrument": "the files have the names that you gave them"}
_EXCHANGE = {
    "timezone": "the platform's setting for time: usually the exchange's zone, else the computer's"
}
_BROKER = {
    "timezone": "the clock of the broker's server; often America/New_York+07:00, UTC or +03:00"
}
_COMPUTER = {"timezone": "the zone of the computer that made the export"}
_TRADESTATION = Parts(
    separator=",",
    header=True,
    timestamp_format="%m/%d/%Y %H:%M",
    bar_time="close",
    columns=("date=Date", "time=Time", *OHLC, "volume=Up+Down"),
)
_TRADINGVIEW = Parts(
    separator=",",
    header=True,
    columns=("timestamp=time", *OHLCV),
    timestamp_format="epoch_s",
    instrument=InstrumentRule(pattern=r"^(?:[A-Z0-9]+_)*([A-Z0-9.]+?)(?:\d!)?, 1[ _.]"),
)
_LAST = ("*.Last.txt", "*.Last.csv")

PRESETS = {
    "ninjatrader8": Preset(
        title="NinjaTrader 8: bars",
        page="ninjatrader",
        files=_LAST,
        parts=house.BARS._replace(timezone="UTC"),
    ),
    "ninjatrader8-ticks": Preset(
        title="NinjaTrader 8: ticks",
        page="ninjatrader",
        files=_LAST,
        parts=house.TICKS._replace(timezone="UTC"),
    ),
    "ninjatrader7": Preset(
        title="NinjaTrader 7: bars",
        page="ninjatrader",
        files=_LAST,
        parts=house.BARS,
        asks=_COMPUTER,
    ),
    "ninjatrader7-ticks": Preset(
        title="NinjaTrader 7: ticks",
        page="ninjatrader",
        files=_LAST,
        parts=house.TICKS._replace(
            columns=("timestamp", "price", "volume"),
            timestamp_format="%Y%m%d %H%M%S",
        ),
        asks=_COMPUTER,
    ),
    "metatrader4": Preset(
        title="MetaTrader 4: bars of the History Center",
        page="metatrader",
        files=("*1.csv",),
        parts=Parts(
            separator=",",
            header=False,
            columns=("date", "time", *OHLCV),
            timestamp_format="%Y.%m.%d %H:%M",
            instrument=InstrumentRule(pattern=r"^(.+?)1\.csv"),
        ),
        asks=_BROKER,
    ),
    "metatrader5": Preset(
        title="MetaTrader 5: bars",
        page="metatrader",
        files=("*_M1_*",),
        parts=Parts(
            separator="\t",
            header=True,
            columns=(
                *("date=<DATE>", "time=<TIME>", "open=<OPEN>", "high=<HIGH>", "low=<LOW>"),
                *("close=<CLOSE>", "volume=<TICKVOL>"),
            ),
            timestamp_format="%Y.%m.%d %H:%M:%S",
            instrument=InstrumentRule(pattern=r"^(.+?)_M1_"),
        ),
        asks=_BROKER,
    ),
    "metatrader5-ticks": Preset(
        title="MetaTrader 5: ticks",
        page="metatrader",
        stamps_vary="time",
        parts=Parts(
            separator="\t",
            header=True,
            columns=(
                *("date=<DATE>", "time=<TIME>", "bid=<BID>", "ask=<ASK>", "price=<LAST>"),
                "volume=<VOLUME>",
            ),
            timestamp_format="%Y.%m.%d %H:%M:%S.%3f",
            instrument=InstrumentRule(pattern=r"^(.+?)_\d{12}"),
            carry=True,
            missing_volume="null",
        ),
        asks=_BROKER,
    ),
    "tradestation": Preset(
        title="TradeStation: bars, volume up and down",
        page="tradestation",
        stamps_vary="all",
        parts=_TRADESTATION,
        asks=_EXCHANGE | _NAMED_BY_YOU,
    ),
    "tradestation-total": Preset(
        title="TradeStation: bars, total volume",
        page="tradestation",
        stamps_vary="all",
        parts=_TRADESTATION._replace(
            columns=("date=Date", "time=Time", *OHLC, "volume=TotalVolume")
        ),
        asks=_EXCHANGE | _NAMED_BY_YOU,
    ),
    "multicharts": Preset(
        title="MultiCharts: bars",
        page="tradestation",
        stamps_vary="all",
        parts=Parts(
            separator=",",
            header=True,
            columns=(
                *("date=<Date>", "time=<Time>", "open=<Open>", "high=<High>", "low=<Low>"),
                *("close=<Close>", "volume=<Volume>"),
            ),
            bar_time="close",
        ),
        asks=_EXCHANGE
        | _NAMED_BY_YOU
        | {"timestamp_format": "that of Windows, such as %Y/%m/%d %H:%M:%S.%3f"},
    ),
    "sierra-chart": Preset(
        title="Sierra Chart: bars",
        page="sierra-chart",
        stamps_vary="time",
        parts=Parts(
            separator=",",
            header=True,
            columns=("date=Date", "time=Time", "open", "high", "low", "close=Last", "volume"),
            timestamp_format="%Y/%m/%d %H:%M:%S",
        ),
        asks={"timezone": "that of the chart (Global Settings, Data/Trade Service Settings)"}
        | _NAMED_BY_YOU,
    ),
    "ib_insync": Preset(
        title="Interactive Brokers: bars of ib_insync or ib_async",
        page="interactive-brokers",
        parts=Parts(
            separator=",",
            header=True,
            columns=("timestamp=date", *OHLCV),
            timestamp_format="%Y-%m-%d %H:%M:%S%z",
            missing_volume="null",
        ),
        asks=_NAMED_BY_YOU,
    ),
    "ibapi": Preset(
        title="Interactive Brokers: bars of ibapi",
        page="interactive-brokers",
        stamps_vary="time",
        parts=Parts(
            separator=",",
            header=True,
            columns=("timestamp=Date", *OHLCV),
            timestamp_format="%Y%m%d %H:%M:%S",
            missing_volume="null",
        ),
        asks={"timezone": "the one that TWS was logged in with, unless the stamps name it"}
        | _NAMED_BY_YOU,
    ),
    "tradingview": Preset(
        title="TradingView: bars, UNIX time",
        page="tradingview",
        files=("*, 1.csv", "*, 1_*.csv", "*, 1 (*.csv"),
        parts=_TRADINGVIEW,
    ),
    "tradingview-iso": Preset(
        title="TradingView: bars, ISO time",
        page="tradingview",
        files=("*, 1.csv", "*, 1_*.csv", "*, 1 (*.csv"),
        parts=_TRADINGVIEW._replace(timestamp_format="%Y-%m-%dT%H:%M:%S%z"),
    ),
}
