"""The translator on real market data, every bar accounted for."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pipekit_translator.settings import Settings, Source


def copied(project: Any, real: Path, *parts: str) -> None:
    for part in parts:
        shutil.copytree(real / part, project.root / "data/raw" / part)


SOURCES = Settings(
    sources=(
        Source(glob="data/raw/exporter/*.csv", dialect="A", timezone="UTC"),
        Source(glob="data/raw/ninjatrader/*.txt", dialect="C", timezone="UTC"),
        Source(glob="data/raw/daily/**/*.csv", dialect="D"),
    )
)


def raw_rows(real: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Every bar of the raw files, read with nothing but str and float, at its opening minute."""
    found: dict[str, set[tuple[Any, ...]]] = {"ES": set(), "GC": set()}
    for file in real.rglob("*.csv"):
        for line in file.read_text().splitlines()[1:]:
            fields = line.split(",")
            if len(fields) == 8:
                stamp, values = f"{fields[0]}T{fields[1]}"[:16], fields[2:7]
            else:
                stamp, values = fields[0][:16], fields[1:]
            found["ES"].add((stamp, *map(float, values)))
    for file in real.rglob("*.txt"):
        for line in file.read_text().splitlines():
            stamp, *values = line.split(";")
            opened = dt.datetime.strptime(stamp, "%Y%m%d %H%M%S") - dt.timedelta(minutes=1)
            found["GC"].add((f"{opened:%Y-%m-%dT%H:%M}", *map(float, values)))
    return found


def test_every_raw_bar_is_published_exactly_once(project: Any, real: Path) -> None:
    """The close-stamped file shifted by a minute, and nothing is published that is not raw."""
    copied(project, real, "exporter", "ninjatrader", "daily")
    run = project.run(SOURCES)
    assert not run.failed
    assert not run.all("rejected")
    raw = raw_rows(real)
    es = project.rows("ES", "2020-01") + project.rows("ES", "2013-10")
    gc = project.rows("GC", "2013-10")
    assert (len(es), len(gc)) == (1425 + 6826, 6687)
    assert set(es) == raw["ES"]
    assert set(gc) == raw["GC"]
    assert gc[0][0] == "2013-10-07T00:00"
    assert len(run.paths("consumed")) == 8


def test_a_second_run_finds_nothing_to_do(project: Any, real: Path) -> None:
    copied(project, real, "daily")
    project.run(SOURCES)
    again = project.plan(SOURCES)
    assert not again
    assert again.reason == "nothing new in data/raw"


def test_the_evening_belongs_to_the_exchanges_date(project: Any, real: Path) -> None:
    """The UTC files of a week feed Chicago days: 17:00 and later of Sunday is Sunday's."""
    copied(project, real, "daily")
    project.run(SOURCES)
    days = json.loads(project.metadata("ES", "2013-10")["pipekit.days"])
    bars = (dt.datetime.fromisoformat(f"{row[0]}+00:00") for row in raw_rows(real)["ES"])
    local = (bar.astimezone(ZoneInfo("America/Chicago")).date().isoformat() for bar in bars)
    expected = {day: count for day, count in Counter(local).items() if day < "2020"}
    assert {day: stated["rows"] for day, stated in days.items()} == expected
    assert expected["2013-10-06"] > 120  # the Sunday's UTC file has no more than that


@pytest.mark.parametrize("order", [sorted, lambda files: sorted(files, reverse=True)])
def test_a_history_file_by_file_ends_in_the_bytes_of_all_at_once(
    project: Any, new_project: Any, real: Path, order: Any
) -> None:
    copied(project, real, "daily")
    project.run(SOURCES)
    slowly = new_project()
    for file in order((real / "daily").rglob("*.csv")):
        target = slowly.root / "data/raw" / file.relative_to(real)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        assert slowly.run(SOURCES).paths("wrote")
    assert slowly.tree() == project.tree()


def test_real_bars_in_the_right_zone_raise_no_doubts(project: Any, real: Path) -> None:
    copied(project, real, "exporter", "ninjatrader", "daily")
    run = project.run(SOURCES)
    assert "timezone may be wrong" not in run.warnings
    assert run.metrics("ES")["off_grid"] == 0
    assert run.metrics("GC")["off_grid"] == 0


def test_real_bars_in_the_wrong_zone_raise_doubts(project: Any, real: Path) -> None:
    """UTC times taken for Chicago's: empty hour and busy hours are not where they should be."""
    copied(project, real, "exporter")
    wrong = Source(glob="data/raw/exporter/*.csv", dialect="A", timezone="America/Chicago")
    run = project.run(Settings(sources=(wrong,)))
    assert "the daily break of 45 minutes begins at 22:" in run.warnings
    assert "of the volume falls between 08:00 and 15:15" in run.warnings
