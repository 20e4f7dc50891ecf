"""Generated raw bars through all three stages: the results are those of an independent reference.

tests/property/test_analyzer_reference.py writes the files of tests/golden.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq

GOLDEN = Path(__file__).parents[2] / "golden/breakouts"
CONFIG = """
[pipeline]
stages = ["translator", "analyzer", "merger"]
quiet_seconds = 0

[stages.translator.settings]
instruments = ["XX"]

[[stages.translator.settings.sources]]
glob = "data/raw/*_1m_*.csv"
dialect = "D"
growing = false

[[stages.analyzer.settings.variants]]
name = "range"

[[stages.analyzer.settings.variants]]
name = "wide"
base_targets = {XX = 0.85}
max_stop = 2
stop_rule = "boundary"
same_bar_tie = "target"

[[stages.analyzer.settings.sessions]]
name = "S1"
start = 02:00:00
slots = [07:30:00, 09:00:00]
stream = "{I}1"

[[stages.analyzer.settings.sessions]]
name = "S2"
start = 08:00:00
slots = [09:30:00, 11:00:00]
stream = "{I}2"

[stages.analyzer.settings.instruments.XX]
tick = 0.05
target = 0.6
decimals = 2
usd_per_point = 10
"""


def test_generated_bars_end_in_the_rows_of_the_reference(project):
    """A file a UTC day goes in; rows merged by stream and month come out."""
    project.config(CONFIG)
    head, *lines = (GOLDEN / "bars.csv").read_text("ascii").splitlines()
    for day in sorted({line[:10] for line in lines}):
        of_day = [line for line in lines if line.startswith(day)]
        project.write(f"data/raw/XX_1m_{day}.csv", "\n".join([head, *of_day]) + "\n")
    done = project.pipekit("run")
    assert done.code == 0, done
    with open(GOLDEN / "rows.csv", newline="") as file:
        golden = list(csv.DictReader(file))
    rows = [row for stream in ("XX1", "XX2") for row in _merged(project, stream)]
    rows.sort(key=lambda row: (row["variant"], row["date"], row["session"], row["slot"]))
    assert len(rows) == len(golden)
    for row, expected in zip(rows, golden, strict=True):
        assert {name: _as_text(row[name]) for name in expected} == {
            name: _as_text(float(text)) if _is_number(text) else text
            for name, text in expected.items()
        }


def _merged(project, stream: str) -> list[dict]:
    files = sorted((project.root / "data/analyzer_runs/merged" / stream).glob("*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "").isdecimal()


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float | int):
        return f"{value + 0.0:.4f}"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "hour") else str(value)
