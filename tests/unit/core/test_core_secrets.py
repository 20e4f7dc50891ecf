"""Secrets are masked by their value wherever a run writes something down."""

from __future__ import annotations

import json
import os
import urllib.parse
from pathlib import Path

import pytest

from pipekit.model.event import EventKind
from pipekit.model.run import Paths, PipelineReport
from pipekit.model.secrets import Mask
from pipekit.model.status import PipelineStatus, StageStatus
from pipekit.model.text import escaped, json_text
from pipekit.run.events import EventLogger
from pipekit.run.report_file import ReportReader
from pipekit.storage.journal import Journal, RunLog
from pipekit.storage.report import AuditReports
from pipekit.storage.report_writer import write_report

HARD = 'p/ä "quoted" \\ \x1b\u202e and\nsecond line'


@pytest.mark.parametrize(
    "written",
    [
        lambda s: s,
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        repr,
        lambda s: json.dumps(repr(s)),
        lambda s: urllib.parse.quote(s, safe=""),
        urllib.parse.quote,
        urllib.parse.quote_plus,
        ascii,
        lambda s: repr(s.encode()),
        lambda s: str(ValueError(f"bad value {s!r}")),
        lambda s: s.splitlines()[1],
        escaped,
        json_text,
    ],
)
def test_a_secret_is_found_as_it_is_usually_written(written):
    text = Mask([HARD]).text(f"before {written(HARD)} after")
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "***" in text
    for part in ("quoted", "second", "p/", "p%2F"):
        assert part not in text


def test_the_longest_secret_is_masked_first():
    assert Mask(["abcd", "abcdefgh"]).text("abcdefgh abcd") == "*** ***"


def test_secrets_shorter_than_four_characters_are_not_masked():
    mask = Mask(["abc", ""])
    assert not mask.forms
    assert mask.text("abc") == "abc"


def test_every_text_of_a_value_is_masked_but_no_number_and_no_word_of_our_own():
    mask = Mask(["hunter22", "success"])
    value = {"a": ["hunter22", ("x-hunter22",)], "n": 5, "status": StageStatus.SUCCESS}
    masked = mask.value({**value, "path": Path("/x/hunter22"), "error": ValueError("hunter22")})
    assert masked["a"] == ["***", ["x-***"]]
    assert (masked["n"], masked["status"]) == (5, "success")
    assert (masked["path"], masked["error"]) == (str(Path("/x/***")), "***")


def test_keys_are_masked_only_where_they_are_not_ours():
    mask = Mask(["reason"])
    assert mask.value({"reason": "reason"}) == {"reason": "***"}
    assert mask.value({"reason": 1}, keys=True) == {"***": 1}


def test_journal_log_and_sinks_get_events_without_secrets(tmp_path):
    mask = Mask(["hunter22"])
    logger = EventLogger("run", Journal(tmp_path / "j"), RunLog(tmp_path / "l"), mask=mask)
    logger.emit("s", EventKind.WARNING, "it is hunter22", lines=["hunter22"], task="t")
    mask.add(["later-one"])
    logger.emit("s", EventKind.WARNING, "later-one")
    logger.close()
    text = (tmp_path / "j").read_text() + (tmp_path / "l").read_text()
    assert "hunter22" not in text
    assert "later-one" not in text
    assert text.count("it is ***") == 2


def test_the_report_of_a_run_has_no_secrets(tmp_path):
    paths = Paths(tmp_path, tmp_path, tmp_path / "logs", tmp_path / "state")
    report = PipelineReport(
        run_id="r", number=1, status=PipelineStatus.SUCCESS, exit_code=0, warnings=("hunter22",)
    )
    path = write_report(report, paths, {"x": {"y": [HARD]}}, Mask(["hunter22", HARD]))
    found = json.loads(path.read_text())
    assert (found["warnings"], found["x"]) == (["***"], {"y": ["***"]})
    if os.name == "posix":  # Windows has no such modes
        assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_leftovers_of_reports_are_swept_and_nothing_else(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in (".pipeline_report_x.json.no-run.1-0a.tmp", ".mine.tmp", "pipeline_report_x.json"):
        (logs / name).write_text("")
    AuditReports(Paths(tmp_path, tmp_path, logs, tmp_path)).sweep()
    assert sorted(os.listdir(logs)) == [".mine.tmp", "pipeline_report_x.json"]
    AuditReports(Paths(tmp_path, tmp_path, tmp_path / "none", tmp_path)).sweep()


# --- the report of a task -------------------------------------------------------------------------


@pytest.fixture
def reader(tmp_path):
    made = ReportReader(tmp_path / "t.report", mask=Mask([HARD]))
    made.create(0o600)
    yield made
    made.close()


def test_a_task_s_report_is_masked_when_it_is_read_and_afterwards_in_the_file(reader):
    records = [
        {"verb": "warning", "msg": f"it is {HARD}", "data": {HARD: [HARD]}},
        {"verb": "metric", "name": HARD, "value": 1},
        {"verb": "rejected", "path": "a", "reason": HARD, "fingerprint": "f"},
    ]
    kept = json.dumps({"verb": "temporary", "path": "/x/y"}).encode()
    lines = [json.dumps(record).encode() for record in records]
    reader.path.write_bytes(b"\n".join([*lines, kept, HARD.encode(), b'{"verb": "cut']))
    found = reader.poll()
    assert found[0]["data"] == {"***": ["***"]}
    assert (found[0]["msg"], found[1]["name"], found[2]["reason"]) == ("it is ***", "***", "***")
    assert found[3] == json.loads(kept)
    reader.conceal()
    text = reader.path.read_text()
    assert "quoted" not in text
    assert text.endswith('\n***\n{"verb": "cut')
    assert [json.loads(line)["verb"] for line in text.splitlines()[:3]] == [
        "warning",
        "metric",
        "rejected",
    ]


def test_units_and_paths_keep_their_names_since_they_are_found_by_them(reader):
    record = {"verb": "consumed", "unit": f"u {HARD}", "path": f"data/{HARD}", "reason": HARD}
    reader.path.write_text(json.dumps(record) + "\n")
    (found,) = reader.poll()
    assert found == {**record, "reason": "***"}


def test_a_report_without_secrets_is_left_as_it_is(reader):
    reader.path.write_text('{"verb": "a"}\n')
    before = reader.path.stat()
    reader.poll()
    reader.conceal()
    assert reader.path.stat() == before


def test_a_report_without_bound_is_masked_up_to_its_limit(tmp_path):
    reader = ReportReader(tmp_path / "t.report", limit=1000, mask=Mask(["hunter22"]))
    reader.create(0o600)
    with open(reader.path, "wb") as file:
        file.write(b'{"verb": "hunter22"}\n' * 40)
        file.truncate(2**40)
    reader.poll()
    reader.conceal()
    assert reader.path.stat().st_size < 1000
    assert "hunter22" not in reader.path.read_text()
    reader.close()
