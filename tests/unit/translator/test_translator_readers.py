"""What is published is read by others than pyarrow's own file reader, and packed as documented.

polars and duckdb are held against it by the benchmark of the data plane, which has them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pipekit_translator.settings import Settings, Source
from pyarrow import dataset, parquet

BARS = ["2020-01-06 08:00,10.25,12,9,11,5", "2020-01-06 08:01,-0.125,2345.678,-3,0.1,123456789012"]
TICKS = (
    "20200106 153000 1230001;3250.25;3250;3250.5;3\n"
    "20200106 153000 1230002;3250.5;;3250.75;2\n"
    "20200106 153000 1230002;-37.63;-37.64;;1\n"
)
CSV = Source(glob="data/raw/*.csv", dialect="A", timezone="UTC")
STEPS, NAME = ("DELTA_BINARY_PACKED", "UNCOMPRESSED"), ("RLE_DICTIONARY", "UNCOMPRESSED")
WRITTEN = {
    "1m": {
        "timestamp": ("DELTA_BINARY_PACKED", "SNAPPY"),
        **dict.fromkeys(("open", "high", "low", "close"), ("BYTE_STREAM_SPLIT", "SNAPPY")),
        "volume": STEPS,
        **dict.fromkeys(("instrument", "interval"), NAME),
    },
    "tick": {
        "timestamp": STEPS,
        **dict.fromkeys(("price", "bid", "ask"), ("BYTE_STREAM_SPLIT", "ZSTD")),
        "volume": ("RLE_DICTIONARY", "ZSTD"),
        "instrument": NAME,
    },
}


@pytest.fixture
def published(project: Any, export: Any) -> Any:
    project.write("data/raw/x.csv", export(*BARS))
    project.write("data/raw/ES 03-20.Last.txt", TICKS)
    ticks = Source(glob="data/raw/*.txt", dialect="N", timezone="UTC")
    project.run(Settings(sources=(CSV, ticks)))
    return {"1m": project.month("ES", "2020-01"), "tick": project.day("ES", "2020-01-06")}


@pytest.mark.parametrize("series", WRITTEN)
class TestReaders:
    def test_pandas_finds_the_same_values(self, published: Any, series: str) -> None:
        frame = pd.read_parquet(published[series])
        expected = parquet.ParquetFile(published[series]).read().to_pydict()
        assert list(frame.columns) == list(expected)
        for name, values in expected.items():
            found = [None if pd.isna(value) else value for value in frame[name]]
            assert found == values, name

    def test_a_dataset_of_all_files_finds_the_same_values(
        self, published: Any, series: str
    ) -> None:
        expected = parquet.ParquetFile(published[series]).read()
        folder = published[series].parent
        found = dataset.dataset(folder, format="parquet").to_table()
        assert found.to_pydict() == expected.to_pydict()
        assert found.schema.types == expected.schema.types

    def test_columns_are_packed_as_measured(self, published: Any, series: str) -> None:
        """A change of these costs twice the time, or readers that are used."""
        group = parquet.ParquetFile(published[series]).metadata.row_group(0)
        columns = [group.column(index) for index in range(group.num_columns)]
        found = {c.path_in_schema: (set(c.encodings), c.compression) for c in columns}
        for name, (encoding, compression) in WRITTEN[series].items():
            assert encoding in found[name][0], name
            assert found[name][1] == compression, name
        assert list(found) == list(WRITTEN[series])


def test_prices_are_packed_by_what_they_are(project: Any, export: Any) -> None:
    """Halves as streams of bytes, few others with a dictionary, many others as streams again."""
    rows = range(600)
    halves, few, many = (
        [70 + row % 40 / 4 for row in rows],
        [60 + row % 40 / 100 for row in rows],
        [round(50 + row / 997, 9) for row in rows],
    )
    minutes = [f"2020-01-06 {row // 60:02}:{row % 60:02}" for row in rows]
    lines = [
        f"{minute},{few[row]},{halves[row]},{many[row]},{few[row]},5"
        for row, minute in enumerate(minutes)
    ]
    project.write("data/raw/x.csv", export(*lines))
    project.run(Settings(sources=(CSV,)))
    file = parquet.ParquetFile(project.month("ES", "2020-01"))
    columns = [file.metadata.row_group(0).column(at) for at in range(1, 5)]
    dictionary = ["RLE_DICTIONARY" in column.encodings for column in columns]
    assert dictionary == [True, False, False, True]
    found = file.read().to_pydict()
    assert [found[name] for name in ("open", "high", "low", "close")] == [few, halves, many, few]


def test_the_values_are_those_of_the_text(published: Any) -> None:
    """To the last digit, whichever way they are packed."""
    bars, ticks = (pd.read_parquet(published[name]) for name in ("1m", "tick"))
    assert bars["open"].tolist() == [10.25, -0.125]
    assert bars["high"].tolist() == [12, 2345.678]
    assert bars["volume"].tolist() == [5, 123456789012]
    assert ticks["price"].tolist() == [3250.25, 3250.5, -37.63]
    assert ticks["bid"].isna().tolist() == [False, True, False]
    assert ticks["ask"].isna().tolist() == [False, False, True]
    assert set(bars["instrument"]) == set(ticks["instrument"]) == {"ES"}
    assert set(bars["interval"]) == {"1m"}
    assert ticks["timestamp"].map(lambda at: at.value % 10**9).tolist() == [
        123000100, 123000200, 123000200,
    ]  # fmt: skip
