"""Parameters: the built-in table, what users override and add, what is refused and why."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from pipekit_analyzer.instruments import (
    BUILT_IN,
    InstrumentError,
    combine,
    load_tables,
    parameters,
    resolve,
    variant_rules,
)
from pipekit_analyzer.request import Parameters
from pipekit_analyzer.settings import Settings, Variant
from pipekit_analyzer.work.contract import Contract, ParameterError
from pipekit_analyzer.work.kernel import TickRules

TABLE = """
ES 0.25 10 2 50 | NQ 0.25 50 2 20 | YM 1 100 0 5 | RTY 0.1 10 1 50 | CL 0.01 0.5 2 1000
NG 0.001 0.05 3 10000 | GC 0.1 5 1 100 | MES 0.25 10 2 5 | MNQ 0.25 50 2 2 | MYM 1 100 0 0.5
M2K 0.1 10 1 5 | MCL 0.01 0.5 2 100 | MNG 0.001 0.05 3 1000 | MGC 0.1 5 1 10
"""


def test_the_built_in_table_holds_the_fourteen_contracts():
    tables = load_tables(BUILT_IN)
    expected = [row.split() for line in TABLE.split("\n") for row in line.split("|") if row.strip()]
    assert len(expected) == len(tables) == 14
    for name, tick, target, decimals, usd in expected:
        found = resolve(name, tables)
        assert (Decimal(found.tick), found.decimals) == (Decimal(tick), int(decimals))
        assert (Decimal(found.target), Decimal(found.usd_per_point)) == (
            Decimal(target),
            Decimal(usd),
        )


@pytest.mark.parametrize(
    ("name", "t1"),
    [("ES", 26), ("NQ", 130), ("YM", 65), ("RTY", 65), ("CL", 33), ("NG", 33), ("GC", 33)],
)
def test_t1_is_65_percent_of_the_target_rounded_up_to_ticks(name, t1):
    assert ruled(name).t1 == t1


def contract(name, parameters):
    return Contract(name=name, tick=parameters.tick, usd_per_point=parameters.usd_per_point)


def ruled(name, **given):
    """An instrument's rules under a variant that leaves out nothing but what is given."""
    instrument = resolve(name, load_tables(BUILT_IN))
    (variant,) = Settings(variants=(Variant(name="a", **given),)).resolved_variants()
    return contract(name, instrument).rules(variant_rules(name, instrument, variant))


def test_a_variants_target_is_a_multiple_of_its_own_base_or_the_instruments():
    assert ruled("ES") == TickRules(40, 26, 120)
    assert ruled("ES", target=1.5, max_stop=2.0) == TickRules(60, 39, 120)
    assert ruled("ES", target=0.5, base_targets={"ES": 8.0, "NQ": 1.0}) == TickRules(16, 11, 48)
    assert ruled("NG", target=1.25) == TickRules(63, 41, 189)  # 62.5 ticks
    assert ruled("ES", stop_rule="boundary").boundary
    assert ruled("ES", same_bar_tie="target").tie_to_target


def test_a_touch_of_the_target_is_exact_for_every_price_of_natural_gas():
    """Ticks become the very doubles that a price list holds, whatever their number."""
    gas = contract("NG", resolve("NG", load_tables(BUILT_IN)))
    ticks = np.arange(-5_000, 20_000)
    assert gas.points(ticks).tolist() == [float(f"{n / 1000:.3f}") for n in ticks.tolist()]
    assert gas.usd(ticks).tolist() == [10.0 * n for n in ticks.tolist()]


def test_users_override_single_values_and_add_instruments():
    tables = combine(
        load_tables(BUILT_IN),
        {"ES": {"target": 8.0, "tick": None}, "XX": {"parent": "MES", "decimals": 3}},
    )
    assert (resolve("ES", tables).tick, resolve("ES", tables).target) == ("0.25", "8.0")
    assert resolve("MES", tables).target == "8.0"
    assert resolve("XX", tables) == Parameters(
        tick="0.25", target="8.0", decimals=3, usd_per_point="5"
    )
    with pytest.raises(InstrumentError, match="ZZ has no parameters: write tick"):
        resolve("ZZ", tables)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tick": None}, "XX has no tick: write it under"),
        ({"tick": 0}, "tick must be greater than 0, got 0"),
        ({"usd_per_point": "many"}, "usd_per_point must be greater than 0"),
        ({"decimals": 1}, "decimals = 1 is too few for a tick of 0.25"),
        ({"decimals": -1}, "decimals must be a whole number"),
        ({"target": 1.1}, "not a whole number of ticks"),
    ],
)
def test_values_that_cannot_be_right_are_refused_in_words(change, words):
    record = {"tick": 0.25, "target": 10, "decimals": 2, "usd_per_point": 50, **change}
    with pytest.raises(InstrumentError, match=words):
        parameters("XX", record)


def test_parents_are_looked_for_and_not_followed_in_circles():
    with pytest.raises(InstrumentError, match="its parent GONE has no parameters"):
        resolve("A", {"A": {"parent": "GONE"}})
    with pytest.raises(InstrumentError, match="A -> B -> A"):
        resolve("A", {"A": {"parent": "B"}, "B": {"parent": "A"}})


def test_a_table_file_with_errors_is_refused_in_words(tmp_path):
    file = tmp_path / "mine.toml"
    for text, words in [
        ("tick = 1", "tick is not a table"),
        ("[A]\nticks = 1", "unknown key ticks in"),
        ("[A", "is not valid TOML"),
    ]:
        file.write_text(text)
        with pytest.raises(InstrumentError, match=words):
            load_tables(str(file))


def test_a_target_of_less_than_a_tick_is_refused():
    with pytest.raises(ParameterError, match=r"variant a: a target of 0\.1 points is less than"):
        ruled("ES", target=0.01)


def test_a_contract_that_is_kept_apart_has_the_parameters_of_its_root():
    """Unless it has a table of its own; a variant's base target is that of the root, too."""
    tables = combine(load_tables(BUILT_IN), {"NQ-202003": {"tick": 1, "parent": "NQ"}})
    assert resolve("ES-202003", tables) == resolve("ES", tables)
    assert resolve("NQ-202003", tables).tick == "1"
    (variant,) = Settings(
        variants=(Variant(name="a", base_targets={"ES": 8.0}),)
    ).resolved_variants()
    root = resolve("ES", tables)
    assert variant_rules("ES-202003", root, variant) == variant_rules("ES", root, variant)
    for name in ("ES-202013", "ES-2020", "ES-1", "XX-202003"):
        with pytest.raises(InstrumentError, match=f"{name} has no parameters"):
            resolve(name, tables)
