"""Bars without volume go through all stages, and give what bars with volume give."""

from __future__ import annotations

import datetime as dt
import json

CONFIG = """
    [pipeline]
    stages = ["translator", "analyzer", "merger"]
    quiet_seconds = 0

    [[stages.translator.settings.sources]]
    glob = "data/raw/*.csv"
    separator = ","
    header = true
    columns = ["timestamp", "open", "high", "low", "close"{column}]
    timestamp_format = "%Y-%m-%dT%H:%M:%SZ"
    instrument = {{ constant = "ES" }}
    {more}
"""
FIRST = dt.datetime(2020, 1, 6, 6)


def bars(volume: str) -> str:
    lines = [f"timestamp,open,high,low,close{',volume' if volume else ''}"]
    for at in range(3 * 24 * 60):
        low = 3000 + at % 97 * 0.25
        stamp = FIRST + dt.timedelta(minutes=at)
        lines.append(f"{stamp:%Y-%m-%dT%H:%M:%SZ},{low},{low + 1},{low},{low + 0.5}{volume}")
    return "\n".join(lines) + "\n"


def test_all_stages_work_without_volume(project_in, tmp_path):
    found = []
    for volume, more in ((",5", ""), ("", 'volume = "none"')):
        folder = tmp_path / (volume or "none").strip(",")
        folder.mkdir()
        project = project_in(folder)
        project.config(CONFIG.format(column=', "volume"' if volume else "", more=more))
        project.write("data/raw/ES.csv", bars(volume))
        done = project.pipekit("run")
        assert done.code == 0, done
        summary = project.root / "data/analyzer_runs/merged/summary.json"
        found.append(json.loads(summary.read_text("utf-8"))["rows"])
    assert found[0]
    assert found[0] == found[1]
