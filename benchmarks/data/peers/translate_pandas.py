"""Minute exports to sorted, deduplicated Parquet with pandas: INPUT OUTPUT."""

import sys
from pathlib import Path

import pandas as pd
from shared import ZSTD, instrument_folder


def translate(source: Path, target: Path) -> None:
    frame = pd.read_csv(source)
    utc = pd.to_datetime(frame["Date"] + " " + frame["Time"], format="%Y-%m-%d %H:%M:%S", utc=True)
    bars = pd.DataFrame(
        {
            "timestamp": utc.astype("datetime64[us, UTC]"),
            **{name.lower(): frame[name] for name in ("Open", "High", "Low", "Close")},
            "volume": frame["Volume"].astype("int64"),
            "instrument": frame["Instrument"],
            "interval": "1m",
        }
    )
    bars = bars.sort_values("timestamp", kind="stable").drop_duplicates("timestamp", keep="last")
    local = bars["timestamp"].dt.tz_convert("America/Chicago").dt.tz_localize(None)
    folder = instrument_folder(source, target)
    for month, part in bars.groupby(local.to_numpy().astype("M8[M]")):
        name = f"{folder.name}_1m_{month:%Y-%m}.parquet"
        part.to_parquet(folder / name, index=False, **ZSTD)


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.csv")):
        translate(file, Path(sys.argv[2]))
