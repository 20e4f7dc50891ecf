"""The analyzer against a slow reading of its rules, and day by day against all at once.

The reference is written from the rules alone: plain loops over decimal prices and naive local
times, nothing of the analyzer's code.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pipekit_analyzer import scope
from pipekit_analyzer.instruments import instrument
from pipekit_analyzer.kernel import NO_ROW, RESULTS, Bars
from pipekit_analyzer.sessions import WEEKDAYS, Exchange, Slot, instant_of, moment
from pipekit_analyzer.strategy import Data, analyse

CHICAGO = ZoneInfo("America/Chicago")
TICK, TARGET = Decimal("0.05"), Decimal("0.60")
CONTRACT = {"tick": "0.05", "target": "0.60", "decimals": 2, "usd_per_point": 10}
SESSIONS = {"S1": (time(2), (time(7, 30), time(9))), "S2": (time(8), (time(9, 30), time(11)))}
SLOTS = tuple(Slot(name, at, start, "") for name, (start, ats) in SESSIONS.items() for at in ats)

# Weeks around both clock changes of 2013, and one without
STARTS = (date(2013, 3, 6), date(2013, 10, 30), date(2013, 10, 9))

Bar = tuple[datetime, Decimal, Decimal, Decimal]  # UTC, high, low, close


@st.composite
def histories(draw):
    """Days of sparse bars that wander by ticks, with missing days, halts and short days."""
    rng = random.Random(draw(st.integers(0, 10**9)))
    first = draw(st.sampled_from(STARTS))
    wildness = draw(st.sampled_from([1, 2, 4]))
    bars: list[Bar] = []
    level = draw(st.sampled_from([-3, 0, 2000]))
    for offset in range(draw(st.integers(1, 8))):
        day = first + timedelta(days=offset)
        if day.weekday() == 5 or rng.random() < 0.12:
            continue
        opens = 17 * 60 if day.weekday() == 6 else 0
        ends = rng.choice([24 * 60, 24 * 60, 12 * 60, 10 * 60 + 7])
        halt = rng.randrange(0, 1440), rng.choice([0, 0, 240])
        minute = opens + rng.randrange(20)
        while minute < ends:
            local = datetime.combine(day, time(minute // 60, minute % 60), CHICAGO)
            stamp = local.astimezone(UTC)
            if not (halt[0] <= minute < sum(halt)) and (not bars or stamp > bars[-1][0]):
                level += rng.randint(-wildness, wildness)
                high, low = level + rng.randint(0, 3), level - rng.randint(0, 3)
                close = rng.randint(low, high)
                bars.append((stamp, high * TICK, low * TICK, close * TICK))
            minute += rng.choice([1, 7, 11, 30])
    return bars


# --- the rules, read slowly


def utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at).replace(tzinfo=CHICAGO).astimezone(UTC)


def reference(bars: list[Bar], rule: str, tie: str, as_of: datetime | None = None) -> dict:
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
                    row = one_slot(bars, day, start, slot, (rule, tie), as_of or last)
                    if row:
                        rows[day, name, slot] = row
        day += timedelta(days=1)
    return rows


def one_slot(bars, day, start, slot, rules, data_end):
    rule, tie = rules
    at = utc(day, slot)
    if bars[-1][0] < at:
        return None
    ranged = [bar for bar in bars if utc(day, start) <= bar[0] < at]
    if not ranged:
        return None
    high, low = max(bar[1] for bar in ranged), min(bar[2] for bar in ranged)
    base = (high, low, len(ranged))
    long, short = high + TICK, low - TICK
    fill = next((bar for bar in bars if bar[0] >= at and (bar[1] >= long or bar[2] <= short)), None)
    if fill is None or fill[0] > utc(day, time(16)) or (fill[1] >= long and fill[2] <= short):
        return (*base, "NoTrade", *[None] * 6, Decimal(0))
    is_long = fill[1] >= long
    entry = long if is_long else short
    distance = min(high - low + (TICK if rule == "boundary" else 0), 3 * TARGET)
    next_day = day + timedelta(days=3 if day.weekday() == 4 else 1)
    expiry = utc(next_day, slot)
    path = [bar for bar in bars if fill[0] <= bar[0] < expiry]
    head = (*base, *walk(path, is_long, entry, distance, tie, data_end >= expiry))
    return (*head[:3], head[3], "Long" if is_long else "Short", fill[0], entry, *head[4:])


def walk(path, is_long, entry, distance, tie, expired):
    """Result, exit time, exit price, peak and profit."""
    sign = 1 if is_long else -1
    target, stop = entry + sign * TARGET, entry - sign * distance
    t1 = math.ceil(Decimal("0.65") * TARGET / TICK) * TICK
    moved, ended = False, None
    for stamp, high, low, close in path:
        favourable = high - entry if is_long else entry - low
        tests_stop = True
        if not moved and favourable >= t1:
            moved, stop, tests_stop = True, entry - sign * TICK, False
        hit_target = high >= target if is_long else low <= target
        hit_stop = tests_stop and (low <= stop if is_long else high >= stop)
        if hit_target and hit_stop:
            gap = abs(close - target) - abs(close - stop)
            hit_target = gap < 0 or (gap == 0 and tie == "target")
        if hit_target:
            ended = ("Win", stamp, target)
        elif hit_stop:
            ended = ("BE" if moved else "Loss", stamp, stop)
        if ended:
            break
    original, peak = entry - sign * distance, Decimal(0)
    for _, high, low, _close in path:
        if low <= original if is_long else high >= original:
            break
        peak = max(peak, high - entry if is_long else entry - low)
    if ended:
        return (*ended, peak, (ended[2] - entry) * sign)
    stamp, close = path[-1][0], path[-1][3]
    if expired:
        return ("Time", stamp, close, peak, (close - entry) * sign)
    return ("Open", None, None, peak, (close - entry) * sign)


# --- the analyzer, asked for dates and slots


def exchange() -> Exchange:
    return Exchange(CHICAGO, frozenset(range(5)), time(16), tuple(sorted(SLOTS)))


def microseconds(stamp: datetime) -> int:
    return instant_of(stamp.isoformat())


def computed(bars: list[Bar], asked, rule, tie, as_of=None, last=None) -> dict:
    """The analyzer's rows of the dates and slots asked for, in the reference's form."""
    record = {"name": "", "target": "0.6", "max_stop": "3", "stop_rule": rule, "same_bar_tie": tie}
    rules = instrument("X", CONTRACT).rules(record)
    bars = [bar for bar in bars if as_of is None or bar[0] <= as_of]
    ticks = [[round(bar[k] / TICK) for bar in bars] for k in (1, 2, 3)]
    stamps = np.array([microseconds(bar[0]) for bar in bars], np.int64)
    arrays = Bars(stamps, *(np.array(column, np.int64) for column in ticks))
    last = bars[-1][0] if last is None else last
    end = as_of or last
    data = Data(min(microseconds(last), microseconds(end)), microseconds(end))
    (o,) = analyse(arrays, exchange().windows(asked), data, [rules])
    rows = {}
    for i, (day, slot) in enumerate(asked):
        if o.result[i] != NO_ROW:
            rows[day, slot.session, slot.slot] = row(o, i, bars)
    return rows


def row(o, i, bars):
    price = lambda ticks: int(ticks) * TICK  # noqa: E731  # as short as it is local
    traded, closed = o.entry_bar[i] >= 0, o.exit_bar[i] >= 0
    return (
        price(o.range_high[i]),
        price(o.range_low[i]),
        o.range_bars[i],
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
    return scope.wanted(scope.everything(), exchange(), first, last)


@settings(max_examples=250, deadline=None)
@given(histories(), st.sampled_from(["range", "boundary"]), st.sampled_from(["stop", "target"]))
def test_the_kernel_does_what_the_rules_say(bars, rule, tie):
    """On any history each row equals that of the slow reading, and no row is too many."""
    if bars:
        found = computed(bars, all_asked(bars), rule, tie)
        assert _plain(found) == reference(bars, rule, tie)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(-3000, 3000))
def test_the_end_of_the_data_can_be_set(bars, minutes):
    """With as_of, later bars are not looked at, and up to there the data count as complete."""
    if bars:
        as_of = bars[-1][0] + timedelta(minutes=minutes)
        kept = [bar for bar in bars if bar[0] <= as_of]
        expected = reference(bars, "range", "stop", as_of)
        found = computed(bars, all_asked(bars), "range", "stop", as_of) if kept else {}
        assert _plain(found) == expected


def _plain(rows):
    return {
        key: tuple(int(v) if isinstance(v, np.int64) else v for v in row)
        for key, row in rows.items()
    }


class State:
    """What is known after some runs: the days that were there, and the merged rows."""

    def __init__(self):
        self.days: dict[str, list[Bar]] = {}
        self.merged: dict = {}

    def run(self, days: dict[str, list[Bar]]) -> None:
        """One run of the analyzer and the merger: only the months needed are read."""
        changed = scope.changed_days(_digests(self.days), _digests(days))
        ends = scope.Ends(_last(self.days), _last(days))
        found = (
            scope.affected(exchange(), ("v",), changed, ends) if self.days else scope.everything()
        )
        self.merged = {key: row for key, row in self.merged.items() if not _within(found, key)}
        self.days = dict(days)
        if days:
            self.merged |= self._computed(found, ends.now)

    def _computed(self, found, now):
        first, end = date.fromisoformat(min(self.days)), moment(now)
        asked = scope.wanted(found, exchange(), first, end.astimezone(CHICAGO).date())
        months = scope.months_read(day for day, _ in asked)
        read = [bar for day in sorted(self.days) if day[:7] in months for bar in self.days[day]]
        return computed(read, asked, "range", "stop", last=end) if read else {}


def _digests(days):
    return {day: repr(bars) for day, bars in days.items()}


def _last(days):
    return microseconds(days[max(days)][-1][0]) if days else None


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(0, 10**9))
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
        assert _plain(state.merged) == reference(now, "range", "stop")


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
        (part.slots is None or any(s.session == session and s.slot == at for s in part.slots))
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
    parts = scope.affected(exchange(), ("v",), changed, scope.Ends(far, far), spans)
    found = {day for day, _ in scope.wanted(parts, exchange(), date(2012, 12, 1), date(2013, 3, 1))}
    every = [date(2012, 12, 20) + timedelta(days=n) for n in range(60)]
    windows = {day: _window(day) for day in every if WEEKDAYS[day.weekday()][0] != "S"}
    assert found == {day for day, days in windows.items() if days & changed and not days & taken}


def _window(day):
    length = 4 if day.weekday() == 4 else 2
    return {day + timedelta(days=n) for n in range(length)}
