"""Rows that wait: the same come back from memory and from the file, and all are counted."""

import numpy as np
import pytest
from pipekit_merger.pile import Pile
from pipekit_merger.rows import LINES, empty, months_of

JANUARY, FEBRUARY = (12 * 2020 + number for number in (0, 1))
FIRST = {JANUARY: 18_262, FEBRUARY: 18_293}  # days since 1970-01-01


def rows(pile, stream, month, profits):
    """A matrix of rows of a stream and month, told apart by their profit."""
    values = empty(len(profits))
    values[:] = 0
    values[LINES["stream"]] = pile.words.numbers("stream", [stream])[0]
    values[LINES["date"]] = FIRST[month]
    values[LINES["profit"]] = profits
    return values


@pytest.fixture(params=[100, 0], ids=["memory", "file"])
def pile(request, tmp_path):
    """Three files' rows of two streams and months, in two goes."""
    made = Pile(str(tmp_path / "merged"), request.param)
    parts = [rows(made, "ES1", JANUARY, [1, 2]), rows(made, "ES2", JANUARY, [3])]
    made.add(np.concatenate(parts, axis=1), np.array([1, 2, 1]))
    parts = [rows(made, "ES1", FEBRUARY, [4, 5]), rows(made, "ES1", JANUARY, [6, 7])]
    made.add(np.concatenate(parts, axis=1), np.array([3, 3, 1, 3]))
    yield made
    made.close()


def profits(pile, stream, months):
    values, numbers = pile.of(pile.streams()[stream], months)
    return sorted(zip(values[LINES["profit"]].tolist(), numbers.tolist(), strict=True))


def test_rows_come_back_by_stream_and_month_with_their_files_numbers(pile):
    """None of another month, and each once."""
    assert profits(pile, "ES1", [JANUARY]) == [(1, 1), (2, 2), (6, 1), (7, 3)]
    assert profits(pile, "ES1", [FEBRUARY]) == [(4, 3), (5, 3)]
    assert profits(pile, "ES2", [JANUARY, FEBRUARY]) == [(3, 1)]
    assert len(profits(pile, "ES1", [FEBRUARY, JANUARY])) == 6
    values, _ = pile.of(pile.streams()["ES1"], [FEBRUARY])
    assert set(months_of(values[LINES["date"]]).tolist()) == {FEBRUARY}


def test_rows_are_counted_by_month_and_file_over_all_that_was_added(pile):
    """What is merged together depends on it."""
    streams = pile.streams()
    assert pile.counts(streams["ES1"]) == {JANUARY: {1: 2, 2: 1, 3: 1}, FEBRUARY: {3: 2}}
    assert pile.counts(streams["ES2"]) == {JANUARY: {1: 1}}


def test_rows_of_a_dropped_file_do_not_count_and_do_not_come_back(pile):
    """Nor does a stream that no other file has."""
    pile.dropped.add(1)
    assert list(pile.streams()) == ["ES1"]
    assert profits(pile, "ES1", [JANUARY, FEBRUARY]) == [(2, 2), (4, 3), (5, 3), (7, 3)]
    assert pile.counts(pile.streams()["ES1"]) == {JANUARY: {2: 1, 3: 1}, FEBRUARY: {3: 2}}
