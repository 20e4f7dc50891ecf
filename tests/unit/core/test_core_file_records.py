"""File records in little memory are the records that were added."""

from __future__ import annotations

from pipekit.model.records import FileRecord, FileRecords
from pipekit.worker import Verb

RECORDS = [
    FileRecord(Verb.CONSUMED, "data/a.csv", "ab" * 32, "1 2 3 4 5", detail='{"empty":true}'),
    FileRecord(Verb.WROTE, "data/ü \udcff.parquet", unit="ES", sources=("data/a.csv", "b")),
    FileRecord(Verb.CONSUMED, "data/b.csv", complete=False),
    FileRecord(Verb.REJECTED, "c", reason="no\nreason"),
]


def test_they_come_back_as_they_were_added():
    records = FileRecords(RECORDS)
    assert list(records) == RECORDS
    assert (len(records), bool(records), bool(FileRecords())) == (4, True, False)
    assert [records[at] for at in range(-4, 4)] == RECORDS * 2
    assert records[1:3] == RECORDS[1:3]
    assert [type(record.verb) for record in records] == [Verb] * 4
    assert records[0].is_empty
    assert not records[2].is_empty


def test_some_are_found_by_verb_in_order():
    records = FileRecords(RECORDS)
    assert list(records.having(Verb.CONSUMED)) == [RECORDS[0], RECORDS[2]]
    assert list(records.having(Verb.REJECTED, Verb.WROTE)) == [RECORDS[1], RECORDS[3]]
    assert [records.number(verb) for verb in (Verb.CONSUMED, Verb.UNCHANGED)] == [2, 0]


def test_some_are_changed_and_left_out():
    records = FileRecords(RECORDS)

    def change(record: FileRecord) -> FileRecord | None:
        if record.verb == Verb.REJECTED:
            return None
        return record._replace(path="x") if record.verb == Verb.WROTE else record

    changed = records.changed(change)
    assert list(changed) == [RECORDS[0], RECORDS[1]._replace(path="x"), RECORDS[2]]
    assert list(records) == RECORDS
