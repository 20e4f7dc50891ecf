"""What a contract's prices mean: tick, base target, decimals, money. Knows no bars and no dates."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipekit_analyzer.strategy import Rules

BUILT_IN = os.path.join(os.path.dirname(__file__), "instruments.toml")
T1_SHARE = 0.65  # of the target: where the stop moves to the entry
_FIELDS = ("tick", "target", "decimals", "usd_per_point")
_KNOWN = {*_FIELDS, "parent"}

Tables = Mapping[str, Mapping[str, Any]]


class InstrumentError(ValueError):
    """Parameters that are missing or cannot be right; the text says what to write where."""


class Instrument(NamedTuple):
    """`tick` and `target` (the base target) are in points, `usd_per_point` for one contract."""

    name: str
    tick: Decimal
    target: Decimal
    decimals: int
    usd_per_point: Decimal

    def scaled_target(self, multiple: float, base: float | None = None) -> str:
        """A multiple of a base target (this one's, where none is given) in points, as text."""
        points = (self.target if base is None else _decimal(base)) * _decimal(multiple)
        return f"{points.normalize():f}"

    def rules(self, variant: Mapping[str, str]) -> Rules:
        """A variant's rules in ticks, of its record. Raises InstrumentError below one tick."""
        from pipekit_analyzer.strategy import Rules  # which no plan needs

        target = _whole(_decimal(variant["target"]) / self.tick)
        if target < 1:
            raise InstrumentError(
                f"variant {variant['name']}: a target of {variant['target']} points is less than a "
                f"tick ({self.tick}) of {self.name}: raise the variant's target or the instrument's"
            )
        return Rules(
            target=target,
            t1=math.ceil(T1_SHARE * target - 1e-9),
            max_stop=_whole(_decimal(variant["max_stop"]) * target),
            boundary=variant["stop_rule"] == "boundary",
            tie_to_target=variant["same_bar_tie"] == "target",
        )

    def points(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ticks as points: the doubles nearest to the decimal numbers."""
        return _scaled(ticks, self.tick)

    def usd(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ticks as dollars of one contract."""
        return _scaled(ticks, self.tick * self.usd_per_point)

    def record(self) -> dict[str, Any]:
        """As a request carries it, and as results state it."""
        return {
            "tick": str(self.tick),
            "target": str(self.target),
            "decimals": self.decimals,
            "usd_per_point": str(self.usd_per_point),
        }


def instrument(name: str, record: Mapping[str, Any]) -> Instrument:
    """From the values of a complete table. Raises InstrumentError."""
    table = f"[stages.analyzer.settings.instruments.{name}]"
    missing = [field for field in _FIELDS if record.get(field) is None]
    if missing:
        raise InstrumentError(f"{name} has no {' and no '.join(missing)}: write it under {table}")
    tick, target, usd = (_positive(name, f, record[f]) for f in ("tick", "target", "usd_per_point"))
    decimals = record["decimals"]
    if not isinstance(decimals, int) or decimals < 0:
        raise InstrumentError(f"{table} decimals is a whole number, 0 or more, not {decimals!r}")
    if tick != round(tick, decimals):
        raise InstrumentError(f"{table}: {decimals} decimals cannot show a tick of {tick}")
    if target % tick:
        raise InstrumentError(
            f"{table}: a target of {target} is no whole number of ticks of {tick}"
        )
    return Instrument(name, tick, target, decimals, usd)


def unknown(name: str) -> str:
    """Why an instrument without parameters is not analysed, and what to do."""
    return (
        f"{name} has no parameters: write tick, target, decimals and usd_per_point (or a parent) "
        f"under [stages.analyzer.settings.instruments.{name}]"
    )


def load_tables(path: str) -> dict[str, dict[str, Any]]:
    """The tables of a TOML file. Raises OSError or InstrumentError."""
    import tomllib

    with open(path, "rb") as file:
        try:
            tables = tomllib.load(file, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InstrumentError(f"{path} is no TOML: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InstrumentError(f"{path}: {name} is no table: write [{name}] above its values")
        if strange := sorted(set(table) - _KNOWN):
            known = ", ".join(sorted(_KNOWN))
            raise InstrumentError(f"{path}: [{name}] has no {', '.join(strange)}; there is {known}")
    return tables


def combined(*layers: Tables) -> dict[str, dict[str, Any]]:
    """The layers' tables, value by value: a later layer's values stand over an earlier one's."""
    tables: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, table in layer.items():
            given = {field: value for field, value in table.items() if value is not None}
            tables.setdefault(name, {}).update(given)
    return tables


def resolve(name: str, tables: Tables) -> Instrument | None:
    """The instrument of that name, with what its parents lend it; None where nothing is known.

    Raises InstrumentError for values that cannot be right and for parents that cannot be found.
    """
    if name not in tables:
        return None
    values: dict[str, Any] = {}
    seen: list[str] = []
    at: str | None = name
    while at:
        if at in seen:
            raise InstrumentError(
                f"{name}: its parents lead back to {at}: {' -> '.join([*seen, at])}"
            )
        if at not in tables:
            raise InstrumentError(f"{seen[-1]}: its parent {at} has no parameters")
        seen.append(at)
        values = {**tables[at], **values}
        at = tables[at].get("parent")
    return instrument(name, values)


def _positive(name: str, field: str, value: object) -> Decimal:
    number = _decimal(value)
    if not (number.is_finite() and number > 0):
        raise InstrumentError(
            f"[stages.analyzer.settings.instruments.{name}] {field} is above 0, not {value!r}"
        )
    return number


def _decimal(value: object) -> Decimal:
    """A number as it was written: 0.1 is a tenth."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("nan")


def _whole(number: Decimal) -> int:
    """Rounded, halves up."""
    return int(number.to_integral_value(ROUND_HALF_UP))


def _scaled(ticks: NDArray[np.int64], step: Decimal) -> NDArray[np.float64]:
    """`ticks * step`, rounded once: a whole number over a power of ten."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    places = max(0, -exponent)
    scaled: NDArray[np.float64] = (ticks * int(step.scaleb(places))) / 10.0**places
    return scaled
