"""`pipekit.worker.publish`: a file is complete under its final name, and reported as it is."""

from __future__ import annotations

import json
import os

import pytest

from pipekit import worker
from pipekit.worker import Publication, publish, sync_folders
from pipekit.worker._publish import is_temporary_name


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project in which a worker runs; its report is `report` beside it."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("PIPEKIT_REPORT", str(tmp_path / "report"))
    monkeypatch.setenv("PIPEKIT_RUN_ID", "run-1")
    monkeypatch.delenv("PIPEKIT_PUBLISH_DIR", raising=False)
    return root


@pytest.fixture
def reported(tmp_path):
    """The records of the report so far."""
    return lambda: [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_are_published_at_once_and_reported_with_their_fingerprint(project, reported):
    publish("data/out/ES.txt", b"done", sources=["raw"], detail={"series": "ES"})
    target = project / "data/out/ES.txt"
    assert target.read_bytes() == b"done"
    temporary, wrote = reported()
    assert temporary["verb"] == "temporary"
    assert (wrote["verb"], wrote["path"]) == ("wrote", "data/out/ES.txt")
    assert wrote["fingerprint"] == worker.fingerprint(target)
    assert wrote["signature"] == list(worker._report._signature(target.stat()))
    assert (wrote["sources"], wrote["detail"]) == (["raw"], {"series": "ES"})
    assert names(target.parent) == ["ES.txt"]


def test_a_block_writes_to_a_path_and_publishes_at_its_end(project, reported):
    with publish("ES.txt") as file:
        assert os.path.dirname(os.fspath(file)) == ""
        with open(file, "w") as opened:
            opened.write("part")
        assert not (project / "ES.txt").exists()
    assert (project / "ES.txt").read_text() == "part"
    assert [record["verb"] for record in reported()] == ["temporary", "wrote"]


def test_a_temporary_file_is_reported_before_it_exists_under_a_name_of_this_run(project, reported):
    with publish("data/ES.txt") as file:
        (record,) = reported()
        assert record["path"] == os.path.abspath(file)
        assert is_temporary_name(os.path.basename(record["path"]), "run-1")
        assert not is_temporary_name(os.path.basename(record["path"]), "run-2")


def test_two_attempts_never_share_a_temporary_file(project):
    attempts = [Publication("data/ES.txt").begin() for _ in range(50)]
    assert len({os.fspath(each) for each in attempts}) == 50
    for each in attempts:
        each.discard()
    assert names(project / "data") == []


def test_the_same_content_is_left_alone_and_reported_as_unchanged(project, reported):
    publish("ES.txt", b"same")
    before = (project / "ES.txt").stat()
    publish("ES.txt", b"same")
    assert (project / "ES.txt").stat() == before
    assert reported()[-1]["verb"] == "unchanged"
    assert names(project) == ["ES.txt"]


def test_other_content_of_the_same_size_replaces_the_file(project, reported):
    publish("ES.txt", b"same")
    publish("ES.txt", b"diff")
    assert (project / "ES.txt").read_bytes() == b"diff"
    assert reported()[-1]["verb"] == "wrote"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_changes_nothing(project, reported, error):
    publish("ES.txt", b"old")

    def work():
        with publish("ES.txt") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        work()
    assert (project / "ES.txt").read_bytes() == b"old"
    assert names(project) == ["ES.txt"]
    assert [record["verb"] for record in reported()] == ["temporary", "wrote", "temporary"]


def test_a_folder_that_cannot_be_written_raises_and_leaves_nothing(project):
    (project / "data").write_text("a file is in the way")
    with pytest.raises(OSError, match="data"):
        publish("data/ES.txt", b"x")
    assert names(project) == ["data"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_raises_and_leaves_nothing(project):
    """/dev/full takes the place of the temporary file: every write to it finds no space."""
    publication = Publication("ES.txt").begin()
    real, publication._temporary = publication._temporary, "/dev/full"
    with pytest.raises(OSError, match="No space left"):
        publication.write(b"x")
    publication._temporary = real
    publication.discard()
    assert names(project) == []


@pytest.mark.parametrize("name", ["x" * 250, "é" * 120, "報告" * 40, "日" * 80 + ".csv"])
def test_the_longest_names_that_a_file_system_takes_can_be_published(project, name):
    publish(name, b"x")
    assert names(project) == [name]


@pytest.mark.posix("names")
def test_a_name_that_is_not_valid_text_can_be_published(project):
    name = os.fsdecode(b"caf\xe9.csv")
    publish(name, b"x")
    assert names(project) == [name]


def test_files_are_published_in_another_folder_if_one_is_set(
    project, tmp_path, monkeypatch, reported
):
    """The report names the path in the project; the project itself is left alone."""
    staged = tmp_path / "staged"
    monkeypatch.setenv("PIPEKIT_PUBLISH_DIR", str(staged))
    publish("data/ES.txt", b"x")
    publish(project / "data/NQ.txt", b"y")
    assert (staged / "data/ES.txt").read_bytes() == b"x"
    assert (staged / "data/NQ.txt").read_bytes() == b"y"
    assert not (project / "data").exists()
    wrote = [record for record in reported() if record["verb"] == "wrote"]
    assert [record["path"] for record in wrote] == ["data/ES.txt", str(project / "data/NQ.txt")]
    assert wrote[0]["signature"][2] == 1
    with pytest.raises(ValueError, match="outside the project"):
        publish("../elsewhere", b"x")


def test_unchanged_content_of_the_project_is_not_copied_to_the_other_folder(
    project, tmp_path, monkeypatch, reported
):
    publish("ES.txt", b"x")
    monkeypatch.setenv("PIPEKIT_PUBLISH_DIR", str(tmp_path / "staged"))
    publish("ES.txt", b"x")
    assert reported()[-1]["verb"] == "unchanged"
    assert names(tmp_path / "staged") == []


def test_the_steps_can_be_taken_one_by_one(project, reported):
    files = [Publication(f"data/{name}") for name in ("a", "b")]
    for file in files:
        file.begin().write(b"x")
        file.fingerprint = "known"
        file.place()
    sync_folders(file.target for file in files)
    for file in files:
        file.tell()
    assert names(project / "data") == ["a", "b"]
    assert [r["fingerprint"] for r in reported() if r["verb"] == "wrote"] == ["known", "known"]


@pytest.mark.posix("folders are synced")
def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(project, monkeypatch):
    """A reader may see it only once it is on disk, and the rename must survive as well."""
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append((os.readlink(f"/proc/self/fd/{fd}"), names(project)))
    )
    with publish("ES.txt", sources=()) as file:
        file.write(b"x")
        temporary = os.path.abspath(file)
    assert synced == [(temporary, [os.path.basename(temporary)]), (str(project), ["ES.txt"])]


def test_what_is_not_reported_ignores_the_run_that_this_process_may_be_part_of(
    project, tmp_path, monkeypatch
):
    """pipekit writes its own reports so, also where a stage runs pipekit."""
    monkeypatch.setenv("PIPEKIT_PUBLISH_DIR", str(tmp_path / "staged"))
    with Publication(project / "own.json", reported=False) as file:
        file.write(b"{}")
    assert names(project) == ["own.json"]
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "staged").exists()


def test_outside_of_a_run_it_works_without_a_report(project, monkeypatch):
    monkeypatch.delenv("PIPEKIT_REPORT")
    monkeypatch.delenv("PIPEKIT_RUN_ID")
    with publish("ES.txt") as file:
        assert is_temporary_name(os.path.basename(file), "no-run")
        file.write(b"x")
    assert names(project) == ["ES.txt"]
