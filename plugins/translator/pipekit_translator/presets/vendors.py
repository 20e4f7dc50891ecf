"""The presets of vendors of data, and of programs that load from them."""

from __future__ import annotations

from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.parts import Parts
from pipekit_translator.presets.preset import OHLC, OHLCV, Preset

_SYMBOL = InstrumentRule(column="symbol")
_DATABENTO = Parts(
    separator=",",
    header=True,
    columns=("timestamp=ts_event", *OHLCV),
    timestamp_format="%Y-%m-%dT%H:%M:%S.%9fZ",
    instrument=_SYMBOL,
)
_DATABENTO_TRADES = _DATABENTO._replace(columns=("timestamp=ts_event", "price", "volume=size"))
_EASTERN = "-05:00"  # New York's winter time, all year
_HISTDATA = Parts(
    separator=";",
    header=False,
    columns=("timestamp", *OHLCV),
    timestamp_format="%Y%m%d %H%M%S",
    timezone=_EASTERN,
    instrument=InstrumentRule(pattern=r"^DAT_ASCII_([A-Z0-9]+)_M1_\d+\.csv"),
)
_DUKASCOPY = Parts(
    separator=",",
    header=True,
    columns=("timestamp=Gmt time", *OHLCV),
    timestamp_format="%d.%m.%Y %H:%M:%S.%3f",
    timezone="UTC",
    volume_type="float",
    instrument=InstrumentRule(pattern=r"^([A-Za-z0-9.]+?)_"),
)
_CANDLES = ("*_Candlestick_1_M_*",)
_JFOREX = ("*_1 Min_*",)
_BARCHART = Parts(
    separator=",",
    header=True,
    columns=("timestamp=Time", "open", "high", "low", "close=Latest", "volume"),
    timestamp_format="%Y-%m-%d %H:%M",
    skip_footer=True,
    instrument=InstrumentRule(pattern=r"^([A-Za-z0-9.]+?)_intraday-1min"),
)
_BARCHART_ASKS = {"timezone": "America/Chicago for futures and currencies, else America/New_York"}
_YFINANCE = Parts(
    separator=",",
    header=True,
    columns=("timestamp=Datetime", *OHLCV),
    timestamp_format="%Y-%m-%d %H:%M:%S%z",
)
_NAMED_BY_YOU = {"instrument": "the files have the names that you gave them"}

PRESETS = {
    "kibot": Preset(
        title="Kibot: bars",
        page="kibot",
        files=("*.txt",),
        parts=Parts(
            separator=",",
            header=False,
            columns=("date", "time", *OHLCV),
            timestamp_format="%m/%d/%Y %H:%M",
            timezone="America/New_York",
            instrument=InstrumentRule(pattern=r"^(.+?)\.txt"),
        ),
    ),
    "kibot-ticks": Preset(
        title="Kibot: ticks",
        page="kibot",
        files=("*.txt",),
        parts=Parts(
            separator=",",
            header=False,
            columns=("date", "time", "price", "bid", "ask", "volume"),
            timestamp_format="%m/%d/%Y %H:%M:%S",
            timezone="America/New_York",
            instrument=InstrumentRule(pattern=r"^(.+?)\.txt"),
        ),
    ),
    "firstratedata": Preset(
        title="FirstRate Data: bars",
        page="firstratedata",
        files=("*_1min*",),
        parts=Parts(
            separator=",",
            header=False,
            columns=("timestamp", *OHLCV),
            timestamp_format="%Y-%m-%d %H:%M:%S",
            instrument=InstrumentRule(pattern=r"^([A-Z0-9.\-]+?)_"),
        ),
        asks={
            "timezone": "see the readme in the download: America/New_York for stocks, ETFs, "
            "indices and futures"
        },
    ),
    "databento": Preset(
        title="Databento: bars, readable times and prices",
        page="databento",
        files=("*.ohlcv-1m*",),
        parts=_DATABENTO,
    ),
    "databento-raw": Preset(
        title="Databento: bars, times and prices as numbers",
        page="databento",
        files=("*.ohlcv-1m*",),
        parts=_DATABENTO._replace(timestamp_format="epoch_ns", price_scale=1e-9),
    ),
    "databento-trades": Preset(
        title="Databento: trades, readable times and prices",
        page="databento",
        files=("*.trades*",),
        parts=_DATABENTO_TRADES,
    ),
    "databento-trades-raw": Preset(
        title="Databento: trades, times and prices as numbers",
        page="databento",
        files=("*.trades*",),
        parts=_DATABENTO_TRADES._replace(timestamp_format="epoch_ns", price_scale=1e-9),
    ),
    "polygon": Preset(
        title="Polygon (Massive): flat files of minute aggregates",
        page="polygon",
        files=("????-??-??.csv*",),
        parts=Parts(
            separator=",",
            header=True,
            columns=("volume", *OHLC, "timestamp=window_start"),
            timestamp_format="epoch_ns",
            instrument=InstrumentRule(column="ticker"),
        ),
    ),
    "polygon-trades": Preset(
        title="Polygon (Massive): flat files of trades",
        page="polygon",
        files=("????-??-??.csv*",),
        parts=Parts(
            separator=",",
            header=True,
            columns=("timestamp=sip_timestamp", "price", "volume=size"),
            timestamp_format="epoch_ns",
            instrument=InstrumentRule(column="ticker"),
        ),
    ),
    "histdata": Preset(
        title="HistData: generic ASCII, bars",
        page="histdata",
        files=("DAT_ASCII_*_M1_*", "HISTDATA_COM_ASCII_*_M1*"),
        parts=_HISTDATA,
    ),
    "histdata-ticks": Preset(
        title="HistData: generic ASCII, ticks",
        page="histdata",
        files=("DAT_ASCII_*_T_*", "HISTDATA_COM_ASCII_*_T*"),
        parts=_HISTDATA._replace(
            separator=",",
            columns=("timestamp", "bid", "ask", "volume"),
            timestamp_format="%Y%m%d %H%M%S%3f",
            instrument=InstrumentRule(pattern=r"^DAT_ASCII_([A-Z0-9]+)_T_\d+\.csv"),
        ),
    ),
    "histdata-metatrader": Preset(
        title="HistData: MetaTrader, bars",
        page="histdata",
        files=("DAT_MT_*_M1_*", "HISTDATA_COM_MT_*_M1*"),
        parts=_HISTDATA._replace(
            separator=",",
            columns=("date", "time", *OHLCV),
            timestamp_format="%Y.%m.%d %H:%M",
            instrument=InstrumentRule(pattern=r"^DAT_MT_([A-Z0-9]+)_M1_\d+\.csv"),
        ),
    ),
    "dukascopy": Preset(
        title="Dukascopy: bars, GMT",
        page="dukascopy",
        files=_CANDLES,
        parts=_DUKASCOPY,
    ),
    "dukascopy-local": Preset(
        title="Dukascopy: bars, local time with its offset",
        page="dukascopy",
        files=_CANDLES,
        parts=_DUKASCOPY._replace(
            columns=("timestamp=Local time", *OHLCV),
            timestamp_format="%d.%m.%Y %H:%M:%S.%3f GMT%z",
            timezone=None,
        ),
    ),
    "dukascopy-ticks": Preset(
        title="Dukascopy: ticks, GMT",
        page="dukascopy",
        files=("*_Ticks_*",),
        parts=_DUKASCOPY._replace(
            columns=("timestamp=Gmt time", "ask=Ask", "bid=Bid"),
            volume="none",
            volume_type=None,
        ),
    ),
    "jforex": Preset(
        title="Dukascopy's JForex: bars, UTC",
        page="dukascopy",
        files=_JFOREX,
        parts=_DUKASCOPY._replace(
            columns=("timestamp=Time (UTC)", *OHLCV),
            timestamp_format="%Y.%m.%d %H:%M:%S",
        ),
    ),
    "jforex-eet": Preset(
        title="Dukascopy's JForex: bars, Eastern European time",
        page="dukascopy",
        files=_JFOREX,
        parts=_DUKASCOPY._replace(
            columns=("timestamp=Time (EET)", *OHLCV),
            timestamp_format="%Y.%m.%d %H:%M:%S",
            timezone="EET",
        ),
    ),
    "barchart": Preset(
        title="Barchart: intraday bars",
        page="barchart",
        files=("*_intraday-1min_*",),
        stamps_vary="all",
        parts=_BARCHART,
        asks=_BARCHART_ASKS,
    ),
    "barchart-last": Preset(
        title="Barchart: intraday bars, newer columns",
        page="barchart",
        files=("*_intraday-1min_*",),
        stamps_vary="all",
        parts=_BARCHART._replace(
            columns=("timestamp=Time", "open", "high", "low", "close=Last", "volume")
        ),
        asks=_BARCHART_ASKS,
    ),
    "stooq": Preset(
        title="Stooq: ASCII bars",
        page="stooq",
        files=("*.txt",),
        parts=Parts(
            separator=",",
            header=True,
            columns=(
                *("date=<DATE>", "time=<TIME>", "open=<OPEN>", "high=<HIGH>", "low=<LOW>"),
                *("close=<CLOSE>", "volume=<VOL>"),
            ),
            timestamp_format="%Y%m%d %H%M%S",
            volume_type="float",
            instrument=InstrumentRule(column="<TICKER>"),
        ),
        asks={"timezone": "Stooq does not say it: compare a session's first bar with the exchange"},
    ),
    "yfinance": Preset(
        title="yfinance: Ticker.history",
        page="yfinance",
        parts=_YFINANCE,
        asks=_NAMED_BY_YOU,
    ),
    "yfinance-download": Preset(
        title="yfinance: download, three lines of header",
        page="yfinance",
        parts=_YFINANCE._replace(header=3),
        asks=_NAMED_BY_YOU,
    ),
}
