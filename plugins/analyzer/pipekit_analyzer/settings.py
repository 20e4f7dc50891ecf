"""The analyzer's settings and the record of them that requests and result files carry.

Its classes have no comparison and no repr: they would double the time that each takes to be made.
"""

from __future__ import annotations

from datetime import time
from enum import StrEnum
from typing import Any

import attrs

from pipekit import setting
from pipekit_analyzer.variants import Defaults, Ruling, StopRule, Tie, Variant, positive, rulings


class Weekday(StrEnum):
    """A day on which slots are analysed."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


def _unique(what: str, names: list[Any]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} {', '.join(twice)} stands there twice: each needs its own")


def _stream(_instance: object, _attribute: object, value: str) -> None:
    rest = value.removeprefix("{I}")
    if rest == value or not rest.isalnum():
        raise ValueError(f"stream is {{I}} and then letters or digits, as in {{I}}1, not {value!r}")


def _zone(_instance: object, attribute: Any, value: str) -> None:
    if value == attribute.default:
        return
    from zoneinfo import ZoneInfo  # 2 ms, only where another zone is set

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone, such as America/Chicago") from error


def _moment(_instance: object, _attribute: object, value: str) -> None:
    if value:
        from pipekit_analyzer.sessions import instant_of

        instant_of(value)


def _root_relative(_instance: object, attribute: Any, value: str) -> None:
    if not value or value.startswith("/") or "\\" in value or ".." in value.split("/"):
        raise ValueError(f"{attribute.name} is a folder below the root, with /, not {value!r}")


@attrs.frozen(eq=False, repr=False)
class Session:
    """A range and the times at which its breakout is traded; times are exchange time."""

    name: str = setting("Name of the session, as results carry it.")
    start: time = setting("Where the range begins.")
    slots: tuple[time, ...] = setting("Times at which the range ends and orders are placed.")
    stream: str = setting(
        "Name of the results' stream: {I} (the instrument) and letters or digits.",
        default="{I}1",
        validator=_stream,
    )

    @slots.validator
    def _check_slots(self, _attribute: object, value: tuple[time, ...]) -> None:
        if not value:
            raise ValueError(f"session {self.name} has no slots: name at least one")
        if min(value) <= self.start:
            raise ValueError(f"session {self.name}: each slot comes after the start {self.start}")
        if any(at.tzinfo for at in (self.start, *value)):
            raise ValueError(f"session {self.name}: times carry no zone, they are exchange time")
        _unique(f"session {self.name}: slot", list(value))


@attrs.frozen(eq=False, repr=False)
class InstrumentTable:
    """Parameters of one instrument; what is left out is as built in, or as its parent's."""

    tick: float | None = setting("Smallest price step, in points.", default=None)
    target: float | None = setting("Base target, in points.", default=None)
    decimals: int | None = setting("Decimals of a price.", default=None)
    usd_per_point: float | None = setting("Dollars of one point and contract.", default=None)
    parent: str | None = setting("Instrument that lends what is left out.", default=None)


def _sessions() -> tuple[Session, ...]:
    return (
        Session(name="S1", start=time(2), slots=(time(7, 30), time(8), time(9)), stream="{I}1"),
        Session(
            name="S2",
            start=time(8),
            slots=(time(9, 30), time(10), time(10, 30), time(11)),
            stream="{I}2",
        ),
    )


@attrs.frozen(eq=False, repr=False)
class Settings:
    """What the analyzer can be told; each field is a key of [stages.analyzer.settings]."""

    processed: str = setting(
        "Folder of the processed bars, from the project's root.",
        default="data/processed",
        validator=_root_relative,
        affects_output=False,
    )
    runs: str = setting(
        "Folder that gets one folder of results a run, from the project's root.",
        default="data/analyzer_runs",
        validator=_root_relative,
        affects_output=False,
    )
    stop_rule: StopRule = setting(
        "Initial stop: range (the range's size) or boundary (the opposite range boundary).",
        default=StopRule.RANGE,
    )
    max_stop: float = setting(
        "Farthest initial stop, in targets of the trade.", default=3.0, validator=positive
    )
    same_bar_tie: Tie = setting(
        "Who wins a bar that touches target and stop and closes midway: stop or target.",
        default=Tie.STOP,
    )
    as_of: str = setting(
        "Where the data end, as an ISO 8601 time with offset; empty: at the last bar of each "
        "instrument. Later bars are not looked at.",
        default="",
        validator=_moment,
    )
    timezone: str = setting(
        "Exchange time, the zone of sessions, slots and dates; the translator's days use it too.",
        default="America/Chicago",
        validator=_zone,
    )
    days: tuple[Weekday, ...] = setting(
        "Weekdays with slots.", default=(*Weekday,)[:5], validator=attrs.validators.min_len(1)
    )
    latest_entry: time = setting("The last bar that can fill an order.", default=time(16))
    sessions: tuple[Session, ...] = setting("Sessions with their slots.", factory=_sessions)
    variants: tuple[Variant, ...] = setting(
        "Sets of rules, and sweeps of them, to compute side by side.",
        factory=lambda: (Variant(name="default"),),
    )
    instruments: dict[str, InstrumentTable] = setting(
        "Instruments to add, or to give other parameters.", factory=dict
    )
    instruments_file: str = setting(
        "A TOML file of such tables, from the project's root; empty: none.", default=""
    )
    processes: int = setting(
        "Worker processes to split the instruments over; threads share the rest of the cores.",
        default=1,
        validator=attrs.validators.ge(1),
        affects_output=False,
    )

    @sessions.validator
    def _check_sessions(self, _attribute: object, value: tuple[Session, ...]) -> None:
        if not value:
            raise ValueError("sessions is empty: leave it out for the built-in ones")
        _unique("session", [session.name for session in value])

    @variants.validator
    def _check_variants(self, _attribute: object, value: tuple[Variant, ...]) -> None:
        if not value:
            raise ValueError("variants is empty: leave it out for the one called default")
        _unique("variant", [ruling.name for ruling in self.rulings()])

    def rulings(self) -> list[Ruling]:
        """Every variant to compute, sweeps drawn out, by name."""
        defaults = Defaults(self.stop_rule, self.max_stop, self.same_bar_tie)
        return sorted(rulings(self.variants, defaults), key=lambda ruling: ruling.name)


def strategy_record(settings: Settings) -> dict[str, Any]:
    """What all variants and instruments of a run share of the rules, as JSON values."""
    from pipekit_analyzer.sessions import clock

    return {
        "timezone": settings.timezone,
        "days": [day.value for day in Weekday if day in settings.days],
        "latest_entry": clock(settings.latest_entry),
        "as_of": settings.as_of,
        "sessions": [
            {
                "name": session.name,
                "start": clock(session.start),
                "slots": [clock(slot) for slot in sorted(session.slots)],
                "stream": session.stream,
            }
            for session in sorted(settings.sessions, key=lambda s: s.name)
        ],
    }
