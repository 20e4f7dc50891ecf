"""Variants: a change of one computes that one, and one that is no more leaves no row."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta

import attrs
import pytest
from pipekit_analyzer.settings import Session, Settings, Variant

from pipekit import ConfigError, Published

DAYS = [date(2013, 9, 26) + timedelta(days=n) for n in (0, 1, 4, 5, 6, 7)]  # over a month's end
TWO = Settings(variants=(Variant(name="a"), Variant(name="b", target=0.5)))
ALL = ["0001-01-01", "9999-12-31"]
START, SLOT = Settings().sessions[0].start, Settings().sessions[0].slots[0]


@pytest.fixture
def bars(minutes):
    """Bars of the first `count` days."""
    return lambda count: [bar for day in DAYS[:count] for bar in minutes(day)]


@pytest.fixture
def analysed(project, bars):
    """Two variants of one instrument."""
    project.write("ES", bars(4))
    project.run(TWO)
    return project


def changed(variant):
    return attrs.evolve(TWO, variants=(TWO.variants[0], variant))


def parts(done):
    return done.wrote["ES"]["detail"]["scope"]["parts"]


def whole(*variants):
    return {"variants": [*variants], "slots": "*", "dates": [ALL]}


def anew(new_project, bars, settings):
    project = new_project()
    project.write("ES", bars)
    project.run(settings)
    return project.merged


@pytest.mark.parametrize(
    "variant",
    [
        Variant(name="b", target=0.75),
        Variant(name="b", target=0.5, stop_rule="boundary"),
        Variant(name="b", target=0.5, max_stop=1.0),
        Variant(name="b", base_targets={"ES": 3.0}),
    ],
)
def test_a_changed_variant_is_computed_and_no_other(analysed, new_project, bars, variant):
    done = analysed.run(changed(variant))
    assert parts(done) == [whole("b")]
    assert done.wrote["ES"]["detail"]["rows"] == 28
    assert analysed.merged == anew(new_project, bars(4), changed(variant))
    assert not analysed.plan(changed(variant))


def test_a_new_variant_is_computed_and_no_other(analysed, new_project, bars):
    settings = attrs.evolve(TWO, variants=(*TWO.variants, Variant(name="c", target=2.0)))
    assert parts(analysed.run(settings)) == [whole("c")]
    assert analysed.merged == anew(new_project, bars(4), settings)


def test_a_variant_that_is_no_more_leaves_no_row(analysed, new_project, bars):
    settings = Settings(variants=TWO.variants[:1])
    done = analysed.run(settings)
    assert parts(done) == [whole("b")]
    assert done.wrote["ES"]["detail"]["rows"] == 0
    assert analysed.merged == anew(new_project, bars(4), settings)
    assert not analysed.plan(settings)


def test_another_name_for_a_variant_moves_its_rows(analysed, new_project, bars):
    settings = changed(Variant(name="half", target=0.5))
    assert parts(analysed.run(settings)) == [whole("b"), whole("half")]
    assert analysed.merged == anew(new_project, bars(4), settings)


def test_new_days_come_to_the_old_variants_while_a_new_one_gets_all(analysed, new_project, bars):
    settings = changed(Variant(name="c", stop_rule="boundary"))
    analysed.write("ES", bars(5))
    gone, new, old = parts(analysed.run(settings))
    assert (gone, new) == (whole("b"), whole("c"))
    assert (old["variants"], old["dates"]) == (["a"], [["2013-10-01", "2013-10-02"]])
    assert analysed.merged == anew(new_project, bars(5), settings)


def test_what_variants_share_is_computed_for_all_of_them(analysed, new_project, bars):
    slots = Session(name="S1", start=START, slots=(SLOT,))
    settings = attrs.evolve(changed(Variant(name="c")), sessions=(slots,))
    assert parts(analysed.run(settings)) == [{"variants": "*", "slots": "*", "dates": [ALL]}]
    assert analysed.merged == anew(new_project, bars(4), settings)


def test_a_base_target_of_one_instrument_is_no_work_for_another(analysed, bars):
    analysed.write("NQ", bars(2))
    analysed.run(TWO)
    settings = changed(Variant(name="b", target=0.5, base_targets={"NQ": 40.0}))
    assert set(analysed.run(settings).wrote) == {"NQ"}
    targets = {(k[0], k[1]): row["target"] for k, row in analysed.merged.items()}
    assert targets == {
        ("ES", "a"): 10.0,
        ("ES", "b"): 5.0,
        ("NQ", "a"): 50.0,
        ("NQ", "b"): 20.0,
    }


def test_a_base_target_for_an_instrument_that_is_none_is_refused(project):
    with pytest.raises(ConfigError, match="b has a base target for SE"):
        project.plan(changed(Variant(name="b", base_targets={"SE": 8.0})))


def test_rows_of_a_lost_variant_go_even_where_the_bars_are_archived(analysed):
    taken = "data/processed/ES/1m/2013/ES_1m_2013-09.parquet"
    (analysed.root / taken).unlink()
    analysed.removed = (
        Published(path=taken, fingerprint="", run_number=1, run_id="r", present=False),
    )
    before = dict(analysed.merged)
    analysed.run(Settings(variants=TWO.variants[:1]))
    assert analysed.merged == {key: row for key, row in before.items() if key[1] == "a"}


def test_a_ledger_that_does_not_know_the_variants_costs_time_and_no_row(
    analysed, new_project, bars
):
    settings = changed(Variant(name="c"))
    for path, known in analysed.ledger.items():
        detail = {key: known.detail[key] for key in ("days", "last")}
        analysed.ledger[path] = known._replace(detail=detail)
    done = analysed.run(settings)
    assert done.wrote["ES"]["detail"]["full"]
    assert analysed.merged == anew(new_project, bars(4), settings)


def test_a_result_file_states_each_variants_rules(analysed):
    import pyarrow.parquet as pq

    (file,) = (analysed.root / "data/analyzer_runs").rglob("*.parquet")
    stated = json.loads(pq.read_metadata(file).metadata[b"pipekit.settings"])["variants"]
    assert [(v["name"], v["target"], v["max_stop"]) for v in stated] == [
        ("a", "10", "3"),
        ("b", "5", "3"),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_any_steps_of_days_and_variants_end_where_one_step_does(new_project, bars, seed):
    rng = random.Random(seed)
    project = new_project()
    for _ in range(5):
        days = bars(rng.randint(1, 6))
        names = rng.sample("abc", rng.randint(1, 3))
        variants = tuple(Variant(name=name, target=rng.choice((0.5, 1.0))) for name in names)
        settings = Settings(variants=variants)
        for file in (project.root / "data/processed").rglob("*.parquet"):
            file.unlink()
        project.write("ES", days)
        assert not project.run(settings).failed
        assert project.merged == anew(new_project, days, settings)
