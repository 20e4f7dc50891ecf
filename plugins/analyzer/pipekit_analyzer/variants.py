"""Variants: sets of rules computed side by side, and how one table stands for a sweep of them.

Knows no bars and no dates. What a variant leaves out is as the stage's settings say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from pipekit import setting

if TYPE_CHECKING:
    from pipekit_analyzer.instruments import Instrument

_PLACES = ("target", "max_stop", "stop_rule", "same_bar_tie")  # what a name can show, in braces


class StopRule(StrEnum):
    """Where the first stop of a trade lies."""

    RANGE = "range"  # the range's size away from the entry
    BOUNDARY = "boundary"  # at the opposite boundary of the range


class Tie(StrEnum):
    """Who wins a bar that touches target and stop and closes midway."""

    STOP = "stop"
    TARGET = "target"


def positive(_instance: object, attribute: Any, value: float | Iterable[float] | None) -> None:
    """Validates a number, several, or a table of them."""
    values = value.values() if isinstance(value, Mapping) else value
    for number in values if isinstance(values, Iterable) else [values]:
        if number is not None and not number > 0:
            raise ValueError(f"{attribute.name} is above 0, not {number!r}")


@attrs.frozen(eq=False, repr=False)
class Variant:
    """One set of rules, or with lists of values a sweep: a variant for each combination."""

    name: str = setting(
        "Name of the variant, as results carry it; in a sweep a pattern that shows what differs, "
        "of {target} {max_stop} {stop_rule} {same_bar_tie}, such as x{target}."
    )
    target: float | None = setting(
        "Its target as a multiple of the instrument's base target; without it 1.",
        default=None,
        validator=positive,
    )
    targets: tuple[float, ...] = setting(
        "A sweep over such targets.", default=(), validator=positive
    )
    stop_rule: StopRule | None = setting("Its own stop rule: range or boundary.", default=None)
    stop_rules: tuple[StopRule, ...] = setting("A sweep over stop rules.", default=())
    max_stop: float | None = setting(
        "Its own farthest initial stop, in targets.", default=None, validator=positive
    )
    max_stops: tuple[float, ...] = setting(
        "A sweep over such farthest stops.", default=(), validator=positive
    )
    same_bar_tie: Tie | None = setting("Its own same_bar_tie: stop or target.", default=None)
    base_targets: dict[str, float] = setting(
        "Its own base targets in points, by instrument; the others keep theirs.",
        factory=dict,
        validator=positive,
    )

    @name.validator
    def _check_name(self, _attribute: object, value: str) -> None:
        for one, several in _SWEPT.items():
            values = getattr(self, several)
            if values and getattr(self, one) is not None:
                raise ValueError(f"variant {value}: {one} or {several}, not both")
            if len(values) > 1 and f"{{{one}}}" not in value:
                raise ValueError(
                    f"variant {value} is a sweep of {several}: show them in its name, as in "
                    f"{value}-{{{one}}}"
                )
        rest = _filled(value, dict.fromkeys(_PLACES, ""))
        if not value or "{" in rest or "}" in rest:
            known = " ".join(f"{{{place}}}" for place in _PLACES)
            raise ValueError(f"variant {value!r}: a name is text, and in braces only {known}")


_SWEPT = {"target": "targets", "stop_rule": "stop_rules", "max_stop": "max_stops"}


class Defaults(NamedTuple):
    """What the stage's settings say for all variants."""

    stop_rule: StopRule
    max_stop: float
    same_bar_tie: Tie


class Ruling(NamedTuple):
    """One variant with nothing left out. `target` is a multiple of the base target."""

    name: str
    target: float
    max_stop: float
    stop_rule: StopRule
    same_bar_tie: Tie
    base_targets: Mapping[str, float]

    def record(self, instrument: Instrument) -> dict[str, str]:
        """As a request carries it for an instrument, and as results state it; target in points."""
        base = self.base_targets.get(instrument.name)
        return {
            "name": self.name,
            "target": instrument.scaled_target(self.target, base),
            "max_stop": f"{self.max_stop:g}",
            "stop_rule": self.stop_rule.value,
            "same_bar_tie": self.same_bar_tie.value,
        }


def rulings(variants: Iterable[Variant], defaults: Defaults) -> Iterator[Ruling]:
    """Every variant that the tables stand for."""
    for variant in variants:
        axes = (
            variant.targets or (1.0 if variant.target is None else variant.target,),
            variant.max_stops or (variant.max_stop or defaults.max_stop,),
            variant.stop_rules or (variant.stop_rule or defaults.stop_rule,),
            (variant.same_bar_tie or defaults.same_bar_tie,),
        )
        for target, max_stop, stop_rule, tie in product(*axes):
            shown = (f"{target:g}", f"{max_stop:g}", stop_rule.value, tie.value)
            name = _filled(variant.name, dict(zip(_PLACES, shown, strict=True)))
            yield Ruling(name, target, max_stop, stop_rule, tie, variant.base_targets)


def digests(records: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """By name, what a later run knows a variant's rules by."""
    return {record["name"]: digest(record) for record in records}


def digest(value: object) -> str:
    """A short one of a JSON value."""
    import hashlib  # loads OpenSSL: 3 ms, which a plan without work does without

    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _filled(name: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():
        name = name.replace(f"{{{place}}}", value)
    return name
