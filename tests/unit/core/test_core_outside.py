"""Files outside the project: found below [paths] inputs by absolute patterns, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipekit.config.tables import PathsConfig
from pipekit.errors import UsageError
from pipekit.storage.files import FileManager, is_below
from pipekit.storage.patterns import matches


@pytest.fixture
def outside(tmp_path):
    """A folder beside the project, as text with `/`, with two files."""
    folder = tmp_path / "exports"
    for name in ("a.csv", "deep/b.csv", "c.txt"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return folder.as_posix()


def manager(tmp_path: Path, *inputs: str) -> FileManager:
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    return FileManager(root, quiet_seconds=0, inputs=inputs)


def test_files_of_an_input_folder_have_absolute_paths(tmp_path, outside):
    files = manager(tmp_path, outside)
    found = [file.path for file in files.files([f"{outside}/**/*.csv"])]
    assert found == [f"{outside}/a.csv", f"{outside}/deep/b.csv"]
    assert files.stat(found[1]).size == len("deep/b.csv")
    assert files.relative(os.path.join(outside, "deep", "..", "a.csv")) == found[0]
    assert matches(f"{outside}/**/*.csv", found[1])


@pytest.mark.parametrize("pattern", ["{}/../other/*", "{}2/*", "/*", "{}/../**"])
def test_nothing_else_outside_is_found(tmp_path, outside, pattern):
    with pytest.raises(UsageError, match=r"below one of the folders in \[paths\] inputs"):
        manager(tmp_path, outside).files([pattern.format(outside)])
    with pytest.raises(UsageError, match=r"\[paths\] inputs"):
        manager(tmp_path).files([f"{outside}/*"])


def test_a_file_of_the_project_has_one_name_alone(tmp_path, outside):
    root = (tmp_path / "project").as_posix()
    with pytest.raises(UsageError, match="write it relative"):
        manager(tmp_path, root).files([f"{root}/data/*"])
    with pytest.raises(UsageError, match="contains the project"):
        manager(tmp_path, tmp_path.as_posix()).files([f"{tmp_path.as_posix()}/**"])


def test_a_missing_input_folder_is_noted(tmp_path, outside):
    files = manager(tmp_path, outside)
    assert files.files([f"{outside}/nope/*.csv"]) == []
    assert files.missing == {f"{outside}/nope"}


def test_the_lifecycle_sees_the_project_alone(tmp_path, outside):
    with pytest.raises(UsageError):
        manager(tmp_path, outside).inner.files([f"{outside}/*"])


@pytest.mark.parametrize("path", ["exports", "./exports", "~/exports", "", "/", "//"])
def test_inputs_are_absolute_paths_of_folders(path):
    with pytest.raises(ValueError, match="must"):
        PathsConfig(inputs=[path])


def test_inputs_are_kept_as_the_ledger_has_paths(tmp_path):
    given = os.path.join(tmp_path, "x", "..", "exports") + os.sep
    assert PathsConfig(inputs=[given]).inputs == ((tmp_path / "exports").as_posix(),)


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
    ],
)
def test_below_is_by_whole_names(path, folder, expected):
    assert is_below(path, folder) is expected


@pytest.mark.skipif(os.name != "nt", reason="drive letters and network shares")
@pytest.mark.parametrize("folder", ["C:/Exports", r"c:\exports", "//server/share/exports"])
def test_windows_paths_are_absolute(folder):
    (kept,) = PathsConfig(inputs=[folder]).inputs
    assert "\\" not in kept
    assert is_below(f"{kept.upper()}/A.CSV", kept)
