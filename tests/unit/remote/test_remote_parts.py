"""The parts of tasks on other machines: specs, leases, outcomes, and what is published of them."""

from __future__ import annotations

import sys
import time

import pytest

from pipekit.errors import DefinitionError
from pipekit.model.command import Command, Outcome, ProcessResult, ProcessSnapshot, StreamResult
from pipekit.model.executor import Placement
from pipekit.model.records import FileRecord, FileRecords
from pipekit.model.status import StageStatus
from pipekit.model.task import UnitResult
from pipekit.process.records import result_of, result_record
from pipekit.process.remote import lease, spec
from pipekit.process.remote.folder import (
    AttemptFolder,
    KnownFile,
    begin,
    begun_by,
    known_files,
    read_json,
    write_json,
)
from pipekit.process.remote.node import MARKER, broken_promise
from pipekit.process.remote.outcome import read_outcome
from pipekit.run.remote.settle import ContractError, publish_files, wait_for_files
from pipekit.run.report_file import TaskReport
from pipekit.storage.attempts import Attempt, Attempts
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text
from pipekit.worker import Verb, fingerprint


def test_a_spec_survives_the_way_to_a_node_and_names_no_interpreter_of_the_run():
    command = Command(
        argv=["nice", sys.executable, "-m", "x"], stdin=b"\0data", env={"A": "b"}, timeout=3.0
    )
    record = spec.TaskSpec(command=command, attempt=7).record()
    assert record["command"]["argv"] == ["nice", spec.PYTHON, "-m", "x"]
    assert sys.executable not in str(record)
    assert spec.read_spec(record) == spec.TaskSpec(command=command, attempt=7)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (Command(argv=["a"], done=bool), "use done_pattern"),
        (Command(argv=["a"], stdin=0), "use bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_what_to_use(command, why):
    with pytest.raises(DefinitionError, match=why):
        spec.TaskSpec(command=command).record()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "'command' is missing"),
        ([], "does not describe a command"),
        ({"v": 99, "command": {"argv": ["a"]}}, "format 99"),
        ({"command": {"argv": ["a"], "shell": True}}, "no 'shell'"),
        ({"command": {"argv": []}}, "argv is empty"),
        ({"command": {"argv": ["a"]}, "lease": {"minutes": 1}}, "does not describe"),
    ],
)
def test_a_spec_that_is_none_is_told_in_a_sentence(content, why):
    with pytest.raises(DefinitionError, match=why):
        spec.read_spec(content)


def test_an_attempt_begins_once(tmp_path):
    folder = AttemptFolder(tmp_path)
    assert begun_by(folder) is None
    assert [begin(folder, "n1"), begin(folder, "n2")] == [True, False]
    assert begun_by(folder) == "n1"


def test_a_lease_without_a_file_has_ended(tmp_path):
    watch = lease.LeaseWatch(tmp_path / "lease", 30.0)
    assert "was not renewed" in watch.ended(1)
    assert "No such file" in watch.ended(1)


def test_a_lease_counts_by_its_content_and_not_by_the_times_of_its_file(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    path = tmp_path / "lease"
    lease.write_lease(path, 1, lease.Orders())
    watch = lease.LeaseWatch(path, 30.0)
    assert watch.ended(1) == ""
    now[0] += 29
    path.touch()
    watch.look()
    now[0] += 2
    watch.look()
    assert watch.ended(1)
    lease.write_lease(path, 2, lease.Orders())
    watch.look()
    assert watch.ended(1) == ""


def test_a_lease_says_which_attempts_must_end_and_when_all_is_over(tmp_path):
    path = tmp_path / "lease"
    lease.write_lease(path, 1, lease.Orders(revoked={3, 12}))
    watch = lease.LeaseWatch(path, 30.0)
    assert [bool(watch.ended(number)) for number in (1, 3, 12)] == [False, True, True]
    lease.write_lease(path, 2, lease.Orders(over=True))
    watch.look()
    assert watch.ended(1) == "the run has ended"


def test_a_torn_lease_is_a_sign_of_life_and_says_nothing(tmp_path):
    path = tmp_path / "lease"
    lease.write_lease(path, 1, lease.Orders(cancelled=True))
    watch = lease.LeaseWatch(path, 30.0)
    path.write_bytes(b'{"beat": 2, "revo')
    watch.look()
    assert watch.orders.cancelled
    assert watch.ended(1) == ""


def test_a_result_survives_as_a_record(tmp_path):
    result = ProcessResult(
        Outcome.HUNG,
        returncode=-9,
        stdout=StreamResult(tmp_path / "out", 3, 1, "hi\n"),
        snapshot=(ProcessSnapshot(4, 1, "sleeping"),),
        warnings=("one",),
    )
    write_json(tmp_path / "r", result_record(result))
    assert result_of(read_json(tmp_path / "r")[0]) == result


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "files/../../x", "a\0b"])
def test_an_outcome_names_no_file_outside_of_its_folder(path):
    process = result_record(ProcessResult(Outcome.EXITED))
    record = {"attempt": 1, "node": "n", "process": process, "began": 1, "ended": 2}
    files = [{"path": path, "size": 1, "fingerprint": ""}]
    with pytest.raises(DefinitionError):
        read_outcome({**record, "files": files})


def test_a_node_must_see_the_same_project_and_have_the_same_versions(tmp_path):
    promise = spec.Promise(root=str(tmp_path), marker="abc")
    assert "does not see the project" in broken_promise(promise)
    (tmp_path / MARKER).write_text("other\n")
    assert "is another folder" in broken_promise(promise)
    (tmp_path / MARKER).write_text("abc\n")
    assert broken_promise(promise) == ""
    assert "has attrs" in broken_promise(spec.Promise(versions={"attrs": "1.2"}))
    assert "does not have none-such" in broken_promise(spec.Promise(versions={"none-such": "1"}))


def test_files_are_waited_for_until_they_are_as_their_node_left_them(tmp_path):
    folder = AttemptFolder(tmp_path)
    folder.report.write_bytes(b"records")
    (known,) = known_files(folder)
    assert wait_for_files(folder, [known], 0.0) == ""
    folder.report.write_bytes(b"recordS")
    assert "did not arrive here within 0 s" in wait_for_files(folder, [known], 0.0)
    gone = [known, KnownFile("files/x", 1, "")]
    assert "report and 1 more" in wait_for_files(folder, gone, 0.0)


class Published:
    """A project, the folder of an attempt, and a report about it."""

    def __init__(self, root):
        self.root, self.report = root, TaskReport()
        self.folder = AttemptFolder(root / "logs/1")
        self.folder.files.mkdir(parents=True)

    def stage(self, path, text, unit=None, verb=Verb.WROTE):
        file = self.folder.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        record = FileRecord(verb, path, fingerprint(file), "1 2 3 4 5", unit)
        self.report.files.append(record)

    def seen(self, path):
        return signature_text(FileManager(self.root).stat(path).signature)

    def settle(self):
        known = list(known_files(self.folder))
        publish_files(self.folder, known, self.report, FileManager(self.root), "run")


@pytest.fixture
def attempt(tmp_path):
    return Published(tmp_path)


def test_what_was_reported_is_moved_and_signed_as_seen_from_here(attempt):
    attempt.stage("data/out/a", "new")
    attempt.settle()
    (record,) = attempt.report.files
    assert (attempt.root / "data/out/a").read_text() == "new"
    assert record.signature == attempt.seen("data/out/a")


def test_what_a_failed_unit_has_reported_stays(attempt):
    attempt.report.units["ES"] = UnitResult("ES", StageStatus.FAILURE)
    attempt.report.units["NQ"] = None
    attempt.stage("data/a", "x", "ES")
    attempt.stage("data/b", "x", "NQ")
    attempt.settle()
    assert not (attempt.root / "data").exists()


def test_what_was_not_reported_stays_unless_it_was_staged(attempt):
    for name in ("data/kept", "data/loose"):
        attempt.stage(name, "x")
    attempt.report.files = FileRecords()
    attempt.report.staged += ["data/kept", "data/never"]
    attempt.settle()
    assert [p.name for p in (attempt.root / "data").iterdir()] == ["kept"]


def test_nothing_is_moved_if_a_reported_file_is_not_there(attempt):
    attempt.stage("data/a", "x")
    attempt.report.files.append(FileRecord(Verb.WROTE, "data/b", "f", "1 2 3 4 5"))
    with pytest.raises(ContractError, match="data/b was reported as written, but is not"):
        attempt.settle()
    assert not (attempt.root / "data").exists()


def test_a_file_that_changed_after_its_report_is_not_published(attempt):
    attempt.stage("data/a", "x")
    (attempt.folder.files / "data/a").write_text("y")
    with pytest.raises(ContractError, match="was changed after"):
        attempt.settle()


@pytest.mark.parametrize("same", ["time", "content", "neither"])
def test_an_input_is_signed_from_here_if_it_is_the_same_content(attempt, same):
    file = attempt.root / "raw"
    file.write_text("x")
    now = file.stat()
    mtime = now.st_mtime_ns if same == "time" else 4
    content = fingerprint(file) if same == "content" else "f"
    foreign = f"99 98 {now.st_size} {mtime} 97"
    attempt.report.files.append(FileRecord(Verb.CONSUMED, "raw", content, foreign))
    attempt.settle()
    (record,) = attempt.report.files
    own = attempt.seen("raw")
    assert record.signature == (foreign if same == "neither" else own)


def test_attempts_are_numbered_once_and_open_until_they_are_settled(tmp_path):
    wanted = [Attempt(0, "run", "s", task, "dask", 30.0, 10.0) for task in ("a", "b", "a")]
    with Ledger(tmp_path / "state.db") as ledger:
        book = Attempts(ledger)
        made = book.begin(wanted)
        assert [each.number for each in made] == [1, 2, 3]
        assert [book.is_latest(each) for each in made] == [False, True, True]
        book.settle([1, 3])
        assert book.unsettled("run") == [made[1]]
        assert book.unsettled("other") == []
        assert [each.number for each in book.begin(wanted[:1])] == [4]


def test_a_place_is_told_in_a_clause():
    place = Placement("slurm", 12, "4711", "n1", 3.25)
    assert str(place) == "on n1 (slurm 4711, order 12), queued for 3.2 s"
    assert str(Placement("dask", 3)) == "on no node (dask, order 3)"
