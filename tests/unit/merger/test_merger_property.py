"""Any sequence of run files ends in the same bytes, however it is cut into runs."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAYS = ["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04"]
SLOTS = [("S1", "07:30"), ("S1", "08:00"), ("S2", "09:30")]
VARIANTS = ["default", "boundary"]
RESULTS = ["Win", "Loss", "Open", "NoTrade"]
ZONES = ["America/Chicago", "America/New_York"]

spans = st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map(sorted)
parts = st.fixed_dictionaries(
    {
        "variants": st.just("*") | st.lists(st.sampled_from(VARIANTS), min_size=1, unique=True),
        "slots": st.just("*") | st.lists(st.sampled_from(SLOTS), min_size=1, unique=True),
        "dates": st.lists(spans, min_size=1, max_size=1),
    }
)


def cells(part):
    """The (variant, slot, day) a part holds, of those the tests know."""
    (span,) = part["dates"]
    return {
        (variant, slot, day)
        for variant in (VARIANTS if part["variants"] == "*" else part["variants"])
        for slot in (SLOTS if part["slots"] == "*" else part["slots"])
        for day in DAYS
        if span[0] <= day <= span[1]
    }


@st.composite
def run_files(draw):
    """A run file: instrument, zone, parts, rows of (variant, slot, day, result, profit)."""
    made = draw(st.lists(parts, min_size=1, max_size=2))
    inside = sorted(set().union(*map(cells, made)))
    taken = draw(st.lists(st.sampled_from(inside), unique=True, max_size=8))
    rows = [(*cell, draw(st.sampled_from(RESULTS)), draw(st.integers(-3, 3)) / 2) for cell in taken]
    return draw(st.sampled_from(["ES", "NQ"])), draw(st.sampled_from(ZONES)), made, rows


def write(project, kit, file):
    instrument, zone, made, rows = file
    stated = {"version": 1, "instrument": instrument, "parts": made}
    table = [
        kit.row(
            day,
            slot,
            session=session,
            variant=variant,
            instrument=instrument,
            result=result,
            profit=profit,
        )
        for variant, (session, slot), day, result, profit in rows
    ]
    project.run_file(table, stated, zone=zone)


def merged(kit, batches):
    """The months after a run for each batch of run files, and what is in them."""
    with tempfile.TemporaryDirectory(
        ignore_cleanup_errors=True
    ) as folder:  # Windows: the report is open
        project = kit.project(Path(folder))
        try:
            for batch in batches:
                for file in batch:
                    write(project, kit, file)
                project.run()
            return project.months(), {m: project.keys(m) for m in project.months()}
        finally:
            project.ledger.__exit__(None, None, None)


def expected(files):
    """The same by the rule as it is written, row by row: (instrument, cell) → profit."""
    rows = {}
    for instrument, _zone, made, new in files:
        for cell in set().union(*map(cells, made)):
            rows.pop((instrument, cell), None)
        for variant, slot, day, result, profit in new:
            value = 0.0 if result == "NoTrade" else profit
            rows[instrument, (variant, slot, day)] = value
    return rows


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.lists(run_files(), min_size=1, max_size=6), data=st.data())
def test_one_at_a_time_or_all_at_once_ends_in_the_same_bytes(kit, files, data):
    """One run file in each run, all in one run, or anything between: the same months."""
    cut = data.draw(st.integers(0, len(files)))
    at_once, rows = merged(kit, [files])
    one_by_one, _ = merged(kit, [[file] for file in files])
    in_two, _ = merged(kit, [files[:cut], files[cut:]])
    assert digests(one_by_one) == digests(at_once) == digests(in_two)
    found = {
        (path[:2], (variant, (session, slot), day)): profit
        for path, keys in rows.items()
        for variant, day, session, slot, profit in keys
    }
    assert found == expected(files)


def digests(months):
    return {path: hashlib.sha256(data).hexdigest() for path, data in months.items()}
