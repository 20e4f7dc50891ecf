"""What a process reports is read as it stands: nothing it writes can stop the run or deceive it."""

from __future__ import annotations

import json
import os

import pytest

from pipekit.errors import DefinitionError
from pipekit.model.run import Paths, PipelineReport
from pipekit.model.stage import StageResult
from pipekit.model.status import PipelineStatus, StageStatus
from pipekit.model.task import TaskResult, UnitResult, Watch
from pipekit.run.report_file import ReportReader, TaskReport, watched
from pipekit.storage.report_writer import write_report


def line(**fields):
    return json.dumps(fields).encode() + b"\n"


@pytest.fixture
def reader(tmp_path):
    return ReportReader(tmp_path / "t.report")


def test_a_report_that_does_not_exist_yet_says_nothing(reader):
    assert reader.poll() == []
    assert not reader.damage


def test_each_poll_gives_what_was_appended_since(reader):
    reader.path.write_bytes(line(verb="a") + line(verb="b"))
    assert [r["verb"] for r in reader.poll()] == ["a", "b"]
    assert reader.poll() == []
    with open(reader.path, "ab") as file:
        file.write(line(verb="c"))
    assert [r["verb"] for r in reader.poll()] == ["c"]


def test_an_unfinished_line_waits_for_its_end_wherever_it_is_cut(reader):
    whole = line(verb="metric", name="é", value=1)
    seen = []
    for byte in range(len(whole)):
        with open(reader.path, "ab") as file:
            file.write(whole[byte : byte + 1])
        seen += reader.poll()
    assert [r["name"] for r in seen] == ["é"]
    assert not reader.damage


def test_an_unfinished_last_line_is_ignored_and_harmless(reader):
    reader.path.write_bytes(line(verb="a") + b'{"verb": "wro')
    assert [r["verb"] for r in reader.poll()] == ["a"]
    assert not reader.damage


@pytest.mark.parametrize(
    "torn",
    [b'{"verb": "wro', b"[]", b"null", b'{"no": "verb"}', b'{"verb": 5}', b"\xff\xfe", b"[" * 9000],
)
def test_a_whole_line_that_is_no_record_is_damage_and_the_rest_is_read(reader, torn):
    reader.path.write_bytes(line(verb="a") + torn + b"\n" + line(verb="b"))
    assert [r["verb"] for r in reader.poll()] == ["a", "b"]
    assert "invalid line" in reader.damage


def test_empty_lines_are_no_damage(reader):
    reader.path.write_bytes(b"\n" + line(verb="a") + b"\r\n")
    assert [r["verb"] for r in reader.poll()] == ["a"]
    assert not reader.damage


def test_a_report_beyond_its_cap_is_read_no_further_and_said(tmp_path):
    reader = ReportReader(tmp_path / "t.report", limit=1000)
    reader.path.write_bytes(line(verb="a") * 50)
    assert len(reader.poll()) == 50
    with open(reader.path, "ab") as file:
        file.write(line(verb="b") * 1000)
    assert reader.poll() == []
    assert "larger than 1000 bytes" in reader.damage
    assert reader.poll() == []


def test_a_report_that_cannot_be_read_is_damage(reader):
    reader.path.mkdir()
    assert reader.poll() == []
    assert "cannot be read" in reader.damage


# --- the file itself ------------------------------------------------------------------------------


@pytest.fixture
def created(reader):
    """The reader of a report that the run has made for a task."""
    reader.create(0o600)
    yield reader
    reader.close()


def ended(reader):
    """What is wrong with the report once its task has ended."""
    reader.poll()
    assert reader.check() == ""
    return reader.damage


def test_a_report_that_nobody_wrote_to_is_whole(created):
    assert ended(created) == ""
    assert not created.torn


@pytest.mark.posix("modes")
def test_a_report_is_private_and_made_anew(reader, tmp_path):
    reader.create(0o600)
    assert oct(reader.path.stat().st_mode & 0o777) == "0o600"
    with pytest.raises(FileExistsError):
        ReportReader(reader.path).create(0o600)
    reader.close()


def test_a_report_that_was_opened_to_be_written_anew_is_whole(created):
    created.path.write_bytes(line(verb="a"))
    assert [r["verb"] for r in created.poll()] == ["a"]
    assert ended(created) == ""


@pytest.mark.posix("open files can be removed")
@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda path: path.unlink(), "removed"),
        (lambda path: (path.unlink(), path.write_bytes(b"")), "replaced"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "replaced"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "replaced"),
        (lambda path: (path.unlink(), path.mkdir()), "replaced"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "replaced"),
    ],
    ids=["removed", "made anew", "fifo", "/dev/zero", "folder", "link to it"],
)
def test_a_report_that_is_gone_or_something_else_is_damage(created, do, said):
    """It is not opened again, so nothing waits for a FIFO or reads /dev/zero."""
    created.path.write_bytes(line(verb="a"))
    do(created.path)
    assert said in ended(created)


def test_a_report_that_was_emptied_is_damage(created):
    created.path.write_bytes(line(verb="a"))
    os.utime(created.path, ns=(1, 1))  # its first time and the last may be equal in so short a test
    created.path.write_bytes(b"")
    assert "emptied" in ended(created)


def test_a_report_that_was_cut_after_it_was_read_is_damage(created):
    created.path.write_bytes(line(verb="a") + line(verb="b"))
    created.poll()
    created.path.write_bytes(line(verb="a"))
    assert "cut" in ended(created)


@pytest.mark.posix("open files can be removed")
def test_a_report_whose_folder_was_removed_lacks_nothing_and_that_is_said(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    reader = ReportReader(folder / "t.report")
    reader.create(0o600)
    reader.path.write_bytes(line(verb="a"))
    reader.path.unlink()
    folder.rmdir()
    assert [r["verb"] for r in reader.poll()] == ["a"]
    assert f"folder {folder} was removed" in reader.check()
    assert not reader.damage
    folder.mkdir()  # somebody else's
    assert "was removed" in reader.check()
    reader.close()


@pytest.mark.posix("fifo")
def test_a_report_of_an_earlier_run_is_read_only_if_it_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "zero"):
        reader = ReportReader(tmp_path / name)
        assert reader.poll() == []
        assert "cannot be read" in reader.damage


def test_a_line_without_end_is_not_kept_in_memory(created):
    with open(created.path, "ab") as file:
        file.truncate(200 * 1024 * 1024)  # zeros, which take no space
    assert created.poll() == []
    assert "line 1 of the report exceeds" in created.damage
    assert len(created._rest) < 20 * 1024 * 1024


# --- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"verb": "unit_end", "unit": "u", "status": "splendid"},
        {"verb": "unit_end", "status": "success"},
        {"verb": "unit_start", "unit": ["u"]},
        {"verb": "unit_end", "unit": {"a": 1}, "status": "success"},
        {"verb": "metric", "name": "n", "value": "many"},
        {"verb": "metric", "name": "n", "value": float("nan")},
        {"verb": "metric", "name": ["n"], "value": 1},
        {"verb": "warning", "msg": 5},
        {"verb": "progress", "unit": ["u"]},
        {"verb": "wrote"},
        {"verb": "wrote", "path": 5},
        {"verb": "wrote", "path": ""},
        {"verb": "wrote", "path": "a\0b"},
        {"verb": "consumed", "path": "\udcff"},
        {"verb": "wrote", "path": "a", "signature": [1, 2]},
        {"verb": "wrote", "path": "a", "signature": 7},
        {"verb": "wrote", "path": "a", "sources": [5]},
        {"verb": "wrote", "path": "a", "detail": "text"},
        {"verb": "rejected", "path": "a", "reason": 5},
        {"verb": "consumed", "path": "a", "fingerprint": None},
        {"verb": "wrote", "path": "a", "signature": [1, 2, 3, 4, float("inf")]},
        {"verb": "metric", "name": "n", "value": 10**400},
    ],
)
def test_a_line_of_the_wrong_form_is_named_and_counts_for_nothing(record):
    report = TaskReport()
    assert not report.add(record)
    assert len(report.warnings) == 1
    assert "invalid record" in report.warnings[0]
    assert not report.files
    assert not report.metrics


def test_a_reason_that_is_no_text_can_still_be_stored():
    report = TaskReport()
    assert report.add(
        {"verb": "rejected", "path": "a", "reason": "\ud800", "fingerprint": "\ud800"}
    )
    assert [(r.reason, r.fingerprint) for r in report.files] == [("\\ud800", "\\ud800")]


def test_a_verb_of_a_later_version_is_no_fault():
    report = TaskReport()
    assert report.add({"verb": "sang"})
    assert not report.warnings


def test_a_unit_is_unfinished_until_its_end_was_said_and_its_last_end_counts():
    report = TaskReport()
    report.add({"verb": "unit_start", "unit": "u"})
    assert report.units == {"u": None}
    report.add({"verb": "unit_end", "unit": "u", "status": "failure", "reason": "why"})
    assert report.units["u"].reason == "why"
    report.add({"verb": "unit_start", "unit": "u"})
    assert report.units["u"] is not None
    report.add({"verb": "unit_end", "unit": "u", "status": "success"})
    assert report.units["u"]


def test_whatever_is_said_within_a_unit_makes_it_one_that_must_finish():
    report = TaskReport()
    report.add({"verb": "consumed", "unit": "u", "path": "a"})
    assert report.units == {"u": None}


def test_metrics_are_kept_by_unit_and_the_last_value_counts():
    report = TaskReport()
    for value in (1, 2):
        report.add({"verb": "metric", "unit": "u", "name": "rows", "value": value})
        report.add({"verb": "metric", "name": "rows", "value": value * 10})
    assert report.unit_metrics == {"u": {"rows": 2.0}}
    assert report.metrics == {"rows": 20.0}


# --- programs that cannot be changed ----------------------------------------------------------


def test_patterns_make_units_and_metrics_of_lines_of_output():
    watch = [
        Watch(pattern=r"rows=(?P<value>\d+)", metric="rows"),
        Watch(pattern=r"(?P<status>success|failure) of (?P<unit>\w+)"),
    ]
    report = TaskReport()
    for text in ("rows=7", "nothing", "success of A", "failure of B"):
        for record in watched(watch, text):
            report.add(record)
    assert report.metrics == {"rows": 7.0}
    assert report.units["A"]
    assert report.units["B"].status == "failure"


@pytest.mark.parametrize(
    ("pattern", "metric", "said"),
    [
        ("(", None, "not a valid regular expression"),
        ("done", None, "needs a group .*unit"),
        (r"rows=(?P<unit>\d+)", "rows", "needs a group .*value"),
    ],
)
def test_a_pattern_that_could_never_work_is_refused_when_it_is_defined(pattern, metric, said):
    with pytest.raises(DefinitionError, match=said):
        Watch(pattern=pattern, metric=metric)


def test_report_of_a_task_that_never_ran_has_no_metrics(tmp_path):
    """Where nothing was measured, the report has an empty table, as it has where something was."""
    unit = UnitResult(name="u", status=StageStatus.FAILURE)
    task = TaskResult(name="t", status=StageStatus.BLOCKED, units=(unit,))
    stage = StageResult(stage="s", status=StageStatus.FAILURE, tasks=(task,))
    report = PipelineReport(
        run_id="r", number=1, status=PipelineStatus.FAILURE, exit_code=2, stages=(stage,)
    )
    paths = Paths(root=tmp_path, data=tmp_path, logs=tmp_path, state=tmp_path)
    written = json.loads(write_report(report, paths, {}).read_text())
    (shown,) = written["stages"][0]["tasks"]
    assert (shown["metrics"], shown["units"][0]["metrics"]) == ({}, {})
