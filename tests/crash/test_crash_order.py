"""The order of the system calls of a run: what a power failure, not a kill, would betray.

After a kill the system still has all that was written, so no kill shows a missing sync.
"""

from __future__ import annotations

import re

import pytest

from .lab import prepared
from .tracer import Point, available

if reason := available():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> list[Point]:
    """Those of a run that nobody disturbs, in order."""
    run = prepared(tmp_path_factory.mktemp("order")).traced()
    assert run.code == 0, run
    return run.points


def indexes(points, call, path, *, of=None, after=0, before=None):
    """Where these calls are; `of`: only those of this process."""
    return [
        index
        for index, point in enumerate(points[:before])
        if index >= after
        and re.fullmatch(call, point.call)
        and re.fullmatch(path, point.path)
        and of in (None, point.process)
    ]


def folder(path: str) -> str:
    return path.rpartition("/")[0]


def test_a_published_file_is_on_disk_before_it_is_reported(points):
    """Its temporary is named, written, synced, renamed; its folder synced; then it is reported."""
    renames = [i for i, p in enumerate(points) if (p.role, p.call) == ("worker", "rename")]
    assert len(renames) == 8  # two cleaned files, five counts, one top
    for at in renames:
        _, _, temporary, to, process = points[at]
        name = re.escape(temporary)
        created = indexes(points, "openat", name, of=process)[0]
        named = indexes(points, "write", r".*\.report", of=process, before=created)
        written = indexes(points, "write", name, of=process)
        synced = indexes(points, "fsync", name, of=process, after=written[-1], before=at)
        placed = indexes(points, "fsync", re.escape(folder(to)), of=process, after=at)
        told = indexes(points, "write", r".*\.report", of=process, after=created)
        assert named, f"{to}: its temporary file was not reported first"
        assert synced, f"{to} was renamed before it was synced"
        assert placed, f"{to}: the folder was not synced after the rename"
        assert told[0] > placed[0], f"{to} was reported before it was placed"


def test_the_ledger_has_a_stages_results_after_its_last_rename(points):
    """Each stage commits what it consumed once its worker has ended, and tells its end after."""
    last = {}
    for index, point in enumerate(points):
        if point.call == "rename" and point.role == "worker":
            last[folder(point.to)] = index
    for at in last.values():
        told = indexes(points, "write", r".*\.report", after=at)
        commit = indexes(points, "pwrite64", r"\.pipekit/state\.db-wal", after=at)[0]
        assert any(at < index < commit for index in told)
    first = min(last.values())
    start = indexes(points, "write", "logs/events/.*", before=first)
    quiet = indexes(points, "pwrite64", r"\.pipekit/state\.db-wal", after=start[1], before=first)
    assert not quiet, "the ledger was written while the first stage was still at work"


def test_the_end_of_a_run_is_in_the_ledger_then_the_journal_then_the_report(points):
    """Each is synced before the next is written."""
    (renamed,) = indexes(points, "rename", r"logs/\.pipeline_report.*")
    journal = indexes(points, "write", "logs/events/.*")[-1]
    commit = indexes(points, "pwrite64", r"\.pipekit/state\.db-wal", before=journal)[-1]
    assert indexes(points, "fdatasync", r"\.pipekit/state\.db-wal", after=commit, before=journal)
    assert indexes(points, "fsync", "logs/events/.*", after=journal, before=renamed)
    report = re.escape(points[renamed].path)
    written = indexes(points, "write", report)[-1]
    assert indexes(points, "fsync", report, after=written, before=renamed)
    assert indexes(points, "fsync", "logs", after=renamed)


def test_a_new_folder_is_synced_in_its_parent_before_a_file_in_it_is_reported(tmp_path):
    lab = prepared(tmp_path / "lab")
    lab.put({"old0.txt": "a 1\n"})
    for path in lab.root.joinpath("data/clean").iterdir():
        path.unlink()
    lab.root.joinpath("data/clean").rmdir()
    points = lab.traced().points
    made = indexes(points, "mkdir", "data/clean")[0]
    told = indexes(points, "write", r".*\.report", after=made)[1]  # the first names a temporary
    assert indexes(points, "fsync", "data", after=made, before=told)
