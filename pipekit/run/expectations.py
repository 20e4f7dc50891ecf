"""Whether what `[[expect]]` names has come or happened in time. Changes nothing."""

from __future__ import annotations

import datetime as dt
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from pipekit.config import Configuration
from pipekit.config.expect import ExpectConfig, sessions
from pipekit.errors import UsageError
from pipekit.model.quantity import duration_text
from pipekit.storage.files import FileManager
from pipekit.storage.runs import RunHistory
from pipekit.storage.told import Told

DAY = 86_400.0
COMPARED = 20  # runs with work that a median is of
FEWEST = 5  # runs below which there is no median
_AGREE = 5  # runs that must pass after the clock was set, or after a long time without a run
_LONGEST_PAUSE = 8 * DAY  # between two runs; twice `schedule.every`, if that is more
_LONGEST_COUNT = 3_650  # days that are counted one by one
# What times and numbers of a damaged ledger lead to.
_UNUSABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


class Freshness(StrEnum):
    """Of an expectation. `early`: too soon to tell. `unknown`: it cannot be judged."""

    FRESH = "fresh"
    STALE = "stale"
    EARLY = "early"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """On one expectation: its key, how it stands, and a sentence without a full stop.

    `newest`: when the newest of its files came, if it has files.
    """

    key: str
    state: Freshness
    text: str
    newest: float = 0.0


def judge(
    configuration: Configuration,
    files: FileManager,
    ledger: RunHistory,
    told: Mapping[str, Told],
    now: float,
) -> list[Verdict]:
    """A verdict on each expectation, in their order. Raises StorageError."""
    judging = _Judging(configuration, files, ledger, told, now)
    return [verdict for each in configuration.expect for verdict in judging.verdicts(each)]


class _Judging:
    def __init__(
        self,
        configuration: Configuration,
        files: FileManager,
        ledger: RunHistory,
        told: Mapping[str, Told],
        now: float,
    ) -> None:
        self._files = files
        self._ledger = ledger
        self._told = told
        self._now = now
        self._zone = _zone(configuration.pipeline.timezone)
        self._clock = _clock_problem(ledger, now, configuration.schedule.every)

    def verdicts(self, expected: ExpectConfig) -> Iterator[Verdict]:
        for key, judge_one in self._checks(expected):
            try:
                yield judge_one()
            except _UNUSABLE as error:
                text = f"{key} cannot be judged: {type(error).__name__}: {error}"
                yield Verdict(key, Freshness.UNKNOWN, text)

    def _checks(self, expected: ExpectConfig) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        """The key of each verdict, and what gives it."""
        stage = expected.stage
        if expected.files and expected.newest_within is not None:
            yield expected.files, partial(self._newest, expected, expected.newest_within)
        if expected.success_within is not None:
            yield f"{stage} success", partial(self._success, expected, expected.success_within)
        if expected.share is not None:
            yield f"{stage} rows", partial(self._rows, expected, expected.share)
        if expected.factor is not None:
            yield f"{stage} duration", partial(self._duration, expected, expected.factor)

    def _newest(self, expected: ExpectConfig, within: float | str) -> Verdict:
        key = expected.files
        try:
            found = self._files.files([key])
        except (OSError, UsageError) as error:
            return Verdict(key, Freshness.UNKNOWN, f"{key} cannot be looked at: {error}")
        times = [max(file.mtime_ns, file.ctime_ns) / 1e9 for file in found if file.size]
        before = self._told[key].newest if key in self._told else 0.0
        newest = max(filter(self._is_past, [*times, before]), default=0.0)
        if self._clock:
            return Verdict(key, Freshness.UNKNOWN, f"{key}: {self._clock}", newest)
        if newest:
            missing = f"nothing new in {key} since {self._date(newest)}"
            return self._timed(key, missing, newest, within, expected)._replace(newest=newest)
        if times:
            text = f"{key}: all matching files are dated in the future; check the clock"
            return Verdict(key, Freshness.UNKNOWN, text)
        what = "only empty files match" if found else "no file matches"
        return Verdict(key, Freshness.STALE, f"{what} {key} (expected within {_said(within)})")

    def _success(self, expected: ExpectConfig, within: float | str) -> Verdict:
        key, stage = f"{expected.stage} success", expected.stage
        if self._clock:
            return Verdict(key, Freshness.UNKNOWN, f"{stage}: {self._clock}")
        runs = self._ledger.worked(stage, COMPARED, successful=True)
        last = next((run for run in runs if self._is_past(run.ended)), None)
        if last is not None:
            date = self._date(last.ended)
            missing = f"{stage} has not succeeded since {date} (run {last.number})"
            return self._timed(key, missing, last.ended, within, expected)
        first = self._ledger.first_start()
        if first is None:
            return Verdict(key, Freshness.EARLY, f"{stage} has not succeeded yet")
        missing = f"{stage} has never succeeded since the first run at {self._date(first)}"
        verdict = self._timed(key, missing, first, within, expected)
        is_late = verdict.state is Freshness.STALE
        return verdict if is_late else verdict._replace(state=Freshness.EARLY, text=missing)

    def _timed(
        self, key: str, missing: str, since: float, within: float | str, expected: ExpectConfig
    ) -> Verdict:
        """Stale if `within` has passed `since`; `missing`: the sentence that says so."""
        most = sessions(within)
        if most is not None:
            passed: float = self._whole_days(since, expected)
            said = f"{passed:.0f} session{'' if passed == 1 else 's'} without"
            is_late = passed >= most
        else:
            assert isinstance(within, float)
            passed = self._seconds(since, expected)
            said = duration_text(_rounded(passed))
            said += "" if expected.counts_every_day else " on days that count"
            is_late = passed > within
        if is_late:
            text = f"{missing}: {said}, expected within {_said(within)}"
            return Verdict(key, Freshness.STALE, text)
        return Verdict(key, Freshness.FRESH, f"{key}: last at {self._date(since)}")

    def _rows(self, expected: ExpectConfig, share: float) -> Verdict:
        key, stage, metric = f"{expected.stage} rows", expected.stage, expected.metric
        runs = [run for run in self._ledger.worked(stage, COMPARED + 1) if run.metrics]
        if runs and _finite(runs[0].metrics.get(metric)) is None:
            number = runs[0].number
            text = f"{stage} reported no metric {metric} in run {number}, or no finite number"
            return Verdict(key, Freshness.UNKNOWN, text)
        known = [(run, _finite(run.metrics.get(metric))) for run in runs]
        counts = [(run, value) for run, value in known if value is not None]
        if len(counts) <= FEWEST:
            return _too_early(key, stage, len(counts))
        # the larger of two in the middle, where their mean would be too large for a number
        values = [value for _, value in counts[1:]]
        median = statistics.median(values)
        median = median if math.isfinite(median) else statistics.median_high(values)
        run, value = counts[0]
        text = f"{stage}: {value:,.0f} {metric} in run {run.number}, usually {median:,.0f}"
        if median and abs(value - median) > share * median:
            return Verdict(key, Freshness.STALE, f"{text} (expected within {expected.rows_within})")
        return Verdict(key, Freshness.FRESH, text)

    def _duration(self, expected: ExpectConfig, factor: float) -> Verdict:
        key, stage = f"{expected.stage} duration", expected.stage
        runs = self._ledger.worked(stage, COMPARED + 1)
        if runs and _finite(runs[0].duration) is None:
            text = f"{stage}: the duration in run {runs[0].number} is no number"
            return Verdict(key, Freshness.UNKNOWN, text)
        runs = [run for run in runs if _finite(run.duration) is not None]
        if len(runs) <= FEWEST:
            return _too_early(key, stage, len(runs))
        median = statistics.median(run.duration for run in runs[1:])
        last = runs[0]
        text = f"{stage}: {last.duration:.1f} s in run {last.number}, usually {median:.1f} s"
        if median and last.duration > factor * median:
            most = f" (expected within {expected.duration_within} that)"
            return Verdict(key, Freshness.STALE, text + most)
        return Verdict(key, Freshness.FRESH, text)

    def _is_past(self, moment: float) -> bool:
        """A time that lies far ahead is that of a wrong clock."""
        return 0 < moment <= self._now + DAY

    def _seconds(self, since: float, expected: ExpectConfig) -> float:
        """The time since then on days that count."""
        passed = max(self._now - since, 0.0)
        if expected.counts_every_day or passed > _LONGEST_COUNT * DAY:
            return passed
        total, start = 0.0, since
        while start < self._now:
            day = self._day(start)
            end = min(self._midnight(day + dt.timedelta(1)), self._now)
            total += end - start if expected.counts(day) else 0.0
            start = end
        return total

    def _whole_days(self, since: float, expected: ExpectConfig) -> int:
        """The days that count and have passed as a whole since the day of then."""
        first, today = self._day(since), self._day(self._now)
        between = min((today - first).days, _LONGEST_COUNT)
        return sum(expected.counts(today - dt.timedelta(n)) for n in range(1, between))

    def _day(self, moment: float) -> dt.date:
        return dt.datetime.fromtimestamp(moment, self._zone).date()

    def _midnight(self, day: dt.date) -> float:
        return dt.datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()

    def _date(self, moment: float) -> str:
        return f"{dt.datetime.fromtimestamp(moment, self._zone):%Y-%m-%d %H:%M}"


def _clock_problem(ledger: RunHistory, now: float, every: float | None) -> str:
    """Why the clock is not believed; empty if the last runs agree with it."""
    longest = max(_LONGEST_PAUSE, 2 * (every or 0.0))
    runs = ledger.runs(limit=_AGREE + 1)[: _AGREE + 1]
    moments = [(now, "now"), *((run.started, f"run {run.number}") for run in runs)]
    for (later, name), (earlier, before) in pairwise(moments[: _AGREE + 1]):
        if later - earlier > longest:
            days = (later - earlier) / DAY
            return (
                f"not judged: {days:,.0f} days without a run between {before} and {name}, or the "
                f"clock was changed. It is judged again after {_AGREE} runs"
            )
    return ""


def _finite(value: object) -> float | None:
    """A number of the ledger; None if it is none, or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def _zone(name: str) -> dt.tzinfo | None:
    if not name:
        return None
    import zoneinfo  # rarely needed, and costs each start

    return zoneinfo.ZoneInfo(name)


def _too_early(key: str, stage: str, known: int) -> Verdict:
    text = f"{stage}: judged after {FEWEST + 1} runs with work, of which there are {known}"
    return Verdict(key, Freshness.EARLY, text)


def _said(within: float | str) -> str:
    return within if isinstance(within, str) else duration_text(within)


def _rounded(seconds: float) -> float:
    """To whole minutes, or to seconds below ten minutes."""
    return round(seconds) if seconds < 600 else 60.0 * round(seconds / 60)
