"""The journal: whole lines, one write each, its tail repaired; and JSON whatever is given."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from pipekit.storage.journal import Journal

from ...journals import read_journal


def records(path):
    return list(read_journal(path))


def test_what_was_appended_is_read_again(tmp_path):
    journal = Journal(tmp_path / "deep/j.jsonl")
    for n in range(3):
        journal.append({"n": n, "text": "déjà\nvu"}, sync=n == 1)
    journal.close()
    assert records(journal.path) == [{"n": n, "text": "déjà\nvu"} for n in range(3)]
    assert not journal.problem


@pytest.mark.parametrize("size", [1, 5, 4096, 64 * 1024, 200_000])
def test_what_a_killed_writer_left_of_a_line_is_cut_off_on_opening(tmp_path, size):
    path = tmp_path / "j.jsonl"
    whole = b'{"n": 1}\n{"n": 2}\n'
    path.write_bytes(whole + b"x" * size)
    assert records(path) == [{"n": 1}, {"n": 2}]
    journal = Journal(path)
    journal.append({"n": 3})
    journal.close()
    assert path.read_bytes() == whole + b'{"n": 3}\n'


def test_a_file_that_is_nothing_but_a_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"\0" * 100_000)
    Journal(path).close()
    assert path.read_bytes() == b""


def test_a_whole_journal_is_left_as_it_is(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"n": 1}\n' * 20_000)
    Journal(path).close()
    assert path.stat().st_size == 9 * 20_000


def test_lines_that_are_no_records_are_passed_over(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"n": 1}\nnonsense\n[1]\n\xff\xfe\n{"n": 2}\n')
    assert records(path) == [{"n": 1}, {"n": 2}]


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "value",
    [
        Path("x"),
        {1, 2},
        b"bytes",
        float("nan"),
        float("-inf"),
        "\udcff",
        object(),
        Unspeakable(),
        {("a", 1): 2},
        {Unspeakable(): 1},
        [{"deep": Unspeakable()}],
    ],
)
def test_every_value_gives_a_line_of_strict_json(tmp_path, value):
    journal = Journal(tmp_path / "j.jsonl")
    journal.append({"seq": 1, "value": value})
    journal.close()

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    (line,) = journal.path.read_bytes().splitlines()
    assert json.loads(line, parse_constant=refuse)["seq"] == 1
    assert not journal.problem


def test_values_within_themselves_give_a_line(tmp_path):
    loop: dict = {}
    loop["self"] = loop
    journal = Journal(tmp_path / "j.jsonl")
    journal.append({"seq": 1, "value": loop})
    journal.close()
    assert records(journal.path)[0]["seq"] == 1


@pytest.mark.posix("names")
def test_a_name_that_is_no_text_comes_back_as_it_was(tmp_path):
    name = os.fsdecode(b"caf\xe9.csv")
    journal = Journal(tmp_path / "j.jsonl")
    journal.append({"path": name})
    journal.close()
    assert records(journal.path) == [{"path": name}]


@pytest.mark.slow
@pytest.mark.posix("locks by process")
def test_each_record_is_written_in_one_piece_whatever_its_size(tmp_path):
    """Two writers' lines never mix, which only one write each with O_APPEND gives."""
    path = tmp_path / "j.jsonl"
    journals = [Journal(path) for _ in range(4)]

    def write(journal, letter):
        for _ in range(100):
            journal.append({"text": letter * 20_000})

    threads = [threading.Thread(target=write, args=(j, "abcd"[i])) for i, j in enumerate(journals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    texts = [record["text"] for record in records(path)]
    assert len(texts) == 400
    assert all(set(text) == {text[0]} for text in texts)
