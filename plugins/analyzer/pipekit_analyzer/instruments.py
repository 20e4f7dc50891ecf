"""Instruments: the built-in table, what users override and add, and the checks of both."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from pipekit_analyzer.request import Parameters, VariantRules
from pipekit_analyzer.variants import ResolvedVariant

BUILT_IN = os.path.join(os.path.dirname(__file__), "instruments.toml")
_FIELDS = ("tick", "target", "decimals", "usd_per_point")
_KNOWN = {*_FIELDS, "parent"}

# `ES-202003`: a contract that the translator keeps apart (roll = "separate")
_CONTRACT = re.compile(r"(.+)-(?:19|20)\d\d(?:0[1-9]|1[0-2])")

Table = Mapping[str, object]  # as read from TOML: nothing is checked yet


class InstrumentError(ValueError):
    """Parameters that are missing or wrong; the text says what to write where."""


def load_tables(path: str) -> dict[str, Table]:
    """The tables of a TOML file. Raises OSError or InstrumentError."""
    with open(path, "rb") as file:
        try:
            tables = tomllib.load(file, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InstrumentError(f"{path} is not valid TOML: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InstrumentError(
                f"{path}: {name} is not a table: write [INSTRUMENT] above its values"
            )
        if unknown := sorted(set(table) - _KNOWN):
            known = ", ".join(sorted(_KNOWN))
            raise InstrumentError(
                f"{path}: unknown {'keys' if len(unknown) > 1 else 'key'} {', '.join(unknown)} in "
                f"[{name}]; known are {known}"
            )
    return tables


def combine(*layers: Mapping[str, Table]) -> dict[str, Table]:
    """All layers' tables, merged value by value; later layers override earlier ones."""
    tables: dict[str, Table] = {}
    for layer in layers:
        for name, table in layer.items():
            given = {field: value for field, value in table.items() if value is not None}
            tables[name] = {**tables.get(name, {}), **given}
    return tables


def resolve(name: str, tables: Mapping[str, Table]) -> Parameters:
    """The instrument's parameters; values left out are those of its parents.

    A contract such as `ES-202003` that has no table of its own has the parameters of its root.
    Raises InstrumentError if there is no table, for wrong values and unknown parents.
    """
    own = name
    name = table_of(name, tables)
    if name not in tables:
        raise InstrumentError(
            f"{own} has no parameters: write tick, target, decimals and usd_per_point (or a "
            f"parent) under {_header(name)}"
        )
    values: dict[str, object] = {}
    seen: list[str] = []
    at: object = name
    while at:
        if at in seen:
            circle = " -> ".join([*seen, str(at)])
            raise InstrumentError(f"{name}: its parents form a circle: {circle}")
        if not isinstance(at, str) or at not in tables:
            raise InstrumentError(f"{seen[-1]}: its parent {at} has no parameters")
        seen.append(at)
        values = {**tables[at], **values}
        at = tables[at].get("parent")
    return parameters(name, values)


def table_of(name: str, tables: Mapping[str, object]) -> str:
    """The name of the table that an instrument's values are in: its own, or that of its root."""
    found = _CONTRACT.fullmatch(name) if name not in tables else None
    return found[1] if found else name


def parameters(name: str, values: Table) -> Parameters:
    """Checked parameters from a complete table. Raises InstrumentError."""
    header = _header(name)
    missing = [field for field in _FIELDS if values.get(field) is None]
    if missing:
        raise InstrumentError(f"{name} has no {' and no '.join(missing)}: write it under {header}")
    tick, target, usd = (_positive(name, f, values[f]) for f in ("tick", "target", "usd_per_point"))
    decimals = values["decimals"]
    if not isinstance(decimals, int) or decimals < 0:
        raise InstrumentError(
            f"{header} decimals must be a whole number, at least 0, got {decimals!r}"
        )
    if tick != round(tick, decimals):
        raise InstrumentError(f"{header}: decimals = {decimals} is too few for a tick of {tick}")
    if target % tick:
        raise InstrumentError(
            f"{header}: a target of {target} is not a whole number of ticks of {tick}"
        )
    return Parameters(tick=str(tick), target=str(target), decimals=decimals, usd_per_point=str(usd))


def variant_rules(name: str, instrument: Parameters, variant: ResolvedVariant) -> VariantRules:
    """A variant's rules for an instrument, with the target in points."""
    targets = variant.base_targets
    base = targets.get(table_of(name, targets), instrument.target)
    points = Decimal(str(base)) * Decimal(str(variant.target))
    return VariantRules(
        name=variant.name,
        target=f"{points.normalize():f}",
        max_stop=f"{variant.max_stop:g}",
        stop_rule=variant.stop_rule,
        same_bar_tie=variant.same_bar_tie,
    )


def _header(name: str) -> str:
    return f"[stages.analyzer.settings.instruments.{name}]"


def _positive(name: str, field: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))  # as written: 0.1 is a tenth
    except InvalidOperation:
        number = Decimal("nan")
    if not (number.is_finite() and number > 0):
        raise InstrumentError(f"{_header(name)} {field} must be greater than 0, got {value!r}")
    return number
