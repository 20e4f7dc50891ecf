"""Every preset reads what its program or vendor writes: made-up files in their formats."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from typing import Any, NamedTuple

import pytest
from pipekit_translator import presets
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.settings import Settings
from pipekit_translator.sources import Source

ES = InstrumentRule(constant="ES")
NY = "America/New_York"


class Sample(NamedTuple):
    """A file, what the source says beside the preset, and the rows that come of it."""

    preset: str
    file: str
    text: str | bytes
    more: dict[str, Any]
    instrument: str
    rows: list[tuple[Any, ...]]


def zipped(name: str, text: str, **others: str) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for other, content in others.items():
            archive.writestr(other.replace("_txt", ".txt"), content)
        archive.writestr(name, text)
    return found.getvalue()


MT5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
DATABENTO = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
TRADES = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,"
    "ts_in_delta,sequence,symbol\n"
)
KLINE = "42000.10,42010.5,41990.00,42005.20,12.345,{0}59999,518000.1,321,6.1,256000.2,0\n"
BAR = (4800.0, 4801.0, 4799.5, 4800.5)
TEXT = "4800.00,4801.00,4799.50,4800.50"
SAMPLES = [
    Sample(
        "A", "DataExport_ES_20240102_060000_UTC.csv",
        f"Date,Time,Open,High,Low,Close,Volume,Instrument\r\n2024-01-02,14:30:00,{TEXT},7,ES\r\n",
        {"timezone": "UTC"}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "B", "ES.csv",
        f"Date,Time,Open,High,Low,Close,Volume,Instrument\r\n2024-01-02,08:30:00,{TEXT},7,ES\r\n",
        {"timezone": "America/Chicago"}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "C", "ES 03-24.Last.txt", f"20240102 143100;{TEXT.replace(',', ';')};7\r\n",
        {"timezone": "UTC"}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "D", "ES_1m_2024-01-02.csv",
        f"timestamp_utc,open,high,low,close,volume\n2024-01-02T14:30:00Z,{TEXT},7\n",
        {}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "T", "x.csv",
        "Date,Time,Open,High,Low,Close,Volume,Instrument\n"
        "2024-01-02,14:30:00.250,4800,4800,4800,4800.25,2,ES\n",
        {"timezone": "UTC"}, "ES",
        [("2024-01-02T14:30:00.250000000", 4800.25, None, None, 2)],
    ),
    Sample(
        "N", "ES 03-24.Last.txt", "20240102 143000 2500000;4800.25;4800;4800.25;2\n",
        {"timezone": "UTC"}, "ES",
        [("2024-01-02T14:30:00.250000000", 4800.25, 4800.0, 4800.25, 2)],
    ),
    Sample(
        "ninjatrader8", "M2K 03-24.Last.txt", f"20240102 143100;{TEXT.replace(',', ';')};7\n",
        {}, "M2K", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "ninjatrader8-ticks", "ES 03-24.Last.txt", "20240102 143000 1230000;4800.25;4800;4801;2\n",
        {}, "ES", [("2024-01-02T14:30:00.123000000", 4800.25, 4800.0, 4801.0, 2)],
    ),
    Sample(
        "ninjatrader7", "ES 03-24.Last.txt", f"20240102 083100;{TEXT.replace(',', ';')};7\n",
        {"timezone": "America/Chicago"}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "ninjatrader7-ticks", "ES 03-24.Last.txt", "20240102 083000;4800.25;2\n",
        {"timezone": "America/Chicago"}, "ES",
        [("2024-01-02T14:30:00.000000000", 4800.25, None, None, 2)],
    ),
    Sample(
        "metatrader4", "EURUSD1.csv", "2024.01.02,16:30,1.0951,1.0953,1.0950,1.0952,120\r\n",
        {"timezone": f"{NY}+07:00"}, "EURUSD",
        [("2024-01-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 120)],
    ),
    Sample(
        "metatrader5", "US500.cash_M1_202401020000_202401022359.csv",
        f"{MT5}2024.01.02\t16:30:00\t4800.0\t4801.0\t4799.5\t4800.5\t120\t0\t4\r\n",
        {"timezone": f"{NY}+07:00"}, "US500.cash", [("2024-01-02T14:30", *BAR, 120)],
    ),
    Sample(
        "metatrader5", "EURUSD_M1_202407020000_202407022359.csv",
        f"{MT5}2024.07.02\t16:30:00\t1.1\t1.2\t1.0\t1.1\t1\t0\t4\r\n".encode("utf-16"),
        {"timezone": f"{NY}+07:00"}, "EURUSD",
        [("2024-07-02T13:30", 1.1, 1.2, 1.0, 1.1, 1)],
    ),
    Sample(
        "metatrader5-ticks", "EURUSD_202401020000_202401022359.csv",
        "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
        "2024.01.02\t16:30:00.123\t1.06975\t1.06985\t\t\t6\r\n"
        "2024.01.02\t16:30:01.034\t1.06976\t\t\t\t2\r\n",
        {"timezone": f"{NY}+07:00"}, "EURUSD",
        [
            ("2024-01-02T14:30:00.123000000", None, 1.06975, 1.06985, None),
            ("2024-01-02T14:30:01.034000000", None, 1.06976, 1.06985, None),
        ],
    ),
    Sample(
        "tradestation", "@ES.txt",
        '"Date","Time","Open","High","Low","Close","Up","Down"\r\n'
        f"01/02/2024,08:31,{TEXT},4,3\r\n",
        {"timezone": "America/Chicago", "instrument": ES}, "ES",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "tradestation-total", "ES.txt",
        '"Date","Time","Open","High","Low","Close","TotalVolume"\r\n'
        f"01/02/2024,08:31,{TEXT},7\r\n",
        {"timezone": "America/Chicago", "instrument": ES}, "ES",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "multicharts", "ES_1.txt",
        "<Date>, <Time>, <Open>, <High>, <Low>, <Close>, <Volume>\r\n"
        "2024/1/2,08:31:00.000,4800,4801,4799.5,4800.5,7\r\n",
        {
            "timezone": "America/Chicago", "instrument": ES,
            "timestamp_format": "%Y/%m/%d %H:%M:%S.%3f",
        },
        "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "sierra-chart", "ESH24-CME.txt",
        "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume\r\n"
        "2024/1/2, 14:30:00, 4800.00, 4801.00, 4799.50, 4800.50, 7, 3, 3, 4\r\n",
        {"timezone": "UTC", "instrument": ES}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "sierra-chart", "ESH24-CME-BarData.txt",
        "Date, Time, Open, High, Low, Last, Volume, # of Trades, OHLC Avg, HLC Avg, HL Avg, "
        "Bid Volume, Ask Volume\n"
        "2024/1/2, 08:30:00.000000, 4800.00, 4801.00, 4799.50, 4800.50, 7, 3, 0, 0, 0, 3, 4\n",
        {
            "timezone": "America/Chicago", "instrument": ES,
            "timestamp_format": "%Y/%m/%d %H:%M:%S.%f",
        },
        "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "ib_insync", "ES.csv",
        ",date,open,high,low,close,volume,average,barCount\n"
        f"0,2024-01-02 08:30:00-06:00,{TEXT},7.0,4800.1,5\n",
        {"instrument": ES}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "ib_insync", "EUR.csv",
        "date,open,high,low,close,volume,average,barCount\n"
        "2024-07-24 09:30:00-04:00,1.1,1.2,1.0,1.1,-1.0,-1.0,-1\n",
        {"instrument": InstrumentRule(constant="EUR")}, "EUR",
        [("2024-07-24T13:30", 1.1, 1.2, 1.0, 1.1, None)],
    ),
    Sample(
        "ibapi", "ES.csv",
        f"Date,Open,High,Low,Close,Volume,Average,BarCount\n20240102  09:30:00,{TEXT},7,1,5\n",
        {"timezone": NY, "instrument": ES}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "ibapi", "ES.csv",
        "Date,Open,High,Low,Close,Volume,Average,BarCount\n"
        f"20240102 08:30:00 US/Central,{TEXT},7,1,5\n",
        {"instrument": ES, "timestamp_format": "%Y%m%d %H:%M:%S US/Central"}, "ES",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "tradingview", "CME_MINI_ES1!, 1_b6c2e.csv",
        f"time,open,high,low,close,Volume,MA\n1704205800,{TEXT},7,4800\n",
        {}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "tradingview-iso", "NASDAQ_AAPL, 1.csv",
        "time,open,high,low,close,Volume\n2024-01-02T09:30:00-05:00,187.15,187.3,187.1,187.2,7\n",
        {}, "AAPL", [("2024-01-02T14:30", 187.15, 187.3, 187.1, 187.2, 7)],
    ),
    Sample(
        "kibot", "BRK.B.txt", f"01/02/2024,09:30,{TEXT},7\r\n", {}, "BRK.B",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "kibot-ticks", "IBM.txt", "01/02/2024,09:30:01,161.5,161.49,161.51,100\r\n", {}, "IBM",
        [("2024-01-02T14:30:01.000000000", 161.5, 161.49, 161.51, 100)],
    ),
    Sample(
        "firstratedata", "ES_full_1min_continuous_UNadjusted.txt",
        f"2024-01-02 09:30:00,{TEXT},7\n", {"timezone": NY}, "ES",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "databento", "glbx-mdp3-20240102.ohlcv-1m.csv",
        f"{DATABENTO}2024-01-02T14:30:00.000000000Z,33,1,6641,4800.000000000,4801.000000000,"
        "4799.500000000,4800.500000000,7,ESH4\n",
        {}, "ESH4", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "databento-raw", "glbx-mdp3-20240102.ohlcv-1m.csv",
        f"{DATABENTO}1704205800000000000,33,1,6641,4800000000000,4801000000000,4799500000000,"
        "4800500000000,7,ESH4\n",
        {}, "ESH4", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "databento-trades", "x.trades.csv",
        f"{TRADES}2024-01-02T14:30:00.000000101Z,2024-01-02T14:30:00.000000001Z,0,1,6641,T,A,0,"
        "4800.250000000,2,0,100,7,ESH4\n",
        {}, "ESH4", [("2024-01-02T14:30:00.000000001", 4800.25, None, None, 2)],
    ),
    Sample(
        "databento-trades-raw", "x.trades.csv",
        f"{TRADES}1704205800000000101,1704205800000000001,0,1,6641,T,A,0,4800250000000,2,0,100,7,"
        "ESH4\n",
        {}, "ESH4", [("2024-01-02T14:30:00.000000001", 4800.25, None, None, 2)],
    ),
    Sample(
        "polygon", "2024-01-02.csv.gz",
        gzip.compress(
            b"ticker,volume,open,close,high,low,window_start,transactions\n"
            b"AAPL,4930,187.15,187.2,187.3,187.1,1704205800000000000,129\n"
        ),
        {}, "AAPL", [("2024-01-02T14:30", 187.15, 187.3, 187.1, 187.2, 4930)],
    ),
    Sample(
        "polygon-trades", "2024-01-02.csv.gz",
        gzip.compress(
            b"ticker,conditions,correction,exchange,id,participant_timestamp,price,"
            b'sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp\nAAPL,"12,37",0,11,1,'
            b"1704205800000000000,187.15,2318,1704205800000500000,10,3,0,0\n"
        ),
        {}, "AAPL", [("2024-01-02T14:30:00.000500000", 187.15, None, None, 10)],
    ),
    Sample(
        "histdata", "DAT_ASCII_EURUSD_M1_202407.csv",
        "20240702 093000;1.095100;1.095300;1.095000;1.095200;0\n",
        {}, "EURUSD", [("2024-07-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 0)],
    ),
    Sample(
        "histdata", "HISTDATA_COM_ASCII_EURUSD_M1202407.zip",
        zipped(
            "DAT_ASCII_EURUSD_M1_202407.csv",
            "20240702 093000;1.095100;1.095300;1.095000;1.095200;0\n",
            DAT_ASCII_EURUSD_M1_202407_txt="HistData.com: status report\n",
        ),
        {}, "EURUSD", [("2024-07-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 0)],
    ),
    Sample(
        "histdata-ticks", "DAT_ASCII_EURUSD_T_202407.csv",
        "20240702 093003660,1.306600,1.306770,0\n",
        {}, "EURUSD", [("2024-07-02T14:30:03.660000000", None, 1.3066, 1.30677, 0)],
    ),
    Sample(
        "histdata-metatrader", "DAT_MT_EURUSD_M1_202407.csv",
        "2024.07.02,09:30,1.095100,1.095300,1.095000,1.095200,0\n",
        {}, "EURUSD", [("2024-07-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 0)],
    ),
    Sample(
        "dukascopy", "EURUSD_Candlestick_1_M_BID_02.01.2024-02.01.2024.csv",
        "Gmt time,Open,High,Low,Close,Volume\n"
        "02.01.2024 14:30:00.000,1.0951,1.0953,1.0950,1.0952,179.45\n",
        {}, "EURUSD", [("2024-01-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 179.45)],
    ),
    Sample(
        "dukascopy-local", "EURUSD_Candlestick_1_M_BID_02.01.2024-02.01.2024.csv",
        "Local time,Open,High,Low,Close,Volume\n"
        "02.01.2024 16:30:00.000 GMT+0200,1.0951,1.0953,1.0950,1.0952,179.45\n",
        {}, "EURUSD", [("2024-01-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 179.45)],
    ),
    Sample(
        "dukascopy-ticks", "EURUSD_Ticks_02.01.2024-02.01.2024.csv",
        "Gmt time,Ask,Bid,AskVolume,BidVolume\n"
        "02.01.2024 14:30:00.123,1.0953,1.0951,0.75,1.5\n",
        {}, "EURUSD", [("2024-01-02T14:30:00.123000000", None, 1.0951, 1.0953, None)],
    ),
    Sample(
        "jforex", "EURUSD_1 Min_Bid_2024.01.02_2024.01.03.csv",
        "Time (UTC),Open,High,Low,Close,Volume \n"
        "2024.01.02 14:30:00,1.0951,1.0953,1.0950,1.0952,3468.2\n",
        {}, "EURUSD", [("2024-01-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 3468.2)],
    ),
    Sample(
        "jforex-eet", "EURUSD_1 Min_Bid_2024.07.02_2024.07.03.csv",
        "Time (EET),Open,High,Low,Close,Volume \n"
        "2024.07.02 17:30:00,1.0951,1.0953,1.0950,1.0952,3468.2\n",
        {}, "EURUSD", [("2024-07-02T14:30", 1.0951, 1.0953, 1.0950, 1.0952, 3468.2)],
    ),
    Sample(
        "barchart", "esh24_intraday-1min_historical-data-01-02-2024.csv",
        f'Time,Open,High,Low,Latest,Change,%Change,Volume\n"2024-01-02 08:30",{TEXT},0.25,"+0.01%",'
        '7\n"Downloaded from Barchart.com as of 01-02-2024 03:10pm CST"\n',
        {"timezone": "America/Chicago"}, "esh24", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "barchart-last", "aapl_intraday-1min_historical-data-01-02-2024.csv",
        'Symbol,Time,Open,High,Low,Last,Change,%Chg,Volume,"Open Int"\n'
        f'AAPL,01/02/2024 09:30,{TEXT},0.25,"+0.01%",7,0\n'
        '"Downloaded from Barchart.com as of 01-02-2024 03:10pm CST"\n',
        {"timezone": NY, "timestamp_format": "%m/%d/%Y %H:%M"}, "aapl",
        [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "stooq", "aapl.us.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\n"
        "AAPL.US,1,20240102,153000,187.15,187.3,187.1,187.2,4930.5,0\r\n",
        {"timezone": "Europe/Warsaw"}, "AAPL.US",
        [("2024-01-02T14:30", 187.15, 187.3, 187.1, 187.2, 4930.5)],
    ),
    Sample(
        "yfinance", "ES.csv",
        f"Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        f"2024-01-02 09:30:00-05:00,{TEXT},7,0.0,0.0\n",
        {"instrument": ES}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "yfinance-download", "ES.csv",
        "Price,Close,High,Low,Open,Volume\nTicker,ES=F,ES=F,ES=F,ES=F,ES=F\nDatetime,,,,,\n"
        "2024-01-02 14:30:00+00:00,4800.5,4801.0,4799.5,4800.0,7\n",
        {"instrument": ES}, "ES", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "cryptodatadownload", "Bitstamp_BTCUSD_2024_minute.csv",
        "https://www.CryptoDataDownload.com\n"
        "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        "1704205800,2024-01-02 14:30:00,BTC/USD,42000.1,42010.5,41990,42005.2,12.345,518000\n",
        {}, "BTCUSD", [("2024-01-02T14:30", 42000.1, 42010.5, 41990.0, 42005.2, 12.345)],
    ),
    Sample(
        "cryptodatadownload", "Binance_ETHUSDT_2024_minute.csv",
        "https://www.CryptoDataDownload.com\n"
        "Unix,Date,Symbol,Open,High,Low,Close,Volume ETH,Volume USDT,tradecount\n"
        "1704205800000,2024-01-02 14:30:00,ETHUSDT,2300.1,2301,2299,2300.5,12.345,518000,99\n",
        {}, "ETHUSDT", [("2024-01-02T14:30", 2300.1, 2301.0, 2299.0, 2300.5, 12.345)],
    ),
    Sample(
        "binance-spot", "BTCUSDT-1m-2024-01.zip",
        zipped("BTCUSDT-1m-2024-01.csv", "1704205800000," + KLINE.format(17042058)),
        {}, "BTCUSDT", [("2024-01-02T14:30", 42000.1, 42010.5, 41990.0, 42005.2, 12.345)],
    ),
    Sample(
        "binance-spot-2025", "BTCUSDT-1m-2025-01-02.csv",
        "1735828200000000," + KLINE.format("17358282"),
        {}, "BTCUSDT", [("2025-01-02T14:30", 42000.1, 42010.5, 41990.0, 42005.2, 12.345)],
    ),
    Sample(
        "binance-futures", "BTCUSDT-1m-2024-01-02.csv",
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n1704205800000," + KLINE.format("17042058"),
        {}, "BTCUSDT", [("2024-01-02T14:30", 42000.1, 42010.5, 41990.0, 42005.2, 12.345)],
    ),
    Sample(
        "lean-equity", "20240102_trade.zip",
        zipped("20240102_aapl_minute_trade.csv", "34200000,1871500,1873000,1871000,1872000,90\n"),
        {}, "aapl", [("2024-01-02T14:30", 187.15, 187.3, 187.1, 187.2, 90)],
    ),
    Sample(
        "lean-crypto", "20240102_trade.zip",
        zipped(
            "20240102_btcusd_minute_trade.csv", "52200000,42000.1,42010.5,41990,42005.2,12.345\n"
        ),
        {}, "btcusd", [("2024-01-02T14:30", 42000.1, 42010.5, 41990.0, 42005.2, 12.345)],
    ),
    Sample(
        "lean-future", "20240102_trade.zip",
        zipped("20240102_es_minute_trade_202403.csv", f"34200000,{TEXT},7\n"),
        {"timezone": NY}, "es", [("2024-01-02T14:30", *BAR, 7)],
    ),
    Sample(
        "lean-forex", "20240102_quote.zip",
        zipped(
            "20240102_eurusd_minute_quote.csv",
            "52200000,1.0951,1.0953,1.0950,1.0952,0,1.0952,1.0954,1.0951,1.0953,0\n",
        ),
        {"timezone": "UTC"}, "eurusd", [("2024-01-02T14:30", 1.0951, 1.0953, 1.095, 1.0952, None)],
    ),
]  # fmt: skip


def sample_id(sample: Sample) -> str:
    return f"{sample.preset}-{sample.file}"


def settings(sample: Sample, **more: Any) -> Settings:
    given = {"glob": "data/raw/*", "dialect": sample.preset, **sample.more, **more}
    return Settings(sources=(Source(**given),), instruments=("*",), final_after=0.0)


@pytest.mark.parametrize("sample", SAMPLES, ids=sample_id)
def test_a_preset_reads_what_is_written(project: Any, sample: Sample) -> None:
    project.write(f"data/raw/{sample.file}", sample.text)
    run = project.run(settings(sample))
    assert not run.failed
    assert not run.all("rejected"), run.all("rejected")
    assert project.quarantine() == []
    date = sample.rows[0][0][:10]
    ticks = len(sample.rows[0]) == 5
    found = (
        project.ticks(sample.instrument, date)
        if ticks
        else project.rows(sample.instrument, date[:7])
    )
    assert found == sample.rows


def test_every_preset_has_a_sample() -> None:
    assert {*presets.names()} == {sample.preset for sample in SAMPLES}


@pytest.mark.parametrize("name", list(presets.names()))
def test_what_a_preset_needs_is_asked_for_with_a_hint(name: str) -> None:
    """And nothing else: with what it needs, the source is complete."""
    preset = presets.find(name)
    assert preset is not None
    given = {
        "timezone": "UTC",
        "instrument": ES,
        "timestamp_format": "%Y/%m/%d %H:%M:%S",
    }
    needed = {part: given[part] for part in presets.needs(preset)}
    Source(glob="data/raw/*", dialect=name, **needed)
    assert {*preset.asks} <= {*needed}
    for part in needed:
        rest = {other: value for other, value in needed.items() if other != part}
        hint = preset.asks.get(part, "timezone")
        with pytest.raises(ValueError, match=re.escape(hint)):
            Source(glob="data/raw/*", dialect=name, **rest)


def test_whatever_a_source_says_overrides_the_preset() -> None:
    source = Source(
        glob="data/raw/*", dialect="dukascopy", timezone="+02:00", volume_type="int", skip_lines=2
    )
    dialect = source.resolved()
    assert (dialect.volume_type, dialect.skip_lines, source.zone()) == ("int", 2, "+02:00")
    assert dialect.timestamp_format == "%d.%m.%Y %H:%M:%S.%3f"


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="did you mean 'metatrader5'") as refused:
        Source(glob="data/raw/*", dialect="metatrader-5")
    assert "ninjatrader8, " in str(refused.value)


def test_a_time_of_day_needs_a_date_in_the_name(project: Any) -> None:
    sample = next(sample for sample in SAMPLES if sample.preset == "lean-equity")
    project.write("data/raw/aapl.csv", "34200000,1871500,1873000,1871000,1872000,90\n")
    (rejected,) = project.run(settings(sample, instrument=ES)).all("rejected")
    assert "(date) finds no date of the form %Y%m%d in the file name" in rejected["reason"]


def test_times_of_day_have_a_fraction_and_end_at_midnight(project: Any) -> None:
    sample = next(sample for sample in SAMPLES if sample.preset == "lean-equity")
    columns = ("time", "price", "volume", "-", "-", "-")
    text = "14400009.367,137450,100,D,1,0\n86400000,137450,100,D,1,0\n"
    project.write("data/raw/20240102_aapl_trade_tick.csv", text)
    run = project.run(settings(sample, columns=columns, instrument=ES))
    assert not run.all("rejected")
    assert project.ticks("ES", "2024-01-02") == [
        ("2024-01-02T09:00:00.009367000", 13.745, None, None, 100)
    ]
    (row,) = project.quarantine()
    assert row["reason"] == "the time stamp is not ms_of_day: '86400000'"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"timestamp_format": "%Y%m%d %H:%M"}, "the date is in the file's name, so write a time"),
        ({"timestamp_format": "epoch_ms"}, "the date is in the file's name, so write a time"),
        ({"columns": ("timestamp", "open", "high", "low", "close", "volume")}, "time .the date"),
        ({"timestamp_format": "ms_of_day", "date": None}, "missing"),
    ],
)
def test_a_date_in_the_name_needs_a_time_alone(more: dict[str, Any], message: str) -> None:
    from pipekit_translator.dialects import DateRule

    given = {
        "glob": "data/raw/*",
        "separator": ",",
        "header": False,
        "columns": ("time", "open", "high", "low", "close", "volume"),
        "timestamp_format": "%H:%M",
        "date": DateRule(pattern=r"_(\d{8})"),
        "timezone": "UTC",
        "instrument": ES,
    }
    Source(**given)
    with pytest.raises(ValueError, match=message):
        Source(**{**given, **more})


@pytest.mark.parametrize("format", ["%Y%m", "%Y%m%d%H", "%d", "%Y%m%3f"])
def test_a_date_in_the_name_has_a_year_a_month_and_a_day(format: str) -> None:
    from pipekit_translator.dialects import DateRule

    with pytest.raises(ValueError, match="write one %Y"):
        DateRule(pattern=r"_(\d+)", format=format)
