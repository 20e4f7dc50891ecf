"""Cases of compressed files and other line ends."""

from __future__ import annotations

from typing import Any


def test_16_gzip_with_epochs(case: Any) -> None:
    rows = case("16").set(timestamp_format='"epoch_ns"').run().values("AAPL")
    assert rows[0] == ("2025-04-16 08:35", 200.29, 200.32, 200.27, 200.28, 72)
    assert len(rows) == 50


def test_16_a_format_that_does_not_fit_shows_the_time_stamp(case: Any) -> None:
    ended = case("16").run()
    assert ended.code == 1
    text = " ".join(ended.output.split())
    assert "the time stamp is not %Y-%m-%d %H:%M:%S: '1744792500000000000'" in text


def test_32_gzip(case: Any) -> None:
    rows = case("32").run().values("ES")
    assert rows[0] == ("2024-01-02 14:30", 4000.0, 4001.5, 4000.0, 4001.0, 489)
    assert rows[1] == ("2024-01-02 14:31", 4001.0, 4002.0, 4001.0, 4001.25, 60)


def test_36_lines_of_an_old_mac(case: Any) -> None:
    rows = case("36").run().values("ES")
    assert rows[0] == ("2024-01-02 14:30", 4800.0, 4800.5, 4800.0, 4800.0, 216)
    assert len(rows) == 300
