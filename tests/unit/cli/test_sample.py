"""The data that `pipekit demo` makes up: what is promised of it is read back from its files."""

import csv
import datetime as dt
import hashlib
import math
import re
from collections import Counter, defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipekit.cli.demo.sample import FIRST_DAY, LAST_DAY, Sample, write_sample

pytestmark = pytest.mark.slow

CHICAGO = ZoneInfo("America/Chicago")
TICK = {"ES": 0.25, "NQ": 0.25, "CL": 0.01, "GC": 0.10}
TARGET = {"ES": 10, "NQ": 50, "CL": 0.5, "GC": 5}  # points, the analyzer's defaults
SLOTS = {"02:00": ("07:30", "08:00", "09:00"), "08:00": ("09:30", "10:00", "10:30", "11:00")}
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def sample(folder) -> Sample:
    return write_sample(folder)


def dialect_of(file: str) -> str:
    """By the folder below data/raw."""
    return {"exporter": "A", "concatenated": "B", "ninjatrader": "C", "daily": "D"}[
        file.split("/")[2]
    ]


def instrument_of(file: str) -> str:
    return re.search(r"ES|NQ|CL|GC|XX", file)[0]


def read(path: Path, dialect: str):
    """Chicago time of the bar's open, and the five numbers, of each row of a raw file."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter=";" if dialect == "C" else ","))
    for row in rows[0 if dialect == "C" else 1 :]:
        if dialect in "AB":
            zone = CHICAGO if dialect == "B" else dt.UTC
            time = dt.datetime.fromisoformat(f"{row[0]} {row[1]}").replace(tzinfo=zone)
            numbers = row[2:7]
        elif dialect == "C":
            closed = dt.datetime.strptime(row[0], "%Y%m%d %H%M%S")
            time, numbers = closed.replace(tzinfo=dt.UTC) - MINUTE, row[1:6]
        else:
            time, numbers = dt.datetime.fromisoformat(row[0]), row[1:6]
        yield time.astimezone(CHICAGO), tuple(float(number) for number in numbers)


@pytest.fixture(scope="module")
def bars(folder, sample):
    """Instrument → bars by naive Chicago time, as a reader of the files gets them; valid ones."""
    found = defaultdict(dict)
    for file in sample.files:
        if file == sample.unknown:
            continue
        for time, numbers in read(folder / file, dialect_of(file)):
            open, high, low, close, _ = numbers
            if high >= max(open, close) and low <= min(open, close):
                found[instrument_of(file)][time.replace(tzinfo=None)] = numbers
    return found


def digest(folder: Path) -> str:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(name.encode() + files[name].read_bytes())
    return content.hexdigest()


def test_a_seed_gives_the_same_bytes_on_every_machine(folder, sample):
    assert digest(folder) == "b2f08dbcfe545a757c33647712de4a6651cd2ddcd280c97590efe57ec2c45ee6"


def test_another_seed_gives_other_bytes(folder, sample, tmp_path):
    write_sample(tmp_path, seed=8)
    assert digest(tmp_path) != digest(folder)


def test_every_dialect_is_there_and_every_file_is_named(folder, sample):
    assert {dialect_of(file) for file in sample.files} == set("ABCD")
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == set(sample.files)


def test_the_bars_that_come_out_are_those_predicted(bars, sample):
    assert {name: len(rows) for name, rows in bars.items()} == sample.bars
    assert set(sample.bars) == {"ES", "NQ", "CL", "GC"}


def test_one_row_has_its_high_below_its_low(folder, sample):
    """It is in the concatenated file, and no other file has one."""
    wrong = [
        instrument_of(file)
        for file in sample.files
        for _, (_, high, low, *_) in read(folder / file, dialect_of(file))
        if high < low
    ]
    assert wrong == ["CL"]


def test_one_export_is_of_an_instrument_that_nobody_knows(folder, sample):
    assert Path(sample.unknown).name.startswith("DataExport_XX_")
    assert (folder / sample.unknown).read_bytes().splitlines()[1].endswith(b",XX")


def test_exports_end_their_lines_as_windows_does(folder, sample):
    for file in sample.files:
        text = (folder / file).read_bytes()
        assert text.endswith(b"\n")
        assert (text.count(b"\r\n") == text.count(b"\n")) is (dialect_of(file) in "AC"), file


def test_the_second_export_repeats_a_day_of_the_first_with_equal_values(folder, sample):
    first, second = (dict(read(folder / f, "A")) for f in sample.files if "NQ" in f)
    repeated = first.keys() & second.keys()
    assert len(repeated) == 1380
    assert all(first[time] == second[time] for time in repeated)


def test_there_are_bars_in_sessions_only_and_none_is_missing(bars, sample):
    """Sunday 17:00 to Friday 16:00 Chicago, with a halt from 16:00 to 17:00."""
    expected = set()
    for number in range(28):
        day = FIRST_DAY + dt.timedelta(number)
        if day.weekday() < 5:
            start = dt.datetime.combine(day, dt.time(17)) - dt.timedelta(1)
            expected |= {start + minute * MINUTE for minute in range(23 * 60)}
    for name in ("ES", "NQ", "GC"):
        assert set(bars[name]) == expected
    assert len(expected - set(bars["CL"])) == 1
    assert max(expected).date() == LAST_DAY


def test_prices_lie_on_the_tick_grid_and_volumes_are_whole(bars):
    for name, rows in bars.items():
        for *prices, volume in rows.values():
            ticks = [price / TICK[name] for price in prices]
            assert all(abs(tick - round(tick)) < 1e-6 for tick in ticks)
            assert volume >= 1
            assert volume == int(volume)


def test_nothing_is_written_over(tmp_path):
    mine = tmp_path / "data/raw/concatenated/CL.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        write_sample(tmp_path)
    assert mine.read_text() == "mine"


def test_breakouts_end_in_every_way_and_are_as_many_as_predicted(bars, sample):
    """The rules of the analysis, written out once more: every result occurs, most of them often."""
    results = {name: Counter(breakouts(name, rows)) for name, rows in bars.items()}
    assert (
        sum(counter.total() for counter in results.values()) == len(bars) * 20 * 7
    )  # days and slots
    for counter in results.values():
        assert min(counter[result] for result in ("Win", "Loss", "BE")) >= 10
    total = sum(results.values(), Counter())
    assert min(total[result] for result in ("Time", "Open", "NoTrade")) >= 5


def breakouts(name, rows):
    """The result of each (day, slot)."""
    ticks = {t: tuple(round(p / TICK[name]) for p in row[1:3]) for t, row in rows.items()}
    target = round(TARGET[name] / TICK[name])
    days = sorted({time.date() for time in ticks if time.weekday() < 5})
    for day in days:
        for start, slots in SLOTS.items():
            for slot in slots:
                yield breakout(ticks, at(day, start), at(day, slot), target)


def at(day, clock):
    return dt.datetime.fromisoformat(f"{day} {clock}")


def between(ticks, start, end):
    count = int((end - start) / MINUTE)
    times = (start + minute * MINUTE for minute in range(count))
    return [(time, *ticks[time]) for time in times if time in ticks]


def breakout(ticks, start, slot, target):
    """One walk in ticks; a bar that touches target and stop counts as `Win` here."""
    window = between(ticks, start, slot)
    top, bottom = max(high for _, high, _ in window), min(low for _, _, low in window)
    tradable = between(ticks, slot, at(slot.date(), "16:01"))
    broken = [bar for bar in tradable if bar[1] > top or bar[2] < bottom]
    if not broken or (broken[0][1] > top and broken[0][2] < bottom):
        return "NoTrade"
    sign, entry = (1, top + 1) if broken[0][1] > top else (-1, bottom - 1)
    expiry = slot + dt.timedelta(3 if slot.weekday() == 4 else 1)
    stop, even = min(top - bottom, 3 * target), False
    for _, high, low in between(ticks, broken[0][0], expiry):
        gain, loss = (high - entry, entry - low) if sign > 0 else (entry - low, high - entry)
        fires = not even and gain >= math.ceil(0.65 * target - 1e-9)
        even = even or fires
        if gain >= target:
            return "Win"
        if not fires and loss >= (1 if even else stop):
            return "BE" if even else "Loss"
    return "Time" if max(ticks) >= expiry - MINUTE else "Open"
