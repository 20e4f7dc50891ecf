"""The analyzer's settings, and the part of them that goes into requests and result files."""

from __future__ import annotations

from datetime import time
from typing import Any, Literal
from zoneinfo import ZoneInfo

import attrs

from pipekit import setting
from pipekit_analyzer import request
from pipekit_analyzer.times import WEEKDAYS, format_time, parse_instant
from pipekit_analyzer.variants import ResolvedVariant, StopRule, Tie, Variant, expand, positive

Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def _check_unique(what: str, names: list[Any]) -> None:
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is listed twice: each must be unique")


def _check_stream(_instance: object, _attribute: object, value: str) -> None:
    rest = value.removeprefix("{I}")
    if rest == value or not rest.isalnum():
        raise ValueError(
            f"must be {{I}} followed by letters or digits, as in {{I}}1, got {value!r}"
        )


def _check_zone(_instance: object, _attribute: object, value: str) -> None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {value!r}; an example: America/Chicago") from error


def _check_instant(_instance: object, _attribute: object, value: str) -> None:
    if value:
        parse_instant(value)


def _check_days(_instance: object, _attribute: object, value: tuple[Weekday, ...]) -> None:
    if not value:
        raise ValueError("name at least one weekday")


def _check_processes(_instance: object, _attribute: object, value: int) -> None:
    if value < 1:
        raise ValueError(f"must be 1 or more, got {value}")


def _check_folder(_instance: object, _attribute: object, value: str) -> None:
    if not value or value.startswith("/") or "\\" in value or ".." in value.split("/"):
        raise ValueError(
            f"must be a folder below the project's root, written with /, got {value!r}"
        )


@attrs.frozen
class Session:
    """A range, and the times at which its breakout is traded; times are exchange time."""

    name: str = setting("Name of the session in the results.")
    start: time = setting("When the range begins.")
    slots: tuple[time, ...] = setting("When the range ends and orders are placed.")
    stream: str = setting(
        "Name of the result stream: {I} (the instrument) followed by letters or digits.",
        default="{I}1",
        validator=_check_stream,
    )

    @slots.validator
    def _check_slots(self, _attribute: object, value: tuple[time, ...]) -> None:
        if not value:
            raise ValueError(f"session {self.name} has no slots: list at least one")
        if any(at.tzinfo for at in (self.start, *value)):
            raise ValueError(
                f"session {self.name}: times are exchange time, write them without an offset"
            )
        if min(value) <= self.start:
            raise ValueError(
                f"session {self.name}: every slot must be later than the start ({self.start})"
            )
        _check_unique(f"session {self.name}: slot", list(value))


@attrs.frozen
class InstrumentTable:
    """Parameters of one instrument; values left out are the built-in ones, or the parent's."""

    tick: float | None = setting("Smallest price step, in points.", default=None)
    target: float | None = setting("Base target, in points.", default=None)
    decimals: int | None = setting("Decimals of a price.", default=None)
    usd_per_point: float | None = setting("Dollars per point and contract.", default=None)
    parent: str | None = setting(
        "Instrument whose values are used for those left out.", default=None
    )


def _default_sessions() -> tuple[Session, ...]:
    morning = (time(7, 30), time(8), time(9))
    midday = (time(9, 30), time(10), time(10, 30), time(11))
    return (
        Session(name="S1", start=time(2), slots=morning, stream="{I}1"),
        Session(name="S2", start=time(8), slots=midday, stream="{I}2"),
    )


@attrs.frozen
class Settings:
    """The keys of [stages.analyzer.settings]."""

    processed: str = setting(
        "Folder of the processed bars, relative to the project's root.",
        default="data/processed",
        validator=_check_folder,
        affects_output=False,
    )
    runs: str = setting(
        "Folder of the results, one subfolder per run, relative to the project's root.",
        default="data/analyzer_runs",
        validator=_check_folder,
        affects_output=False,
        publishes=True,
    )
    stop_rule: StopRule = setting(
        "Initial stop: range (the range's size from the entry) or boundary (the opposite end of "
        "the range).",
        default="range",
    )
    max_stop: float = setting(
        "Largest initial stop distance, as a multiple of the trade's target.",
        default=3.0,
        validator=positive,
    )
    same_bar_tie: Tie = setting(
        "How a trade ends whose stop has moved to one tick on the losing side of the entry, if one "
        "bar touches target and stop and closes halfway between them: stop or target.",
        default="stop",
    )
    as_of: str = setting(
        "End of the data, as an ISO 8601 time with offset: later bars are ignored, and trades that "
        "expire by then are closed (default: the last bar of each instrument).",
        default="",
        validator=_check_instant,
    )
    timezone: str = setting(
        "Exchange time zone, in which sessions, slots and dates are given. The translator must use "
        "the same.",
        default="America/Chicago",
        validator=_check_zone,
    )
    days: tuple[Weekday, ...] = setting(
        "Weekdays with slots.", default=WEEKDAYS[:5], validator=_check_days
    )
    latest_entry: time = setting("Time of the last bar that can fill an order.", default=time(16))
    sessions: tuple[Session, ...] = setting("Sessions and their slots.", factory=_default_sessions)
    variants: tuple[Variant, ...] = setting(
        "Sets of rules, and sweeps over them, computed side by side.",
        factory=lambda: (Variant(name="default"),),
    )
    instruments: dict[str, InstrumentTable] = setting(
        "Instruments to add, or to give other parameters.", factory=dict
    )
    instruments_file: str = setting(
        "TOML file with such tables, relative to the project's root (default: unset).", default=""
    )
    processes: int = setting(
        "Number of worker processes among which the instruments are divided; each uses its share "
        "of the cores.",
        default=1,
        validator=_check_processes,
        affects_output=False,
    )
    kernels: Literal["auto", "off"] = setting(
        "auto: use compiled code if there is much to compute. off: never; the result is the same.",
        default="auto",
        affects_output=False,
    )

    @sessions.validator
    def _check_sessions(self, _attribute: object, value: tuple[Session, ...]) -> None:
        if not value:
            raise ValueError("sessions is empty: leave it out to use the built-in ones")
        _check_unique("session", [session.name for session in value])

    @variants.validator
    def _check_variants(self, _attribute: object, value: tuple[Variant, ...]) -> None:
        if not value:
            raise ValueError("variants is empty: leave it out to use the one called default")
        _check_unique("variant", [variant.name for variant in self.resolved_variants()])

    def resolved_variants(self) -> list[ResolvedVariant]:
        """Every variant to compute, with sweeps expanded, sorted by name."""
        resolved = expand(
            self.variants,
            stop_rule=self.stop_rule,
            max_stop=self.max_stop,
            same_bar_tie=self.same_bar_tie,
        )
        return sorted(resolved, key=lambda variant: variant.name)

    def strategy(self) -> request.SharedRules:
        """The settings that all variants and instruments share."""
        return request.SharedRules(
            timezone=self.timezone,
            days=tuple(day for day in WEEKDAYS if day in self.days),
            latest_entry=format_time(self.latest_entry),
            as_of=self.as_of,
            sessions=tuple(
                request.Session(
                    name=session.name,
                    start=format_time(session.start),
                    slots=tuple(format_time(slot) for slot in sorted(session.slots)),
                    stream=session.stream,
                )
                for session in sorted(self.sessions, key=lambda s: s.name)
            ),
        )
