"""Pages of a file by byte offset, and files that grow."""

from __future__ import annotations

import json

import pytest

from pipekit.reading import (
    GrowingFile,
    events_after,
    events_before,
    find_events,
    lines_after,
    lines_before,
    offset_of,
    search,
)


def texts(page):
    return [line.data.decode() for line in page.lines]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.out"
    path.write_bytes(b"".join(b"line %03d\n" % n for n in range(100)))
    return path


def test_the_last_lines_and_those_before_them(file):
    last = lines_before(file, count=3)
    assert texts(last) == ["line 097", "line 098", "line 099"]
    assert (last.start, last.end, last.size) == (97 * 9, 900, 900)
    assert texts(lines_before(file, last.start, count=2)) == ["line 095", "line 096"]
    assert texts(lines_before(file, 0)) == []


def test_a_page_begins_with_a_whole_line_wherever_it_is_asked_for(file):
    assert texts(lines_after(file, 10, count=1)) == ["line 002"]
    assert texts(lines_after(file, 9, count=1)) == ["line 001"]
    assert texts(lines_after(file, 10_000)) == []
    assert texts(lines_after(file, -5, count=1)) == ["line 000"]
    assert texts(lines_before(file, most=20)) == ["line 098", "line 099"]


def test_pages_forward_meet_without_a_gap(file):
    seen, at = [], 0
    while page := lines_after(file, at, most=50).lines:
        seen += page
        at = page[-1].end
    assert [line.data.decode() for line in seen] == [f"line {n:03}" for n in range(100)]


def test_a_line_longer_than_a_page_does_not_stop_the_reader(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(b"x" * 500_000 + b"\nlast\n")
    at, pages = 0, 0
    while page := lines_after(path, at).lines:
        at, pages = page[-1].end, pages + 1
    assert at == 500_006
    assert pages < 5
    assert not lines_after(path).lines[0].is_complete


def test_an_unfinished_last_line_is_shown_as_what_it_is(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"whole\nhalf")
    assert [line.is_complete for line in lines_before(path).lines] == [True, False]


def test_a_search_ignores_case_and_says_where_to_go_on(file):
    found = search(file, "LINE 09", count=4)
    assert texts(found) == ["line 090", "line 091", "line 092", "line 093"]
    assert texts(search(file, "line 09", found.end)) == [f"line 09{n}" for n in range(4, 10)]
    nothing = search(file, "absent")
    assert (nothing.lines, nothing.end) == ((), nothing.size)


def test_a_search_stops_after_so_many_bytes(file):
    assert search(file, "line 099", most=1).end == 900  # one block is always looked at
    assert search(file, "line 099", 900).lines == ()


def test_a_growing_file_gives_whole_lines_once(tmp_path):
    path = tmp_path / "one"
    growing = GrowingFile(path)
    assert growing.lines() == []
    path.write_bytes(b"one\ntw")
    assert [line.data for line in growing.lines()] == [b"one"]
    assert growing.lines() == []
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert [(line.start, line.data) for line in growing.lines()] == [(4, b"two"), (8, b"three")]


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_that_was_cut_or_replaced_is_read_anew(tmp_path, replace):
    path = tmp_path / "one"
    path.write_bytes(b"one\ntwo\n")
    growing = GrowingFile(path)
    growing.lines()
    if replace:
        other = tmp_path / "other"
        other.write_bytes(b"another file, and a longer one\n")
        other.replace(path)
    else:
        path.write_bytes(b"new\n")
    assert len(growing.lines()) == 1
    assert growing.replaced == 1


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "pipeline_1.jsonl"
    records = (
        {"run_id": "1", "seq": n, "stage": "t", "event": "metric", "msg": "x" * (n % 90)}
        for n in range(1, 3001)
    )
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def seqs(page):
    return [event.seq for _, event in page.events]


def test_events_have_the_offset_after_them_to_go_on_from(journal):
    page = events_after(journal, count=3)
    assert seqs(page) == [1, 2, 3]
    assert seqs(events_after(journal, page.events[1][0], count=2)) == [3, 4]
    last = events_before(journal, count=2)
    assert seqs(last) == [2999, 3000]
    assert seqs(events_before(journal, last.start, count=1)) == [2998]


@pytest.mark.parametrize("seq", [1, 2, 1500, 2999, 3000])
def test_an_event_is_found_by_its_number(journal, seq):
    assert seqs(events_after(journal, offset_of(journal, seq), count=1)) == [seq]


def test_a_number_beyond_the_last_is_the_end(journal):
    assert offset_of(journal, 9999) >= lines_before(journal, count=1).start


def test_damaged_lines_are_no_events(tmp_path):
    path = tmp_path / "pipeline_1.jsonl"
    path.write_text('{"seq": 1, "stage": "t", "event": "x"}\nrubbish\n[]\n{"seq": "2"}\n{"se')
    assert seqs(events_before(path)) == [1, 0]
    assert seqs(find_events(path, '"stage": "T"')) == [1]
