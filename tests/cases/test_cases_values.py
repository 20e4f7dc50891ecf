"""Cases of volumes, quotes, numbers and layouts, with the settings that say what they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from pyarrow.parquet import ParquetFile


def test_04_no_volume(case: Any) -> None:
    rows = case("04").set(volume='"none"').run().values("USDJPY")
    assert rows[0] == ("2013-02-01 00:00", 91.7, 91.702, 91.697, 91.701, None)
    assert {row[-1] for row in rows} == {None}


def test_04_without_the_setting_the_source_is_refused_with_the_remedy(case: Any) -> None:
    ended = case("04").run()
    assert ended.code == 3
    assert 'volume missing (if the export has none, set volume = "none")' in ended.output


def test_10_quotes_of_metatrader(case: Any) -> None:
    """Each row has the quotes as they stand after it; no trade is made up."""
    here = case("10").set(carry="true", missing_volume='"null"')
    ended = here.run()
    rows = ended.rows("EURUSD", "tick")
    (raw,) = here.root.glob("data/raw/*.csv")
    quotes, expected = ["", ""], []
    for line in raw.read_text().splitlines()[1:]:
        given = line.split("\t")[2:4]
        quotes = [new or old for new, old in zip(given, quotes, strict=True)]
        expected.append(tuple(map(float, quotes)))
    assert ended.code == 0, ended.output
    assert [(row["bid"], row["ask"]) for row in rows] == expected
    assert {(row["price"], row["volume"]) for row in rows} == {(None, None)}
    assert f"{rows[0]['timestamp']:%Y-%m-%d %H:%M}" == "2023-01-01 22:00"


def test_10_without_the_settings_the_message_names_them(case: Any) -> None:
    ended = case("10").set(carry="true").run()
    assert ended.code == 1
    assert "set missing_volume" in " ".join(ended.output.split())


def test_15b_fixed_point_prices(case: Any) -> None:
    here = case("15b").set(price_scale="1e-9")
    here.run().same(here.expected())


def test_18b_a_volume_of_minus_one(case: Any) -> None:
    rows = case("18b").set(missing_volume='"zero"').run().values("EUR")
    assert rows[0] == ("2024-07-24 13:30", 1.0857, 1.08575, 1.08545, 1.0855, 0)
    assert {row[-1] for row in rows} == {0}


def test_20_quotes_newest_first_and_a_footer(case: Any) -> None:
    here = case("20").set(skip_footer="true")
    ended = here.run()
    ended.same(here.expected())
    assert not ended.quarantine()


def test_22_a_line_above_the_header_and_fractions(case: Any) -> None:
    rows = case("22").set(skip_lines="1", volume_type='"float"').run().values("BTCUSD")
    assert rows[-1] == ("2021-11-07 04:59", 61999.46, 61999.50, 61999.44, 61999.50, 4.38)
    assert len(rows) == 300


def test_35_decimal_comma(case: Any) -> None:
    rows = case("35").set(decimal='","').run().values("ES")
    assert rows[0] == ("2024-01-02 14:30", 4800.0, 4801.0, 4799.75, 4801.0, 59)
    assert len(rows) == 300


def test_35_without_the_setting_the_message_names_it(case: Any) -> None:
    ended = case("35").run()
    assert ended.code == 1
    assert 'set decimal = ","' in " ".join(ended.output.split())


def test_38_a_separator_at_the_end(case: Any) -> None:
    rows = case("38").run().values("ES")
    assert rows[0] == ("2024-01-02 14:30", 4800.0, 4800.5, 4799.75, 4800.5, 181)
    assert len(rows) == 300


MAKE = """
import datetime as dt
t = dt.datetime(2022, 1, 3)
lines = ["time,open,high,low,close,Volume,Volume"]
for i in range(320_000):
    lines.append(f"{t:%Y-%m-%d %H:%M:%S},4800.00,4801.00,4799.00,4800.50,{i%900+1},{i%900+7001}")
    t += dt.timedelta(minutes=1)
open("data/raw/LARGE.csv", "w").write("\\n".join(lines) + "\\n")
open("data/raw/SMALL.csv", "w").write("\\n".join(lines[:1001]) + "\\n")
"""


def test_42_a_header_that_names_a_column_twice(case: Any) -> None:
    """Refused, whatever the size of the file; with a position, the same column in both."""
    here = case("42")
    (here.root / "data/raw").mkdir(parents=True)
    script = (here.folder / "try.sh").read_text()
    config = script.partition("<<'X'\n")[2].partition("\nX\n")[0]
    (here.root / "pipekit.toml").write_text(config + "\n")
    subprocess.run([sys.executable, "-c", MAKE], cwd=here.root, check=True)
    refused = here.run()
    assert refused.code != 0
    assert "several columns named volume" in " ".join(refused.output.split())
    assert refused.instruments() == []
    columns = '["timestamp=time", "open", "high", "low", "close", "volume=#6"]'
    ended = here.set(columns=columns).run()
    for name in ("SMALL", "LARGE"):
        month = ended.root / f"data/processed/{name}/1m/2022/{name}_1m_2022-01.parquet"
        volumes = ParquetFile(month).read()["volume"].to_pylist()
        assert volumes[:5] == [1, 2, 3, 4, 5], ended.output


def test_43_small_files_with_no_row_that_can_be_right(case: Any) -> None:
    """An exporter's decimal sign becomes a comma: none of its files is taken for consumed."""
    here = case("43")
    script = (here.folder / "try.sh").read_text("utf-8")
    here.root.joinpath("pipekit.toml").write_text(script.split("<<'X'\n")[1].split("X\n")[0])
    raw = here.root / "data/raw"
    raw.mkdir(parents=True)
    for number in range(6):
        lines = ["Date,Time,Open,High,Low,Close,Volume,Instrument"]
        for minute in range(5 * number, 5 * number + 5):
            prices = ["4800.00", "4801.00", "4799.00", "4800.50"]
            if number >= 2:
                prices = [f'"{price.replace(".", ",")}"' for price in prices]
            lines.append(f"2024-01-02,15:{minute:02}:00,{','.join(prices)},5,ES")
        name = f"DataExport_ES_20240102_15{5 * number + 5:02}00_UTC.csv"
        (raw / name).write_text("\n".join(lines) + "\n")
    ended = here.run()
    assert ended.code == 1
    assert "2 files, 1 written, 4 rejected" in ended.output
    assert 'set decimal = ","' in " ".join(ended.output.split())
    assert len(ended.rows("ES")) == 10
    status = here.pipekit("status").output
    assert status.startswith("WARNING: translator was partial")
    assert "4 files rejected" in " ".join(status.split())
    plan = here.pipekit("lifecycle", "plan").output
    assert [number for number in range(6) if f"_15{5 * number + 5:02}00_" in plan] == [0, 1]
