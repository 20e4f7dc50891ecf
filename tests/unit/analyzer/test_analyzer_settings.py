"""Settings: what the defaults are, and that wrong ones are refused in words."""

from __future__ import annotations

from datetime import UTC, time

import attrs
import pytest
from pipekit_analyzer.settings import Session, Settings, Variant


def test_every_setting_has_help():
    def fields(cls):
        return [*attrs.fields(cls)]

    assert all(
        field.metadata["help"] for cls in (Settings, Session, Variant) for field in fields(cls)
    )


def test_the_default_strategy_is_the_documented_one():
    strategy = Settings().strategy()
    assert [(s.name, s.start, s.slots, s.stream) for s in strategy.sessions] == [
        ("S1", "02:00", ("07:30", "08:00", "09:00"), "{I}1"),
        ("S2", "08:00", ("09:30", "10:00", "10:30", "11:00"), "{I}2"),
    ]
    assert strategy.days == ("Mon", "Tue", "Wed", "Thu", "Fri")
    assert (strategy.latest_entry, strategy.timezone) == ("16:00", "America/Chicago")
    (default,) = Settings().resolved_variants()
    assert attrs.astuple(default) == ("default", 1.0, 3.0, "range", "stop", {})


def test_a_variant_takes_what_it_leaves_out_from_the_stage():
    variants = (Variant(name="b", target=2.0), Variant(name="a", stop_rule="range"))
    settings = Settings(stop_rule="boundary", max_stop=2.5, variants=variants)
    assert [attrs.astuple(variant) for variant in settings.resolved_variants()] == [
        ("a", 1.0, 2.5, "range", "stop", {}),
        ("b", 2.0, 2.5, "boundary", "stop", {}),
    ]


def test_a_sweep_is_a_variant_for_each_combination():
    sweep = Variant(
        name="x{target}-{stop_rule}-{max_stop}",
        targets=(0.5, 1.25),
        stop_rules=("range", "boundary"),
        max_stops=(2.0, 3.0),
        same_bar_tie="target",
    )
    found = Settings(variants=(sweep, Variant(name="plain"))).resolved_variants()
    assert [variant.name for variant in found] == [
        "plain",
        *(f"x{t}-{s}-{m}" for t in ("0.5", "1.25") for s in ("boundary", "range") for m in "23"),
    ]
    assert attrs.astuple(found[2])[1:5] == (0.5, 3.0, "boundary", "target")


SLOTS = (time(8),)
AWARE = time(9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Settings(as_of="2013-10-11T15:00"), "has no time zone"),
        (lambda: Settings(timezone="Chicago"), "unknown time zone"),
        (lambda: Settings(processed="/data"), "below the project's root"),
        (lambda: Settings(runs="../runs"), "below the project's root"),
        (lambda: Settings(variants=()), "variants is empty"),
        (lambda: Settings(variants=(Variant(name="a"),) * 2), "variant a is listed twice"),
        (lambda: Variant(name="a", target=0), "must be greater than 0"),
        (lambda: Variant(name="a{target}", targets=(1.0, 0.0)), "must be greater than 0"),
        (
            lambda: Variant(name="a", base_targets={"ES": -1.0}),
            "must be greater than 0",
        ),
        (lambda: Variant(name="a", targets=(1.0, 2.0)), "as in a-{target}"),
        (lambda: Variant(name="a{target}", target=1.0, targets=(2.0,)), "target or targets"),
        (lambda: Variant(name="a{slot}"), "in braces, only {target} {max_stop}"),
        (lambda: Variant(name=""), "invalid variant name"),
        (
            lambda: Settings(variants=(Variant(name="x{target}", targets=(1.0, 1.0)),)),
            "x1 is listed twice",
        ),
        (lambda: Settings(max_stop=0), "must be greater than 0"),
        (lambda: Settings(sessions=()), "sessions is empty"),
        (lambda: Session(name="S", start=time(8), slots=()), "no slots"),
        (lambda: Session(name="S", start=time(8), slots=SLOTS), "later than the start"),
        (lambda: Session(name="S", start=time(7), slots=SLOTS * 2), "is listed twice"),
        (lambda: Session(name="S", start=time(7, tzinfo=UTC), slots=SLOTS), "without an offset"),
        (lambda: Session(name="S", start=time(7), slots=(*SLOTS, AWARE)), "without an offset"),
        (lambda: Session(name="S", start=time(7), slots=SLOTS, stream="ES1"), "{I}1, got 'ES1'"),
    ],
)
def test_wrong_settings_are_refused_in_words(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
