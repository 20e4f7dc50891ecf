"""Files of a run are private, and never opened through what somebody else may have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipekit.errors import StorageError
from pipekit.model.run import Paths
from pipekit.storage.journal import Journal, RunLog
from pipekit.storage.ledger import Ledger
from pipekit.storage.lock import RunLock
from pipekit.storage.modes import adjust_modes, make_private
from pipekit.storage.report import AuditReports
from pipekit.storage.tail import last_records
from pipekit.worker import Publication
from pipekit.worker._files import make_folder, open_own

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX systems")


def mode(path):
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


@pytest.fixture
def umask():
    """Sets the umask; the test gets its own back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def open_all(folder, **more):
    Journal(folder / "logs/events/j.jsonl", **more).close()
    RunLog(folder / "logs/run.log", **more).close()
    with RunLock(folder / "state", "run", **more):
        pass
    with Ledger(folder / "state/state.db", **more) as ledger:
        ledger.begin_run("run", 1.0)
        yield from (folder / "state").iterdir()
    yield from (path for path in (folder / "logs").rglob("*") if path.is_file())


@pytest.mark.parametrize("their_umask", [0o000, 0o002, 0o022, 0o077])
def test_files_and_folders_of_a_run_are_private_whatever_the_umask(tmp_path, umask, their_umask):
    umask(their_umask)
    found = {path.name: mode(path) for path in open_all(tmp_path)}
    names = {"j.jsonl", "run.log", "lock", "lock.json", "state.db", "state.db-wal", "state.db-shm"}
    assert found == dict.fromkeys(names, "0o600")
    for folder in ("state", "logs", "logs/events"):
        assert mode(tmp_path / folder) == "0o700"


def test_in_a_shared_project_the_umask_decides(tmp_path, umask):
    umask(0o002)
    assert {mode(path) for path in open_all(tmp_path, mode=0o666)} == {"0o664"}
    assert mode(tmp_path / "logs/events") == "0o775"


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_brings_what_an_earlier_one_made_in_line_with_the_setting(tmp_path, umask, shared):
    paths = Paths(tmp_path, tmp_path / "data", tmp_path / "logs", tmp_path / "state", shared=shared)
    list(open_all(tmp_path, mode=0o600 if shared else 0o666))
    os.chmod(paths.state, 0o2700 if shared else 0o2755)
    umask(0o007)
    adjust_modes(paths)
    assert mode(paths.state) == ("0o2770" if shared else "0o2700")
    assert mode(paths.state / "state.db") == ("0o660" if shared else "0o600")
    assert mode(paths.events) == ("0o770" if shared else "0o700")
    assert mode(paths.logs) == ("0o770" if shared else "0o755")  # others may use it as well


def test_adjusting_follows_no_link(tmp_path, umask):
    (tmp_path / "other").write_text("x")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/lock.json").symlink_to(tmp_path / "other")
    adjust_modes(Paths(tmp_path, tmp_path, tmp_path / "logs", tmp_path / "state"))
    assert mode(tmp_path / "other") == "0o644"


def plant(kind, path, other):
    if kind == "link":
        path.symlink_to(other)
    elif kind == "dangling link":
        path.symlink_to(other.with_name("nothing"))
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "device", "folder"])
def test_what_is_in_the_place_of_a_file_of_a_run_is_refused_at_once(tmp_path, kind):
    """Nothing waits for a FIFO, and what a link points to is neither read nor changed."""
    other = tmp_path / "other"
    other.write_text("theirs")
    plant(kind, tmp_path / "it", other)
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDWR | os.O_CREAT):
        with pytest.raises(OSError, match=r"symbolic link|regular file|directory|File exists"):
            open_own(tmp_path / "it", flags)
    assert other.read_text() == "theirs"
    assert not other.with_name("nothing").exists()


@pytest.mark.parametrize("name", ["lock", "lock.json", "state.db"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_lock_and_ledger_refuse_what_was_planted(tmp_path, name, kind):
    other = tmp_path / "other"
    other.write_text("theirs")
    (tmp_path / "state").mkdir()
    plant(kind, tmp_path / "state" / name, other)
    with pytest.raises(StorageError), RunLock(tmp_path / "state", "run"):
        Ledger(tmp_path / "state/state.db")
    assert RunLock(tmp_path / "state", "").holder() is None or name == "state.db"
    assert other.read_text() == "theirs"


def test_a_log_that_is_a_link_is_not_written(tmp_path):
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "run.log").symlink_to(tmp_path / "other")
    log = RunLog(tmp_path / "run.log")
    log._write(b"ours")
    log.close()
    assert (tmp_path / "other").read_text() == "theirs"


def test_temporary_names_cannot_be_guessed(tmp_path):
    """128 random bits."""
    names = {os.fspath(Publication(tmp_path / "a", reported=False).begin()) for _ in range(2)}
    assert len(names) == 2
    assert all(len(name.rpartition("-")[2].removesuffix(".tmp")) == 32 for name in names)


def test_a_temporary_file_that_became_a_link_is_neither_written_nor_published(tmp_path):
    (tmp_path / "other").write_text("theirs")
    publication = Publication(tmp_path / "a", reported=False).begin()
    os.unlink(os.fspath(publication))
    os.symlink(tmp_path / "other", os.fspath(publication))
    with pytest.raises(OSError, match="symbolic link"):
        publication.write(b"ours")
    with pytest.raises(OSError, match="symbolic link"):
        publication.place()
    assert (tmp_path / "other").read_text() == "theirs"


def test_published_data_has_the_mode_of_the_umask(tmp_path, umask):
    umask(0o027)
    with Publication(tmp_path / "deep/a", reported=False) as file:
        file.write(b"data")
    assert (mode(tmp_path / "deep/a"), mode(tmp_path / "deep")) == ("0o640", "0o750")


def test_all_missing_folders_get_the_same_mode(tmp_path, umask):
    make_folder(tmp_path / "a/b/c")
    make_folder(tmp_path / "a/b/c")
    assert {mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")} == {"0o700"}
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")


def test_no_folder_is_made_in_a_working_directory_that_was_removed(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError):
        make_folder("a/b")


def test_what_programs_left_in_a_folder_of_a_run_is_closed_to_others(tmp_path, umask):
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "run/deep").mkdir(parents=True)
    (tmp_path / "run/deep/quality.json").write_text("{}")
    (tmp_path / "run/link").symlink_to(tmp_path / "other")
    make_private(tmp_path / "run")
    assert (mode(tmp_path / "run/deep"), mode(tmp_path / "run/deep/quality.json")) == (
        "0o700",
        "0o600",
    )
    assert mode(tmp_path / "other") == "0o644"
    make_private(tmp_path / "none")


def test_a_ledger_in_memory_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger(Path(":memory:")):
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "fifo", "device"])
def test_nothing_is_read_through_what_was_put_in_the_place_of_output_or_journal(tmp_path, kind):
    """A program can replace its own output file; copying it to the log must not wait."""
    other = tmp_path / "other"
    other.write_text("theirs\n")
    plant(kind, tmp_path / "t.out", other)
    log = RunLog(tmp_path / "run.log")
    log.output("t", "stdout", tmp_path / "t.out")
    log.close()
    assert (tmp_path / "run.log").read_text() == ""
    with pytest.raises(OSError, match=r"symbolic link|regular file"):
        last_records(tmp_path / "t.out", 1)
    paths = Paths(tmp_path, tmp_path, tmp_path, tmp_path)
    plant(kind, tmp_path / "pipeline_report_1_run.json", other)
    with pytest.raises(StorageError, match="cannot read"):
        AuditReports(paths).read("run")
