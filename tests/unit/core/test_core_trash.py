"""The trash, one file at a time: what changes between a decision and the move is put back."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pipekit.errors import StorageError, UsageError
from pipekit.model.policy import ActionKind, FileAction
from pipekit.run.lifecycle.removal import find_manifest
from pipekit.storage.files import FileManager
from pipekit.storage.trash import TRASH
from pipekit.storage.trash.manifest import Manifest, Manifests, TrashFile, Work
from pipekit.storage.trash.moving import Mover
from pipekit.storage.trash.restored import RestoredFiles
from pipekit.storage.trash.trash import STOPPED, RefusedError, Trash
from pipekit.worker import Signature

RUN = "01a2082d-e9f4-799b-8a82-a3aec3a82882"
OTHER = "01a2082d-e9f4-799b-8a82-a3aec3a82883"
posix = pytest.mark.posix("links, and files that are renamed while they are open")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data/raw").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def trash(root):
    return Trash(root, 0o600)


@pytest.fixture
def decided(root, trash):
    """A file about which was decided that it may go: its manifest is on disk."""

    def made(name="a", text="some text", target=None):
        path = root / "data/raw" / name
        path.write_text(text)
        kind = ActionKind.ARCHIVE if target else ActionKind.DELETE
        action = FileAction(kind, f"data/raw/{name}", "because", target)
        file = FileManager(root).stat(action.path)
        manifest = Manifest(RUN, 7, (trash.describe(action, "rules", file, RUN),))
        trash.manifests.create(manifest)
        return path, manifest

    return made


def applied(trash, manifest, between=lambda: None):
    """Apply a manifest; `between` happens once the file is in the trash, before it is checked."""
    rename = trash._inside.rename

    def watched(path, to):
        rename(path, to)
        between()

    trash._inside.rename = watched
    (outcome,) = trash.apply(manifest, lambda: False)
    trash.manifests.end(manifest, Work.APPLYING, [outcome.file] if outcome.left else [])
    return outcome


def restored(trash, manifest):
    (outcome,) = trash.restore(manifest)
    return outcome


def test_a_file_is_moved_with_its_manifest_and_comes_back_as_it_was(trash, decided):
    path, manifest = decided()
    before = path.stat()
    assert applied(trash, manifest).left
    assert not path.exists()
    assert trash.manifests.read(RUN) == manifest
    assert restored(trash, manifest).refused == ""
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# --- between the decision and the act -------------------------------------------------------------


def test_unfinished_copies_of_a_file_are_removed_from_an_archive_that_others_use(
    root, trash, decided
):
    """Of any run; a copy of another file may be one that another project is making."""
    (root / "old").mkdir()
    own, others = root / f"old/.a.{OTHER}.tmp", root / f"old/.b.{OTHER}.tmp"
    own.touch()
    others.touch()
    _, manifest = decided(target="old/a")
    assert not applied(trash, manifest).refused
    assert (root / "old/a").read_text() == "some text"
    assert not own.exists()
    assert others.exists()


def refused(trash, root, file):
    action = FileAction(ActionKind.DELETE, file.path, "because")
    with pytest.raises(RefusedError) as error:
        trash.describe(action, "rules", file, RUN)
    assert (root / file.path).read_bytes()
    return str(error.value)


def test_a_file_that_was_rewritten_or_has_grown_is_refused(root, trash):
    path = root / "data/raw/a"
    path.write_text("old")
    file = FileManager(root).stat("data/raw/a")
    path.write_text("new")
    assert refused(trash, root, file) == "it has changed since that was decided"
    path.write_text("old and more")
    assert refused(trash, root, file) == "it has changed since that was decided"


def test_a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_refused(root, trash):
    path = root / "data/raw/a"
    path.write_text("old")
    file = FileManager(root).stat("data/raw/a")
    other = root / "other"
    other.write_text("new")
    os.utime(other, ns=(file.mtime_ns, file.mtime_ns))
    os.replace(other, path)
    assert refused(trash, root, file) == "it has changed since that was decided"


@posix
def test_a_link_a_second_name_and_a_folder_that_is_a_link_are_refused(root, trash, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "a").write_text("precious")
    file = FileManager(tmp_path).stat("precious/a")._replace(path="data/raw/a")
    (root / "data/raw/a").symlink_to(outside / "a")
    assert "cannot be read" in refused(trash, root, file)
    (root / "data/raw/a").unlink()
    os.link(outside / "a", root / "data/raw/a")
    assert refused(trash, root, file) == "it has several names (hard links)"
    (root / "data/raw/a").unlink()
    (root / "data/raw").rmdir()
    (root / "data/raw").symlink_to(outside)
    assert "cannot be read" in refused(trash, root, file)
    assert (outside / "a").read_text() == "precious"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_file_that_a_program_may_write_to_is_refused_or_put_back(root, trash, decided):
    path, manifest = decided()
    with open(path, "a"):
        file = FileManager(root).stat("data/raw/a")
        assert refused(trash, root, file) == "a program has it open for writing"
        outcome = applied(trash, manifest)
    assert (outcome.refused, outcome.left) == ("a program has it open for writing", False)
    assert path.read_text() == "some text"


# --- between the move and its check ---------------------------------------------------------------


@pytest.mark.parametrize("change", ["grown", "rewritten in place, with its old time"])
def test_what_changes_in_the_instant_of_the_move_is_put_back(root, trash, decided, change):
    path, manifest = decided()
    (file,) = manifest.files
    moved = root / file.place

    def between():
        moved.write_text("some text and more" if change == "grown" else "same size")
        if change != "grown":
            times = (file.signature.mtime_ns, file.signature.mtime_ns)
            os.utime(moved, ns=times)

    outcome = applied(trash, manifest, between)
    assert (outcome.refused, outcome.left) == (
        "it was changed or replaced while it was moved",
        False,
    )
    assert path.read_text().startswith("some text and more" if change == "grown" else "same size")
    assert not (root / TRASH).exists()


def test_a_changed_file_whose_place_is_taken_stays_in_the_trash_and_is_never_deleted(
    root, trash, decided
):
    path, manifest = decided()
    moved = root / manifest.files[0].place

    def between():
        moved.write_text("same size")
        os.utime(moved, ns=(manifest.files[0].signature.mtime_ns,) * 2)
        path.write_text("a new file")

    outcome = applied(trash, manifest, between)
    assert outcome.left
    assert f"another file is at its path now, so it is kept as {TRASH}" in outcome.refused
    left = trash.manifests.read(RUN)
    assert not trash.can_purge(left)
    assert [each.left for each in trash.purge(left)] == [True]
    assert (path.read_text(), moved.read_text()) == ("a new file", "same size")


@posix
def test_a_folder_that_is_swapped_for_a_link_before_the_move_leads_nowhere(root, trash, decided):
    path, manifest = decided()
    outside = root / "outside"
    path.parent.rename(outside)
    path.parent.symlink_to(outside)
    (outcome,) = trash.apply(manifest, lambda: False)
    assert "it cannot be moved to the trash" in outcome.refused
    assert (outside / "a").read_text() == "some text"


@posix
def test_a_trash_that_is_a_link_is_not_used(root, trash, decided):
    path, manifest = decided()
    elsewhere = root / "elsewhere"
    (root / TRASH).rename(elsewhere)
    (root / TRASH).symlink_to(elsewhere)
    (outcome,) = trash.apply(manifest, lambda: False)
    assert "it cannot be moved to the trash" in outcome.refused
    assert path.exists()


def test_a_run_that_is_stopped_leaves_the_rest_alone(trash, decided):
    path, manifest = decided()
    (outcome,) = trash.apply(manifest, lambda: True)
    assert (outcome.refused, path.exists()) == (STOPPED, True)


# --- back -----------------------------------------------------------------------------------------


def test_restoring_replaces_no_file_and_makes_the_folder_again(root, trash, decided):
    path, manifest = decided()
    applied(trash, manifest)
    path.parent.rmdir()
    assert restored(trash, manifest).refused == ""
    assert path.read_text() == "some text"
    trash.manifests.create(manifest)
    applied(trash, manifest)
    path.write_text("another")
    assert restored(trash, manifest).left
    assert path.read_text() == "another"


@posix
def test_a_restore_that_was_killed_between_its_two_steps_is_finished(root, trash, decided):
    path, manifest = decided()
    applied(trash, manifest)
    moved = root / manifest.files[0].place
    os.link(moved, path)
    assert restored(trash, manifest) == (manifest.files[0], "", False)
    assert (path.stat().st_nlink, moved.exists()) == (1, False)


def test_what_cannot_be_looked_at_now_stays_in_its_manifest(root, trash, decided):
    """Its disk is not mounted, or its trash was moved away: nothing is forgotten."""
    _, manifest = decided()
    applied(trash, manifest)
    (file,) = manifest.files
    elsewhere = manifest._replace(files=(file._replace(place=f"data/{file.place}"),))
    for step in (trash.conclude, trash.restore, trash.purge):
        (outcome,) = step(elsewhere)
        assert (outcome.refused, outcome.left) == (
            "the file system of its trash is not mounted",
            True,
        )
    assert not trash.can_purge(elsewhere)
    (root / TRASH / RUN).rename(root / "moved away")
    (outcome,) = trash.conclude(manifest)
    assert (outcome.refused, outcome.left) == ("it is neither at its path nor in the trash", True)
    if os.name == "posix":
        (root / TRASH / RUN).symlink_to(root / "moved away")
        for step in (trash.conclude, trash.restore, trash.purge):
            (outcome,) = step(manifest)
            assert outcome.left
            assert "cannot be read" in outcome.refused
    assert (root / "moved away/data/raw/a").exists()


def test_a_file_that_was_changed_in_the_trash_is_not_deleted(root, trash, decided):
    path, manifest = decided()
    applied(trash, manifest)
    moved = root / manifest.files[0].place
    moved.write_text("written to by a program that had it open")
    (outcome,) = trash.purge(manifest)
    assert "it was changed in the trash" in outcome.refused
    assert restored(trash, manifest).refused == ""
    assert path.read_text() == "written to by a program that had it open"
    assert trash.signature(manifest.files[0]) is None


@pytest.mark.parametrize("key", ["path", "place"])
@pytest.mark.parametrize("path", ["../a", "data/../../a", "/etc/passwd", "data//a", "a/./b", ""])
def test_a_manifest_that_names_a_path_outside_is_refused(root, trash, decided, key, path):
    """Somebody may have written to it."""
    _, manifest = decided()
    applied(trash, manifest)
    (file,) = manifest.files
    trash.manifests.create(manifest._replace(files=(file._replace(**{key: path}),)))
    with pytest.raises(StorageError, match="outside the project"):
        trash.manifests.read(RUN, Work.APPLYING)
    with pytest.raises(OSError, match="not a path below the project"):
        Mover(root, 0o600).remove(path)


def test_a_manifest_whose_files_are_not_in_the_trash_deletes_nothing(trash, decided):
    path, manifest = decided()
    (file,) = manifest.files
    trash.manifests.create(manifest._replace(files=(file._replace(place=file.path),)))
    with pytest.raises(StorageError, match="outside the trash"):
        trash.manifests.read(RUN, Work.APPLYING)
    assert path.exists()


# --- the manifests --------------------------------------------------------------------------------


def test_a_damaged_manifest_is_told_and_its_files_stay(root, trash, decided):
    _, manifest = decided()
    applied(trash, manifest)
    (root / TRASH / f"{RUN}.json").write_text("{")
    with pytest.raises(StorageError, match="the files of its run stay in"):
        trash.manifests.read(RUN)


@pytest.fixture
def two(root):
    """The manifests of two runs, with a file each, that are at rest."""
    manifests = Manifests(root, 0o600)
    assert manifests.find() == {}
    for run_id, number in ((RUN, 12), (OTHER, 3)):
        place = f"{TRASH}/{run_id}/data/a"
        file = TrashFile("data/a", place, Signature(1, 2, 3, 4, 5), "f")
        manifest = Manifest(run_id, number, (file,))
        manifests.create(manifest)
        manifests.end(manifest, Work.APPLYING, manifest.files)
    return manifests


def test_what_is_unfinished_is_found_by_name_and_strangers_are_not(root, two):
    two.begin(OTHER, Work.RESTORING)
    for name in ("notes.json", f"{RUN}.dancing.json", f".{RUN}.json.x.tmp"):
        (root / TRASH / name).write_text("")
    assert two.find() == {RUN: Work.NONE, OTHER: Work.RESTORING}
    for path in ("empty/folders", "kept"):
        (root / TRASH / "01a2082d-e9f4-799b-8a82-a3aec3a82884" / path).mkdir(parents=True)
    (root / TRASH / "01a2082d-e9f4-799b-8a82-a3aec3a82884/kept/file").write_text("of somebody")
    two.sweep()
    left = (root / TRASH / "01a2082d-e9f4-799b-8a82-a3aec3a82884").rglob("*")
    assert sorted(path.name for path in left) == ["file", "kept"]
    assert not (root / TRASH / f".{RUN}.json.x.tmp").exists()
    two.end(two.read(OTHER, Work.RESTORING), Work.RESTORING, [])
    assert two.find() == {RUN: Work.NONE}


def test_work_that_ended_but_for_its_mark_is_done_again(root, two):
    """A kill between the new manifest and the removal of the old one."""
    two.begin(OTHER, Work.PURGING)
    (root / TRASH / f"{OTHER}.json").write_bytes(
        (root / TRASH / f"{OTHER}.purging.json").read_bytes()
    )
    assert two.find()[OTHER] == Work.PURGING


def test_a_run_in_the_trash_is_found_by_number_id_or_beginning(two):
    assert find_manifest(two, "12") == RUN
    assert find_manifest(two, OTHER) == OTHER
    with pytest.raises(UsageError, match="several runs in the trash"):
        find_manifest(two, "01a2")
    with pytest.raises(UsageError, match="no file of run '4' is in the trash"):
        find_manifest(two, "4")


def test_a_damaged_manifest_does_not_hide_other_runs(root, two):
    next((root / TRASH).glob(f"{OTHER}*.json")).write_text("{")
    assert find_manifest(two, "12") == RUN
    with pytest.raises(StorageError, match=f"no run '4' found .* cannot read .*{OTHER}"):
        find_manifest(two, "4")


def test_the_manifest_and_the_folders_of_the_trash_are_private(root, trash, decided):
    path, manifest = decided()
    path.chmod(0o644)
    applied(trash, manifest)
    modes = {p.name: p.stat().st_mode & 0o777 for p in (root / TRASH).rglob("*")}
    if os.name == "posix":
        assert {**modes, "a": 0} == {f"{RUN}.json": 0o600, "a": 0} | dict.fromkeys(
            (RUN, "data", "raw"), 0o700
        )


def test_restored_files_are_known_until_they_are_touched(root):
    known = RestoredFiles(root)
    path = root / "data/raw/a"
    path.write_text("a")
    file = FileManager(root).stat("data/raw/a")
    assert not known.has(file)
    known.add([(file.path, file.size, file.mtime_ns)], root)
    assert known.has(file)
    assert not known.has(file._replace(mtime_ns=1))
    path.unlink()
    known.add([], root)
    assert json.loads((root / "restored.json").read_text()) == {}
    Path(root / "restored.json").write_text("{")
    with pytest.raises(StorageError, match="no file may go"):
        RestoredFiles(root).has(file)
