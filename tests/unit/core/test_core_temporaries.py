"""Temporary files of dead processes are removed, and nothing else, whatever a report says."""

from __future__ import annotations

import errno
import json
import os

import pytest

from pipekit.run import temporaries
from pipekit.run.temporaries import (
    remove_temporaries,
    remove_temporaries_of_run,
    retry_removals,
)
from pipekit.worker._publish import temporary_name

RUN = "019d0000-0000-7000-8000-000000000001"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    return folder


def leave(folder, run=RUN):
    path = folder / temporary_name("ES.parquet", run)
    path.write_text("half")
    return path


def test_a_file_that_publish_left_is_removed(root):
    left = leave(root / "data")
    assert remove_temporaries([str(left)] * 2, RUN, root) == [str(left)]
    assert not left.exists()


def test_one_that_is_gone_already_is_no_trouble(root):
    assert remove_temporaries([str(root / temporary_name("x", RUN))], RUN, root) == []


def test_a_file_in_the_folder_that_files_are_published_in_is_removed(root, tmp_path):
    left = leave(tmp_path)
    remove_temporaries([str(left)], RUN, root)
    assert left.exists()
    remove_temporaries([str(left)], RUN, root, {"PIPEKIT_PUBLISH_DIR": str(tmp_path)})
    assert not left.exists()


@pytest.mark.parametrize(
    "name",
    [
        "ES.parquet",
        f".ES.parquet.{RUN}.tmp",
        f".ES.parquet.{RUN}.1f-zzzzzzzz.tmp",
        f"ES.parquet.{RUN}.1f-01234567.tmp",
        f".ES.parquet.{RUN}.1f-01234567.tmp.parquet",
        ".ES.parquet.019d0000-0000-7000-8000-000000000002.1f-01234567.tmp",
        ".ES.parquet.no-run.1f-01234567.tmp",
    ],
)
def test_a_name_that_this_run_cannot_have_given_is_left_alone(root, name):
    file = root / "data" / name
    file.write_text("precious")
    assert remove_temporaries([str(file)], RUN, root) == []
    assert file.exists()


def test_a_forged_path_out_of_the_project_is_left_alone(root, tmp_path):
    outside = leave(tmp_path)
    (root / "link").symlink_to(tmp_path)
    forged = [
        str(outside),
        f"{root}/../{outside.name}",
        f"{root}/link/{outside.name}",
        f"{root}-other/{outside.name}",
        os.path.relpath(outside),
        f"{root}/data/\0{outside.name}",
    ]
    assert remove_temporaries(forged, RUN, root) == []
    assert outside.exists()


def test_links_and_folders_are_left_alone(root, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("x")
    link, folder = (root / temporary_name(name, RUN) for name in ("link", "folder"))
    link.symlink_to(precious)
    folder.mkdir()
    assert remove_temporaries([str(link), str(folder)], RUN, root) == []
    assert link.is_symlink()
    assert folder.is_dir()


def test_the_reports_of_a_vanished_run_name_them_even_when_torn(root, tmp_path):
    left = [leave(root / "data") for _ in range(3)]
    reports = tmp_path / "runs" / RUN
    lines = [json.dumps({"verb": "temporary", "path": str(path)}) for path in left]
    for stage, text in (("one", f"{lines[0]}\nnonsense\n{lines[1]}\n"), ("two", f"{lines[2]}\n{{")):
        (reports / stage).mkdir(parents=True)
        (reports / stage / "task.report").write_text(text)
    assert len(remove_temporaries_of_run(reports, RUN, root)) == 3
    assert not any(path.exists() for path in left)


def test_a_run_without_reports_left_none(root, tmp_path):
    assert remove_temporaries_of_run(tmp_path / "nowhere", RUN, root) == []


def test_what_cannot_be_removed_now_is_removed_by_a_later_run(root, tmp_path, monkeypatch):
    """A file system that is read-only for a while must not keep temporary files for ever."""
    left = leave(root / "data")

    def read_only(path):
        raise OSError(errno.EROFS, "Read-only file system", path)

    with monkeypatch.context() as patch:
        patch.setattr(temporaries, "_remove", read_only)
        assert remove_temporaries([str(left)], RUN, root, leftovers=tmp_path / "leftovers") == []
        retry_removals(tmp_path / "leftovers", root)
    assert left.exists()
    retry_removals(tmp_path / "leftovers", root)
    assert not left.exists()
    assert not (tmp_path / "leftovers").exists()


@pytest.mark.posix("fifo")
def test_a_list_of_leftovers_that_was_tampered_with_removes_nothing_else(root, tmp_path):
    (root / "data/ES.parquet").write_text("data")
    lines = [f'{RUN} "{root}/data/ES.parquet"', "nonsense", f"{RUN} 5", "\0", f"{RUN} {{"]
    (tmp_path / "leftovers").write_text("\n".join(lines))
    retry_removals(tmp_path / "leftovers", root)
    assert (root / "data/ES.parquet").exists()
    os.mkfifo(tmp_path / "leftovers")
    retry_removals(tmp_path / "leftovers", root)
