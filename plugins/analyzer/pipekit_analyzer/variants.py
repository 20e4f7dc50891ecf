"""Variants: sets of rules computed side by side, and tables that stand for a sweep of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Literal

import attrs

from pipekit import setting

StopRule = Literal["range", "boundary"]
Tie = Literal["stop", "target"]
_PLACEHOLDERS = ("target", "max_stop", "stop_rule", "same_bar_tie")
_SWEPT = {"target": "targets", "stop_rule": "stop_rules", "max_stop": "max_stops"}


def positive(_instance: object, _attribute: object, value: float | Iterable[float] | None) -> None:
    """Validate a number, several, or a table of them."""
    values = value.values() if isinstance(value, Mapping) else value
    for number in values if isinstance(values, Iterable) else [values]:
        if number is not None and not number > 0:
            raise ValueError(f"must be greater than 0, got {number!r}")


@attrs.frozen
class Variant:
    """One set of rules; with lists of values a sweep: one variant for each combination."""

    name: str = setting(
        "Name of the variant in the results. In a sweep, a pattern with {target}, {max_stop}, "
        "{stop_rule} or {same_bar_tie}, such as x{target}."
    )
    target: float | None = setting(
        "Target as a multiple of the instrument's base target (default: 1).",
        default=None,
        validator=positive,
    )
    targets: tuple[float, ...] = setting(
        "Targets to sweep over, as multiples of the base target.", default=(), validator=positive
    )
    stop_rule: StopRule | None = setting(
        "Stop rule of this variant: range or boundary (default: the stage's).", default=None
    )
    stop_rules: tuple[StopRule, ...] = setting("Stop rules to sweep over.", default=())
    max_stop: float | None = setting(
        "Largest initial stop, as a multiple of the variant's target (default: the stage's).",
        default=None,
        validator=positive,
    )
    max_stops: tuple[float, ...] = setting(
        "Values of `max_stop` to sweep over.", default=(), validator=positive
    )
    same_bar_tie: Tie | None = setting(
        "Tie rule of this variant: stop or target (default: the stage's).", default=None
    )
    base_targets: dict[str, float] = setting(
        "Base targets of this variant in points, by instrument (default: the instruments' own).",
        factory=dict,
        validator=positive,
    )

    @name.validator
    def _check_name(self, _attribute: object, value: str) -> None:
        for one, several in _SWEPT.items():
            values = getattr(self, several)
            if values and getattr(self, one) is not None:
                raise ValueError(f"variant {value}: set {one} or {several}, not both")
            if len(values) > 1 and f"{{{one}}}" not in value:
                raise ValueError(
                    f"variant {value} sweeps over {several}: its name must contain {{{one}}}, "
                    f"as in {value}-{{{one}}}"
                )
        rest = _filled(value, dict.fromkeys(_PLACEHOLDERS, ""))
        if not value or "{" in rest or "}" in rest:
            known = " ".join(f"{{{place}}}" for place in _PLACEHOLDERS)
            raise ValueError(
                f"invalid variant name {value!r}: use text and, in braces, only {known}"
            )


@attrs.frozen(kw_only=True)
class ResolvedVariant:
    """One variant with every rule; `target` in base targets, `max_stop` in targets."""

    name: str
    target: float
    max_stop: float
    stop_rule: StopRule
    same_bar_tie: Tie
    base_targets: Mapping[str, float]


def expand(
    variants: Iterable[Variant], *, stop_rule: StopRule, max_stop: float, same_bar_tie: Tie
) -> Iterator[ResolvedVariant]:
    """Every variant that the tables stand for; the arguments are the defaults of a table."""
    for variant in variants:
        combinations = product(
            variant.targets or (1.0 if variant.target is None else variant.target,),
            variant.max_stops or (variant.max_stop or max_stop,),
            variant.stop_rules or (variant.stop_rule or stop_rule,),
            (variant.same_bar_tie or same_bar_tie,),
        )
        for target, stop, rule, tie in combinations:
            shown = (f"{target:g}", f"{stop:g}", rule, tie)
            yield ResolvedVariant(
                name=_filled(variant.name, dict(zip(_PLACEHOLDERS, shown, strict=True))),
                target=target,
                max_stop=stop,
                stop_rule=rule,
                same_bar_tie=tie,
                base_targets=variant.base_targets,
            )


def _filled(name: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():
        name = name.replace(f"{{{place}}}", value)
    return name
