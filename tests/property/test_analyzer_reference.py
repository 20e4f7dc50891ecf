"""The analyzer against a reference of its rules, and day by day against all at once.

The reference is written from the rules alone: plain loops over decimal prices and naive local
times, without any of the analyzer's code. It also gives the expected values of tests/golden, which
`python tests/property/test_analyzer_reference.py` writes anew.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_analyzer.request import Parameters, VariantRules
from pipekit_analyzer.times import WEEKDAYS, parse_instant, to_datetime
from pipekit_analyzer.work import scope
from pipekit_analyzer.work.contract import Contract
from pipekit_analyzer.work.kernel import NO_ROW, RESULTS, Bars, DataEnd
from pipekit_analyzer.work.sessions import Exchange, Slot
from pipekit_analyzer.work.simulate import KernelChoice, interpreted, simulate

CHICAGO = ZoneInfo("America/Chicago")
TICK = Decimal("0.05")
CONTRACT = Parameters(tick="0.05", target="0.60", decimals=2, usd_per_point="10")
SESSIONS = {"S1": (time(2), (time(7, 30), time(9))), "S2": (time(8), (time(9, 30), time(11)))}
SLOTS = tuple(Slot(name, at, start, "") for name, (start, ats) in SESSIONS.items() for at in ats)

LIMITS = (451, 541, 571, 661, 961)  # minutes of a day, past its slots and its latest entry
# Weeks around both clock changes of 2013, and one without
STARTS = (date(2013, 3, 6), date(2013, 10, 30), date(2013, 10, 9))

Bar = tuple[datetime, Decimal, Decimal, Decimal]  # UTC, high, low, close


class Variant(NamedTuple):
    """Target in points, farthest stop in targets, stop rule, and who wins a tie."""

    target: Decimal = Decimal("0.60")
    max_stop: int = 3
    rule: str = "range"
    tie: str = "stop"


PLAIN = Variant()
VARIANTS = st.builds(
    Variant,
    st.sampled_from([*range(1, 26), 3, 5, 7, 9]).map(lambda ticks: ticks * TICK),
    st.integers(1, 4),
    st.sampled_from(["range", "boundary"]),
    st.sampled_from(["stop", "target"]),
)


def history(rng: random.Random) -> list[Bar]:
    """Days of sparse bars that wander by ticks, with missing days, halts and short days.

    Some have bars at every half hour, so on each limit of a window; some hardly move.
    """
    first = rng.choice(STARTS)
    wildness, span = rng.choice([0, 1, 1, 2, 4]), rng.choice([0, 3, 3, 8, 8])
    steps = rng.choice([(1, 7, 11, 30), (1, 7, 11, 30), (30,), (10, 30)])
    bars: list[Bar] = []
    level = rng.choice([-3, 0, 2000])
    for offset in range(rng.randint(1, 8)):
        day = first + timedelta(days=offset)
        if day.weekday() == 5 or rng.random() < 0.12:
            continue
        opens = 17 * 60 if day.weekday() == 6 else 0
        ends = rng.choice([24 * 60, 24 * 60, 12 * 60, 10 * 60 + 7, *LIMITS])
        halt = rng.randrange(0, 1440), rng.choice([0, 0, 240])
        minute = opens + (rng.randrange(20) if 1 in steps else 0)
        while minute < ends:
            local = datetime.combine(day, time(minute // 60, minute % 60), CHICAGO)
            stamp = local.astimezone(UTC)
            if not (halt[0] <= minute < sum(halt)) and (not bars or stamp > bars[-1][0]):
                level += rng.randint(-wildness, wildness)
                width = rng.choice((min(span, 2), min(span, 2), span))
                high, low = level + rng.randint(0, width), level - rng.randint(0, width)
                close = rng.choice((rng.randint(low, high), (high + low) // 2))
                bars.append((stamp, high * TICK, low * TICK, close * TICK))
            minute += rng.choice(steps)
    return bars


HISTORIES = st.integers(0, 10**12).map(lambda seed: history(random.Random(seed)))


# --- the reference


def utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at).replace(tzinfo=CHICAGO).astimezone(UTC)


def reference(
    bars: list[Bar], variant: Variant, as_of: datetime | None = None, met: Counter | None = None
) -> dict:
    """The rows by date, session and slot; `met` counts what is rare and was met."""
    met = Counter() if met is None else met
    bars = [bar for bar in bars if as_of is None or bar[0] <= as_of]
    rows = {}
    if not bars:
        return rows
    last = bars[-1][0]
    day = bars[0][0].date() - timedelta(days=3)
    while day <= last.date():
        if day.weekday() < 5:
            for name, (start, slots) in SESSIONS.items():
                for slot in slots:
                    row = one_slot(bars, day, start, slot, variant, as_of or last, met)
                    if row:
                        rows[day, name, slot] = row
        day += timedelta(days=1)
    return rows


def one_slot(bars, day, start, slot, variant, data_end, met):
    at, begin, latest = utc(day, slot), utc(day, start), utc(day, time(16))
    expiry = utc(day + timedelta(days=3 if day.weekday() == 4 else 1), slot)
    if bars[-1][0] < at:
        return None
    bars = [bar for bar in bars if begin <= bar[0] <= expiry]
    ranged = [bar for bar in bars if bar[0] < at]
    if not ranged:
        met["no bar in the range"] += 1
        return None
    high, low = max(bar[1] for bar in ranged), min(bar[2] for bar in ranged)
    base = (high, low, len(ranged))
    long, short = high + TICK, low - TICK
    after = bars[len(ranged) :]
    fill = next((bar for bar in after if bar[1] >= long or bar[2] <= short), None)
    met["a bar at the slot"] += bool(after) and after[0][0] == at
    met["a range of no size"] += high == low
    if (
        fill is None
        or fill[0] > latest
        or fill[0] >= expiry
        or (fill[1] >= long and fill[2] <= short)
    ):
        met["an entry too late"] += fill is not None and fill[0] > latest
        met["both levels at once"] += fill is not None and fill[1] >= long and fill[2] <= short
        return (*base, "NoTrade", *[None] * 6, Decimal(0))
    met["an entry at the latest time"] += fill[0] == latest
    is_long = fill[1] >= long
    entry = long if is_long else short
    size = high - low + (TICK if variant.rule == "boundary" else 0)
    distance = min(size, variant.max_stop * variant.target)
    path = [bar for bar in after if fill[0] <= bar[0] < expiry]
    met["a bar at the expiry"] += bars[-1][0] == expiry
    met["data that end at the expiry"] += data_end == expiry
    met["over a weekend"] += path[-1][0].date() - path[0][0].date() > timedelta(days=2)
    met["over a clock change"] += expiry - at not in (timedelta(days=1), timedelta(days=3))
    walked = walk(path, is_long, entry, distance, variant, data_end >= expiry, met)
    met[walked[0]] += 1
    return (*base, walked[0], "Long" if is_long else "Short", fill[0], entry, *walked[1:])


def walk(path, is_long, entry, distance, variant, expired, met):
    """Result, exit time, exit price, peak and profit."""
    sign = 1 if is_long else -1
    target, stop = entry + sign * variant.target, entry - sign * distance
    t1 = math.ceil(Decimal("0.65") * variant.target / TICK) * TICK
    moved, ended = False, None
    for stamp, high, low, close in path:
        favourable = high - entry if is_long else entry - low
        tests_stop = True
        if not moved and favourable >= t1:
            moved, stop, tests_stop = True, entry - sign * TICK, False
            met["T1 and the stop in one bar"] += low <= entry - distance if is_long else False
        hit_target = high >= target if is_long else low <= target
        hit_stop = tests_stop and (low <= stop if is_long else high >= stop)
        met["the target on the tick"] += (high if is_long else low) == target
        if hit_target and hit_stop:
            gap = abs(close - target) - abs(close - stop)
            met["a tie"] += gap == 0
            met["target and stop in one bar"] += 1
            hit_target = gap < 0 or (gap == 0 and variant.tie == "target")
        if hit_target:
            ended = ("Win", stamp, target)
        elif hit_stop:
            ended = ("BE" if moved else "Loss", stamp, stop)
        if ended:
            break
    original, peak = entry - sign * distance, Decimal(0)
    for stamp, high, low, _close in path:
        if low <= original if is_long else high >= original:
            break
        favourable = high - entry if is_long else entry - low
        met["a peak after the exit"] += bool(ended) and stamp > ended[1] and favourable > peak
        peak = max(peak, favourable)
    if ended:
        return (*ended, peak, (ended[2] - entry) * sign)
    stamp, close = path[-1][0], path[-1][3]
    if expired:
        return ("Time", stamp, close, peak, (close - entry) * sign)
    return ("Open", None, None, peak, (close - entry) * sign)


def test_the_histories_hold_what_is_hard():
    """Without this the agreement below would say little."""
    rng, met = random.Random(1), Counter()
    for number in range(1000):
        target = rng.choice([*range(1, 26), 3, 5, 7, 9]) * TICK
        reference(history(random.Random(number)), Variant(target), met=met)
    assert min(met.values()) >= 5, met


# --- the analyzer, asked for dates and slots


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """The interpreted and the compiled one."""
    kernels = KernelChoice(str(tmp_path_factory.mktemp("kernels")), large=0)
    assert kernels.kernel_for(0) is interpreted
    assert kernels.kernel_for(1) is not interpreted
    return interpreted, kernels.kernel_for(1)


def exchange() -> Exchange:
    return Exchange(CHICAGO, frozenset(range(5)), time(16), tuple(sorted(SLOTS)))


def microseconds(stamp: datetime) -> int:
    return parse_instant(stamp.isoformat())


def computed(
    bars: list[Bar], asked, variants, as_of=None, last=None, kernel=interpreted
) -> list[dict]:
    """The analyzer's rows of the dates and slots asked for, in the reference's form; by variant."""
    contract = Contract(name="X", tick=CONTRACT.tick, usd_per_point=CONTRACT.usd_per_point)
    rules = [
        contract.rules(
            VariantRules(
                name="",
                target=str(v.target),
                max_stop=str(v.max_stop),
                stop_rule=v.rule,
                same_bar_tie=v.tie,
            )
        )
        for v in variants
    ]
    bars = [bar for bar in bars if as_of is None or bar[0] <= as_of]
    ticks = [[round(bar[k] / TICK) for bar in bars] for k in (1, 2, 3)]
    stamps = np.array([microseconds(bar[0]) for bar in bars], np.int64)
    arrays = Bars(stamps, *(np.array(column, np.int64) for column in ticks))
    last = bars[-1][0] if last is None else last
    end = as_of or last
    data = DataEnd(min(microseconds(last), microseconds(end)), microseconds(end))
    windows = exchange().windows(asked)
    outcomes = simulate(arrays, windows, data, rules, kernel)
    return [
        {
            (day, slot.session, slot.at): row(o, i, bars)
            for i, (day, slot) in enumerate(asked)
            if o.result[i] != NO_ROW
        }
        for o in outcomes
    ]


def row(o, i, bars):
    price = lambda ticks: int(ticks) * TICK  # noqa: E731  # as short as it is local
    traded, closed = o.entry_bar[i] >= 0, o.exit_bar[i] >= 0
    return (
        price(o.range_high[i]),
        price(o.range_low[i]),
        int(o.range_bars[i]),
        RESULTS[o.result[i]],
        {1: "Long", -1: "Short", 0: None}[int(o.direction[i])],
        bars[o.entry_bar[i]][0] if traded else None,
        price(o.entry[i]) if traded else None,
        bars[o.exit_bar[i]][0] if closed else None,
        price(o.exit[i]) if closed else None,
        price(o.peak[i]) if traded else None,
        price(o.profit[i]),
    )


def all_asked(bars: list[Bar]):
    first, last = bars[0][0].date() - timedelta(days=3), bars[-1][0].date()
    return scope.slots_in(scope.everything(), exchange(), first, last)


@settings(max_examples=1000, deadline=None)
@given(HISTORIES, st.lists(VARIANTS, min_size=1, max_size=3), st.sampled_from([1, -1]))
def test_both_kernels_do_what_the_rules_say(kernels, bars, variants, order):
    """On any history the rows are those of the reference: none is missing or extra."""
    if bars:
        expected = [reference(bars, variant) for variant in variants]
        for kernel in kernels:
            assert computed(bars, all_asked(bars)[::order], variants, kernel=kernel) == expected


@settings(max_examples=200, deadline=None)
@given(HISTORIES, st.integers(-3000, 3000))
def test_the_end_of_the_data_can_be_set(bars, minutes):
    """With as_of, later bars are not looked at, and up to there the data count as complete."""
    if bars:
        as_of = bars[-1][0] + timedelta(minutes=minutes)
        kept = [bar for bar in bars if bar[0] <= as_of]
        expected = reference(bars, PLAIN, as_of)
        (found,) = computed(bars, all_asked(bars), [PLAIN], as_of) if kept else ({},)
        assert found == expected


class State:
    """What is known after some runs: the days that were there, and the merged rows."""

    def __init__(self):
        self.days: dict[str, list[Bar]] = {}
        self.merged: dict = {}

    def run(self, days: dict[str, list[Bar]]) -> None:
        """One run of the analyzer and the merger: only the months needed are read."""
        changed = scope.changed_days(_digests(self.days), _digests(days))
        ends = _last(self.days), _last(days)
        found = (
            scope.affected(exchange(), ("v",), changed, ends) if self.days else scope.everything()
        )
        self.merged = {key: row for key, row in self.merged.items() if not _within(found, key)}
        self.days = dict(days)
        if days:
            self.merged |= self._computed(found, ends[1])

    def _computed(self, found, now):
        first, end = date.fromisoformat(min(self.days)), to_datetime(now)
        asked = scope.slots_in(found, exchange(), first, end.astimezone(CHICAGO).date())
        months = scope.months_read(day for day, _ in asked)
        read = [bar for day in sorted(self.days) if day[:7] in months for bar in self.days[day]]
        return computed(read, asked, [PLAIN], last=end)[0] if read else {}


def _digests(days):
    return {day: repr(bars) for day, bars in days.items()}


def _last(days):
    return microseconds(days[max(days)][-1][0]) if days else None


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.integers(0, 10**9))
def test_steps_of_any_kind_end_where_one_step_does(bars, seed):
    """Days that come, change, vanish and return leave the rows of the last state, at each step."""
    rng = random.Random(seed)
    days: dict[str, list[Bar]] = {}
    for bar in bars:
        days.setdefault(bar[0].astimezone(CHICAGO).date().isoformat(), []).append(bar)
    state, present = State(), {}
    for new in [*sorted(days), None, None, None]:
        _change(rng, present, days, new)
        state.run(present)
        now = [bar for day in sorted(present) for bar in present[day]]
        assert state.merged == reference(now, PLAIN)


def _change(rng, present, days, new):
    if new:
        present[new] = days[new]
    kind = rng.random()
    if present and kind < 0.25:
        del present[rng.choice(sorted(present))]
    elif present and kind < 0.5:
        day = rng.choice(sorted(present))
        present[day] = present[day][: rng.randint(1, len(present[day]))]
    elif days and kind < 0.6:
        day = rng.choice(sorted(days))
        present[day] = days[day]


def _within(found, key):
    day, session, at = key
    return any(
        (part.slots is None or any(s.session == session and s.at == at for s in part.slots))
        and any(first <= day <= last for first, last in part.dates)
        for part in found
    )


@given(
    st.sets(st.dates(date(2013, 1, 1), date(2013, 2, 1))),
    st.sets(st.dates(date(2013, 1, 1), date(2013, 2, 1)), max_size=4),
)
def test_a_scope_says_exactly_the_dates_whose_windows_meet_changed_days(changed, taken):
    """A date is in the scope when its window meets a changed day and none that was taken away."""
    far = microseconds(datetime(2014, 1, 1, tzinfo=UTC))
    spans = tuple(scope.Span(day, day) for day in sorted(taken))
    parts = scope.affected(exchange(), ("v",), changed, (far, far), spans)
    found = {
        day for day, _ in scope.slots_in(parts, exchange(), date(2012, 12, 1), date(2013, 3, 1))
    }
    every = [date(2012, 12, 20) + timedelta(days=n) for n in range(60)]
    windows = {day: _window(day) for day in every if WEEKDAYS[day.weekday()][0] != "S"}
    assert found == {day for day, days in windows.items() if days & changed and not days & taken}


def _window(day):
    length = 4 if day.weekday() == 4 else 2
    return {day + timedelta(days=n) for n in range(length)}


# --- golden data: bars and what the reference makes of them, for tests of the whole stage

GOLDEN = Path(__file__).parents[1] / "golden/breakouts"
GOLDEN_SEED = 3071
GOLDEN_VARIANTS = {"range": PLAIN, "wide": Variant(Decimal("0.85"), 2, "boundary", "target")}
BAR_COLUMNS = ("timestamp_utc", "open", "high", "low", "close", "volume")
ROW_COLUMNS = (
    *("variant", "date", "session", "slot", "range_high", "range_low", "range_bars", "result"),
    *("direction", "entry_time", "entry_price", "exit_time", "exit_price", "peak", "profit"),
)


def golden_files() -> dict[str, str]:
    """A history with every result under both variants, and its rows; two CSV files."""
    bars = history(random.Random(GOLDEN_SEED))
    stamped = [(f"{bar[0]:%Y-%m-%dT%H:%M:%SZ}", bar[3], *bar[1:], 7) for bar in bars]
    rows = [
        (name, day, session, f"{slot:%H:%M}", *(_text(value) for value in row))
        for name, variant in GOLDEN_VARIANTS.items()
        for (day, session, slot), row in sorted(reference(bars, variant).items())
    ]
    return {"bars.csv": _csv(BAR_COLUMNS, stamped), "rows.csv": _csv(ROW_COLUMNS, rows)}


def _text(value) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(CHICAGO):%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)


def _csv(names, rows) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in (names, *rows))


def test_the_golden_rows_are_those_of_the_reference():
    """Each result occurs. After a change of the rules: run this file as a program."""
    for name, text in golden_files().items():
        assert (GOLDEN / name).read_text("ascii") == text
    results = Counter(line.split(",")[7] for line in text.splitlines()[1:])
    assert set(results) == set(RESULTS)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, text in golden_files().items():
        (GOLDEN / name).write_text(text, "ascii")
