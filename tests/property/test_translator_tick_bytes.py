"""However ticks are cut into files and runs, and wherever they wait, the bytes are the same."""

from __future__ import annotations

import datetime as dt
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_translator.settings import Source

FIRST = dt.datetime(2020, 1, 7, 4)  # two hours before midnight in Chicago

Tick = tuple[int, int]  # tenths of a microsecond, volume


def line(tick: Tick) -> str:
    whole, fraction = divmod(tick[0], 10**7)
    at = FIRST + dt.timedelta(seconds=whole)
    price = 100 + tick[1] % 7 / 4
    return f"{at:%Y%m%d %H%M%S} {fraction:07};{price};{price - 1};{price + 1};{tick[1]}\n"


def source(aggregate: str) -> Source:
    return Source(glob="raw/*", dialect="N", timezone="UTC", aggregate=aggregate)  # type: ignore[arg-type]


def write(root: Path, files: dict[str, list[Tick]]) -> list[str]:
    """The names of raw files with these ticks."""
    (root / "raw").mkdir(exist_ok=True)
    for name, ticks in files.items():
        (root / name).write_text("".join(map(line, ticks)))
    return list(files)


def tree(root: Path) -> dict[str, bytes]:
    files = (root / "processed").rglob("*")
    return {f.relative_to(root).as_posix(): f.read_bytes() for f in files if f.is_file()}


HOURS = range(0, 144_000_000_000, 5_999_999_990)
MINUTE = range(0, 600_000_000, 37_000_000)  # whose ticks are read in several blocks
TICKS = st.lists(
    st.tuples(st.sampled_from([*HOURS, *MINUTE, 1, 2]), st.integers(1, 99)),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("aggregate", ["", "1m"])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(ticks=TICKS, data=st.data())
def test_the_bytes_of_ticks_do_not_depend_on_how_they_come(
    translate: Any, aggregate: str, ticks: list[Tick], data: st.DataObject
) -> None:
    """All in order, at once and in memory, against any split that cuts no time stamp in two.

    A file's groups come in any order and may stand in two files; nothing may wait in memory. For
    bars no minute is cut in two.
    """
    unit = 600_000_000 if aggregate else 1
    ticks = sorted(ticks, key=lambda tick: tick[0])
    groups = [list(of) for _, of in groupby(ticks, key=lambda tick: tick[0] // unit)]
    count = data.draw(st.integers(1, 3))
    cut: dict[str, list[Tick]] = {}
    for group in data.draw(st.permutations(groups)):
        for place in data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2)):
            cut.setdefault(f"raw/ES {place}.txt", []).extend(group)
    runs = data.draw(st.integers(1, 2))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        kind = source(aggregate)
        names = write(Path(one), {"raw/ES all.txt": ticks})
        translate(Path(one), kind, names, memory=512_000_000)
        names = data.draw(st.permutations(sorted(cut)))
        for run in range(runs):
            now = {name: cut[name] for name in names[run::runs]}
            if now:
                workers, block = data.draw(st.integers(1, 3)), data.draw(st.integers(60, 400))
                more = {"workers": workers, "block": block, "memory": 1000}
                translate(Path(other), kind, write(Path(other), now), **more)
        assert tree(Path(one)) == tree(Path(other))
