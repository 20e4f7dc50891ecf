"""Checks that bars are as far apart as their source says, and begin where such bars do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from pipekit_translator.dialects import FileFormat
from pipekit_translator.layout import Series, interval_name
from pipekit_translator.work.parse.header import RejectedError
from pipekit_translator.work.table import Ints, Table
from pipekit_translator.work.zones import DAY

LEAST = 5  # steps that tell of a longer interval
WEIGHT = 10  # steps of a longer interval that one other step outweighs
CHANCE = 1e-5  # that bars which are often missing look like bars of a longer interval
RUN = 40.0  # evidence of equal steps in a row: they are less likely than exp(-RUN)
MANY = 100_000  # rows beside the grid, from which the end of the file is not waited for
NAMED = 3  # instruments that a message names
FEW = 10  # such rows, which are no reason to reject a file
_MINUTE = 60
_OFF = "its time is not that of a bar of {interval} (interval)"

_Rows = tuple[Table, Ints]


class OtherIntervalError(RejectedError):
    """Bars have another interval than their source says; `interval` is its name, if it has one."""

    def __init__(self, message: str, seen: int) -> None:
        super().__init__(message)
        self.interval = interval_name(seen) if 0 < seen < DAY else ""


class Spacing:
    """Takes out bars that begin at odd seconds; rejects files of another interval.

    Rows of one text, each with its line. `lines`: those of the rows taken out; `reason`: why they
    were.
    """

    def __init__(self, format: FileFormat) -> None:
        series = format.series_read
        self._format = format
        self._unit = series.unit
        self._step = series.seconds  # from one bar to the next
        self._grid = grid_of(series)
        self._last: dict[str, Ints] = {}  # by instrument
        self._steps: dict[str, Counter[int]] = {}  # by instrument, seconds to the next row
        self._runs: dict[str, tuple[int, int]] = {}  # line and seconds of equal steps in a row
        self._odd: Counter[int] = Counter()  # seconds of the minute of rows beside the grid
        self._rows = self._first = 0  # how many rows, and the line of the first
        self.lines: list[int] = []
        self.reason = _OFF.format(interval=format.interval)

    def right(self, instrument: str, table: Table, lines: Ints) -> _Rows:
        """The rows, at least one, that begin where bars do. Raises RejectedError."""
        self._rows += table.size
        self._first = self._first or int(lines[0])
        before = self._last.get(instrument, table.time[:1])
        steps = np.append(table.time[:1] - before, table.time[1:] - table.time[:-1])
        self._last[instrument] = table.time[-1:].copy()
        on_grid = self._count(instrument, np.abs(steps, out=steps), lines)
        on_grid &= not table.time[0] % self._grid
        off = table.time[:0] if on_grid else table.time % self._grid != 0
        if off.any():
            seconds = table.time[off] // self._unit % _MINUTE
            self._odd.update(dict(zip(*_counted(seconds), strict=True)))
            self.lines += lines[off].tolist()
            if len(self.lines) > MANY:
                self.check()
            table, lines = table.at(~off), lines[~off]
        return table, lines

    def prime(self, instrument: str, time: Ints) -> None:
        """Count the steps between rows before the first ones, at least one, which are known."""
        self._count(instrument, np.abs(np.diff(time)), None)
        self._last[instrument] = time[-1:].copy()

    def check(self) -> None:
        """Judge the rows so far. Raises RejectedError."""
        off = len(self.lines)
        steps = sum(self._steps.values(), Counter[int]())
        total = steps.total()
        most = steps.most_common(1)[0][0] if total else 0
        short = sum(count for step, count in steps.items() if step < self._step)
        if total and 2 * short >= total:
            raise OtherIntervalError(self._sentence(most), most)
        if seen := self._longer(steps):
            raise OtherIntervalError(self._sentence(seen), seen)
        share = self._format.max_bad_fraction * self._rows
        if off and (2 * off >= self._rows or (off >= FEW and off > share)):
            raise RejectedError(self._beside())

    def doubts(self) -> Iterator[str]:
        """What speaks for another interval of some rows, where that of most is right."""
        interval, grid = self._format.interval, self._grid // self._unit
        apart, since, closer = [], [], []
        for name, steps in self._steps.items():
            short = sum(n for step, n in steps.items() if step < self._step and step % grid == 0)
            if seen := self._longer(steps, len(self._steps)):
                apart.append(f"those of {name} are {interval_name(seen)} apart")
            elif name in self._runs:
                line, seen = self._runs[name]
                since.append(f"those of {name} are {interval_name(seen)} apart at line {line}")
            if short >= LEAST:
                closer.append(f"{short:,} of {name} are closer together")
        for found in filter(None, (apart, since, closer)):
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            yield f"not all bars are {interval} apart: {', '.join(found[:NAMED])}{more}"

    def _count(self, instrument: str, steps: Ints, lines: Ints | None) -> bool:
        """Count the steps; whether all of them are between times of the grid, if one is.

        `lines`: those of the rows after them; None if these are known.
        """
        usual = self._step * self._unit
        unusual = np.flatnonzero(steps != usual)
        others = steps[unusual]
        rest = others[others > 0] // self._unit
        counts = self._steps.setdefault(instrument, Counter())
        counts[self._step] += len(steps) - len(others)
        counts.update(dict(zip(*_counted(rest[rest <= DAY]), strict=True)))
        if (
            lines is not None
            and instrument not in self._runs
            and (run := _equal_steps(others, unusual, usual))
        ):
            self._runs[instrument] = int(lines[max(run[0] - 1, 0)]), run[1] // self._unit
        return not (others % self._grid).any()

    def _longer(self, steps: Counter[int], of: int = 1) -> int:
        """The interval that bars have instead of the shorter one of the source; 0 if none.

        `of`: how many instruments are looked at, each of which may look so by chance.
        """
        if not (total := steps.total()):
            return 0
        most = steps.most_common(1)[0][0]
        for seen in (most, math.gcd(*(step for step, count in steps.items() if count))):
            if seen <= self._step or seen % self._step:
                continue
            odd = sum(count for step, count in steps.items() if step % seen)
            evidence = (total - WEIGHT * odd) * math.log(seen / self._step)
            if total - odd >= LEAST and evidence >= -math.log(CHANCE / of):
                return seen
        return 0

    def _sentence(self, seen: int) -> str:
        """That bars have another interval, in seconds, and what to write."""
        name, interval = interval_name(seen), self._format.interval
        text = f"line {self._first}: its bars are {name} apart, not {interval}"
        if seen >= DAY:
            return f"{text}: pipekit reads bars shorter than a day; take the file out of the source"
        remedy = f"set interval = {name!r} for such files"
        if not seen:
            remedy = "check what the export holds"
        elif seen < self._step and self._step % seen == 0 and not self._format.aggregate:
            remedy += f", and aggregate = {interval!r} to make bars of {interval} of them"
        return f"{text}: {remedy}"

    def _beside(self) -> str:
        """That bars begin at odd seconds, and what to write."""
        (second, count), *_ = self._odd.most_common(1)
        interval = self._format.interval
        if 2 * count >= len(self.lines) and second:
            return (
                f"line {self.lines[0]}: its bars of {interval} are stamped at second {second} of "
                f"the minute ({len(self.lines):,} of {self._rows:,}): write {second:02} instead of "
                "%S in timestamp_format, or set interval if they are of another one"
            )
        return (
            f"line {self.lines[0]}: its bars are stamped between minutes ({len(self.lines):,} of "
            f"{self._rows:,}), so they are none of {interval}: set interval to theirs, or columns "
            "to those of ticks"
        )


def grid_of(series: Series) -> int:
    """Bars begin at multiples of this time: at whole minutes, or at those of a shorter interval."""
    return math.gcd(series.seconds, _MINUTE) * series.unit


def _equal_steps(steps: Ints, places: Ints, usual: int) -> tuple[int, int] | None:
    """The first place and the size of longer steps in a row that are equal, surely not by chance.

    `steps`: those that are not the usual one; `places`: where they are.
    """
    equal = (steps[1:] == steps[:-1]) & (np.diff(places) == 1)
    if np.count_nonzero(equal) < LEAST - 1:
        return None
    ends = np.append(np.flatnonzero(~equal), len(equal))
    counts = np.diff(ends, prepend=-1)  # of steps in each run
    begins = ends - counts + 1
    longer = (steps[begins] > usual) & (steps[begins] % usual == 0)
    evidence = counts * (1 + np.log(np.maximum(steps[begins] / usual, 1)))
    found = np.flatnonzero(longer & (evidence >= RUN))
    return (int(places[begins[found[0]]]), int(steps[begins[found[0]]])) if len(found) else None


def _counted(values: Ints) -> tuple[list[int], list[int]]:
    found, counts = np.unique(values, return_counts=True)
    return found.tolist(), counts.tolist()


def are_usual(series: Series, time: Ints, of: Ints, *, whole: bool) -> bool:
    """Whether rows of several files are surely as far apart as they should be.

    `of`: the index of each row's file; times ascend within one. `whole`: these are all of their
    rows; few say nothing then.
    """
    if (time % grid_of(series)).any():
        return False
    within = of[1:] == of[:-1]
    step = np.diff(time)
    expected = series.seconds * series.unit
    if (within & (step < expected)).any():
        return False
    others = np.flatnonzero(within & (step != expected))
    if _equal_steps(step[others], others, expected):
        return False
    steps, usual = np.bincount(of[1:][within]), np.bincount(of[1:][within & (step == expected)])
    usual = np.pad(usual, (0, len(steps) - len(usual)))
    return bool(((steps < (LEAST if whole else 1)) | (WEIGHT * usual >= steps)).all())
