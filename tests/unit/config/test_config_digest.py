from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path

import attrs

from pipekit import setting
from pipekit.config.digest import output_digest


class Tie(StrEnum):
    STOP = "stop"


@attrs.frozen
class Inner:
    glob: str = setting("The files.", default="*")
    note: str = setting("For people.", default="", affects_output=False)


@attrs.frozen
class Outer:
    raw: str = setting("Where.", default="raw")
    threads: int = setting("How many.", default=1, affects_output=False)
    inner: Inner = setting("One.", factory=Inner)
    sources: tuple[Inner, ...] = setting("Many.", default=())
    ticks: dict[str, float] = setting("By name.", factory=dict)
    tie: Tie = setting("What wins.", default=Tie.STOP)
    slot: dt.time = setting("When.", default=dt.time(7))
    names: frozenset[str] = setting("Names.", default=frozenset())
    path: Path = setting("Where.", default=Path("x"))


@attrs.frozen
class Reordered:
    path: Path = setting("Where.", default=Path("x"))
    names: frozenset[str] = setting("Names.", default=frozenset())
    slot: dt.time = setting("When.", default=dt.time(7))
    tie: Tie = setting("What wins.", default=Tie.STOP)
    ticks: dict[str, float] = setting("By name.", factory=dict)
    sources: tuple[Inner, ...] = setting("Many.", default=())
    inner: Inner = setting("One.", factory=Inner)
    raw: str = setting("Where.", default="raw")


def test_equal_settings_have_one_digest_also_in_another_process_or_release():
    assert output_digest(Outer()) == output_digest(Outer())
    assert output_digest(Outer(raw="a")) == "34e0efae9bd9197318efe85dd8d0bbf6"


def test_the_order_of_fields_tables_and_sets_does_not_count():
    assert output_digest(Outer()) == output_digest(Reordered())
    assert output_digest(Outer(ticks={"a": 1.0, "b": 2.0}, names=frozenset("ab"))) == output_digest(
        Outer(ticks={"b": 2.0, "a": 1.0}, names=frozenset("ba"))
    )


def test_a_change_that_affects_the_output_changes_the_digest():
    changed = [
        Outer(raw="other"),
        Outer(inner=Inner(glob="x")),
        Outer(sources=(Inner(),)),
        Outer(sources=(Inner(), Inner())),
        Outer(sources=(Inner(glob="x"),)),
        Outer(ticks={"a": 1.0}),
        Outer(slot=dt.time(8)),
        Outer(names=frozenset("a")),
        Outer(path=Path("y")),
    ]
    assert len({output_digest(each) for each in [Outer(), *changed]}) == len(changed) + 1


def test_a_field_that_does_not_affect_the_output_does_not_count_at_any_depth():
    assert output_digest(Outer(threads=8)) == output_digest(Outer())
    assert output_digest(Outer(inner=Inner(note="x"))) == output_digest(Outer())
    assert output_digest(Outer(sources=(Inner(note="x"),))) == output_digest(
        Outer(sources=(Inner(),))
    )


def test_a_version_counts_and_its_place_too():
    digests = [
        output_digest(Outer(), *more) for more in [(), ("1",), ("2",), ("1", "2"), ("2", "1")]
    ]
    assert len(set(digests)) == 5


def test_no_settings_have_a_digest_too():
    assert output_digest(None) != output_digest(Outer())
    assert output_digest(None) == output_digest(None)
