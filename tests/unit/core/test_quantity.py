from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.model.quantity import byte_count, duration_text, listed, seconds, size_text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (90, 90), (1.5, 1.5), (0, 0), ("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600),
        ("2d", 172800), ("1w", 604800), ("1h30m", 5400), ("1h 30m", 5400), ("500ms", 0.5),
        ("1.5h", 5400), ("2 d", 172800),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_people_write_it(written, expected):
    assert seconds(written) == expected


@pytest.mark.parametrize(
    "written",
    ["", "h", "1x", "1h30", "-1s", "1h-2m", " 1h", "1H", True, None, -1, float("inf"), "nan", []],
)
def test_what_is_no_duration_says_none(written):
    assert seconds(written) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5, 5), (5.0, 5), ("5", 5), ("5B", 5), ("2kB", 2000), ("2KB", 2000), ("500MB", 5 * 10**8),
        ("64MiB", 64 * 2**20), ("1.5 GB", 1_500_000_000), ("1TiB", 2**40),
    ],
)  # fmt: skip
def test_a_size_is_read_as_people_write_it(written, expected):
    assert byte_count(written) == expected


@pytest.mark.parametrize("written", ["", "MB", "5mb", "5 M", "-5B", -5, 5.5, True, None, "5iB", {}])
def test_what_is_no_size_says_none(written):
    assert byte_count(written) is None


@pytest.mark.parametrize("written", ["9" * 309, "9" * 309 + "h", "9" * 308 + "h", 10**400])
def test_a_duration_that_is_too_large_for_a_number_says_none(written):
    assert seconds(written) is None


@pytest.mark.parametrize(
    "written", [float("inf"), "9" * 309 + ".5MB", "9" * 5000, "9" * 5000 + "B"]
)
def test_a_size_that_is_too_large_for_a_number_says_none(written):
    assert byte_count(written) is None


@given(st.integers(min_value=0, max_value=10**10))
def test_what_is_written_for_a_number_of_seconds_reads_back_as_it(value):
    assert seconds(duration_text(value)) == value


@given(st.integers(min_value=0, max_value=2**60))
def test_what_is_written_for_a_number_of_bytes_reads_back_as_it(value):
    assert byte_count(size_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0s"), (5400, "1h30m"), (172800.0, "2d"), (0.25, "0.25s"), (86461, "1d1m1s")],
)
def test_a_duration_is_written_as_people_write_it(value, text):
    assert duration_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0B"), (100_000_000_000, "100GB"), (64 * 2**20, "64MiB"), (1234, "1234B")],
)
def test_a_size_is_written_as_people_write_it(value, text):
    assert size_text(value) == text


def test_of_many_names_the_first_are_said_and_the_rest_counted():
    assert listed(["a", "b", "c"], 3) == "a, b, c"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert listed(["a", "b", "c"], 2, "; ") == "a; b and 1 more"
    assert listed([], 3) == ""
