"""What every tool has to tell, and how it is timed: FILE COUNT [die]

Prints one line of JSON: seconds, cpu (seconds), writes (system calls; Linux only) and told, the
number of events. With `die` the process kills itself before the last event, so that what it told
has to be in the file by then.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

RUN = "019d8a35-7c00-7e11-a84f-2f7f0a5b9d41"
Event = tuple[str, str, str, dict[str, Any]]  # stage, event, msg, data
_INSTRUMENTS = ("ES", "NQ", "YM", "RTY", "CL", "NG", "GC")


class Clock:
    """The time with milliseconds and the zone's offset; what is the same for a second is kept."""

    def __init__(self) -> None:
        self._second, self._before, self._zone = 0, "", ""

    def text(self, moment: float) -> str:
        """A time since 1970, ISO 8601."""
        second = int(moment)
        if second != self._second:
            made = dt.datetime.fromtimestamp(second, dt.UTC).astimezone().isoformat()
            self._second, self._before, self._zone = second, made[:19], made[19:]
        return f"{self._before}.{int((moment - second) * 1000):03}{self._zone}"


def events(count: int) -> Iterator[Event]:
    """So many, as a run of the translator has them: units with their metrics, now and then a
    warning; the last one is the run's end.
    """
    for number in range(count - 1):
        turn, part = divmod(number, 10)
        at = {"task": "translate", "unit": _INSTRUMENTS[turn % len(_INSTRUMENTS)]}
        if part == 0:
            yield "translator", "unit_start", "", at
        elif part == 8:
            path = f"data/raw/café {turn}.csv"
            text = f'{path}: 3 rows set aside, the first from line {turn}: "high" is below open'
            yield "translator", "warning", text, {**at, "path": path}
        elif part == 9:
            yield "translator", "unit_end", "", {**at, "status": "success", "reason": ""}
        else:
            value = turn * part if part % 2 else turn / 7
            yield "translator", "metric", "", {**at, "name": f"metric_{part}", "value": value}
    yield "pipeline", "success", "success: translator success", {"exit_code": 0}


def told(opened: Callable[[str], tuple[Callable[[Event], object], int | None]]) -> None:
    """Tell everything with a tool: `opened(path)` gives what tells an event by one write, and the
    file to sync after the last one, unless the tool does that by itself.
    """
    path, count, *die = sys.argv[1:]
    *usual, last = events(int(count))
    emit, file = opened(path)
    written, cpu, began = _writes(), time.process_time(), time.perf_counter()
    for event in usual:
        emit(event)
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    emit(last)
    if file is not None:
        os.fsync(file)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    found = {"seconds": seconds, "cpu": spent, "writes": _writes() - written, "told": int(count)}
    print(json.dumps(found))


def _writes() -> int:
    """How many writes this process has made."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return int(file.read().partition("syscw: ")[2].split()[0])
    except OSError:
        return 0
