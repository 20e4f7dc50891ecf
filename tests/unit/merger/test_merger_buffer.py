"""Buffered rows: the same are read from memory and from the file, and all are counted."""

import numpy as np
import pytest
from pipekit_merger.work.buffer import RowBuffer
from pipekit_merger.work.rows import LINES, empty, months_of

JANUARY, FEBRUARY = (12 * 2020 + number for number in (0, 1))
FIRST = {JANUARY: 18_262, FEBRUARY: 18_293}  # days since 1970-01-01


def rows(buffer, stream, month, profits):
    """A matrix of rows of a stream and month, told apart by their profit."""
    values = empty(len(profits))
    values[:] = 0
    values[LINES["stream"]] = buffer.vocabulary.codes("stream", [stream])[0]
    values[LINES["date"]] = FIRST[month]
    values[LINES["profit"]] = profits
    return values


@pytest.fixture(params=[100, 0], ids=["memory", "file"])
def buffer(request, tmp_path, monkeypatch):
    """Three files' rows of two streams and months, added in two parts."""
    monkeypatch.setattr("pipekit_merger.work.buffer.IN_MEMORY", request.param)
    made = RowBuffer(str(tmp_path))
    parts = [rows(made, "ES1", JANUARY, [1, 2]), rows(made, "ES2", JANUARY, [3])]
    made.add(np.concatenate(parts, axis=1), np.array([1, 2, 1]))
    parts = [rows(made, "ES1", FEBRUARY, [4, 5]), rows(made, "ES1", JANUARY, [6, 7])]
    made.add(np.concatenate(parts, axis=1), np.array([3, 3, 1, 3]))
    yield made
    made.close()


def profits(buffer, stream, months):
    parts, numbers = buffer.read(stream, months)
    values = np.concatenate(parts, axis=1)
    return sorted(zip(values[LINES["profit"]].tolist(), numbers.tolist(), strict=True))


def test_rows_are_read_by_stream_and_month_with_their_run_files_numbers(buffer):
    """No row of another month, and each row once."""
    assert profits(buffer, "ES1", [JANUARY]) == [(1, 1), (2, 2), (6, 1), (7, 3)]
    assert profits(buffer, "ES1", [FEBRUARY]) == [(4, 3), (5, 3)]
    assert profits(buffer, "ES2", [JANUARY, FEBRUARY]) == [(3, 1)]
    assert len(profits(buffer, "ES1", [FEBRUARY, JANUARY])) == 6
    (values,), _ = buffer.read("ES1", [FEBRUARY])
    assert set(months_of(values[LINES["date"]]).tolist()) == {FEBRUARY}


def test_rows_are_counted_by_month_and_file_over_all_that_was_added(buffer):
    """The merge decides by it how many months it merges at once."""
    assert buffer.counts("ES1") == {JANUARY: {1: 2, 2: 1, 3: 1}, FEBRUARY: {3: 2}}
    assert buffer.counts("ES2") == {JANUARY: {1: 1}}


def test_rows_of_a_discarded_file_are_neither_counted_nor_read(buffer):
    """A stream that no other file has is not listed."""
    buffer.discarded.add(1)
    assert buffer.streams() == {"ES1"}
    assert profits(buffer, "ES1", [JANUARY, FEBRUARY]) == [(2, 2), (4, 3), (5, 3), (7, 3)]
    assert buffer.counts("ES1") == {JANUARY: {2: 1, 3: 1}, FEBRUARY: {3: 2}}
