"""FileManager finds what a pattern names and nothing else, and tells what is settled."""

from __future__ import annotations

import os
import time

import pytest

from pipekit.errors import UsageError
from pipekit.storage.files import FileManager


def paths(files, *patterns):
    return [file.path for file in files.files(patterns)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("data/*.csv", ["data/a.csv", "data/b.csv"]),
        ("data/**/*.csv", ["data/a.csv", "data/b.csv", "data/x/c.csv", "data/x/y/d.csv"]),
        ("data/**", ["data/a.csv", "data/b.csv", "data/x/c.csv", "data/x/e.txt", "data/x/y/d.csv"]),
        ("data/*/*.csv", ["data/x/c.csv"]),
        ("data/**/y/*", ["data/x/y/d.csv"]),
        ("data/?.csv", ["data/a.csv", "data/b.csv"]),
        ("data/[ab].csv", ["data/a.csv", "data/b.csv"]),
        ("data/[!a].csv", ["data/b.csv"]),
        ("data/a.csv", ["data/a.csv"]),
        ("./data/../data/a.csv", ["data/a.csv"]),
        ("data/*.CSV", []),
        ("nothing/**", []),
    ],
)
def test_a_pattern_names_exactly_these_files_sorted(files, put, pattern, expected):
    for path in ("x/y/d.csv", "b.csv", "x/e.txt", "a.csv", "x/c.csv"):
        put(f"data/{path}")
    assert paths(files, pattern) == expected


def test_overlapping_patterns_read_a_folder_once_and_agree(files, put):
    put("data/x/a.csv")
    folders = {}
    deep = files.files(["data/**/*.csv"], folders)
    put("data/x/b.csv")  # arrives between the two questions
    assert files.files(["data/x/*.csv"], folders) == deep
    assert files.files(["data/**"], folders) == deep
    assert files.files(["data/new/*"], folders) == []
    put("data/new/c.csv")
    assert files.files(["data/new/**"], folders) == []


def test_no_wildcard_enters_or_names_what_starts_with_a_dot(files, put):
    for path in (".hidden/a.csv", "data/.trash/b.csv", "data/.c.csv", "data/d.csv"):
        put(path)
    assert paths(files, "**", "*/**", "data/*", "data/**/*.csv") == ["data/d.csv"]


def test_a_character_class_never_crosses_a_folder(files, put):
    put("data/a/c.csv")
    put("data/a-c.csv")
    for pattern in ("**/a[!b]c.csv", "**/a[--0]c.csv", "**/a[^-]c.csv"):
        assert paths(files, pattern) == ["data/a-c.csv"]


@pytest.mark.posix("names")
def test_characters_that_mean_something_elsewhere_mean_themselves(files, put):
    for name in ("a+b (1).csv", "a.b", "axb", "new\nline.csv"):
        put(f"data/{name}")
    assert paths(files, "data/a+b (1).csv") == ["data/a+b (1).csv"]
    assert paths(files, "data/a.b") == ["data/a.b"]
    assert "data/new\nline.csv" in paths(files, "data/**")


def test_a_file_that_two_patterns_name_comes_once(files, put):
    put("data/a.csv")
    assert paths(files, "data/*", "data/a.*", "**/*.csv") == ["data/a.csv"]


def test_links_to_files_are_followed_and_links_to_folders_are_not_entered(files, put, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.csv").write_text("far")
    put("data/near.csv")
    (files.root / "data/link.csv").symlink_to(outside / "far.csv")
    (files.root / "data/folder").symlink_to(outside)
    (files.root / "data/loop").symlink_to(files.root / "data")
    (files.root / "data/dangling.csv").symlink_to(outside / "gone.csv")
    assert paths(files, "data/**") == ["data/link.csv", "data/near.csv"]


@pytest.mark.posix("fifo")
def test_what_is_no_regular_file_is_not_found(files, put):
    put("data/a.csv")
    os.mkfifo(files.root / "data/pipe.csv")
    (files.root / "data/folder.csv").mkdir()
    assert paths(files, "data/*.csv") == ["data/a.csv"]
    assert files.stat("data/pipe.csv") is None
    assert files.stat("data/folder.csv") is None
    assert files.stat("data/no\0name") is None


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "data/../../*", "", ".", ".."])
def test_a_pattern_cannot_leave_the_root(files, pattern):
    with pytest.raises(UsageError, match="leaves the project's folder"):
        files.files([pattern])


def test_a_pattern_that_makes_no_sense_is_refused_in_its_own_words(files):
    with pytest.raises(UsageError, match=r"data/\[z-a\]"):
        files.files(["data/[z-a]"])


# --- settled --------------------------------------------------------------------------------


@pytest.mark.posix("change times")
def test_a_file_is_settled_when_it_has_not_changed_for_the_quiet_time(files, put):
    files.quiet_seconds = 2
    file = files.stat(put("a"))
    changed = file.ctime_ns / 1e9
    assert not files.settled(file, changed + 1.9)
    assert files.settled(file, changed + 2.1)


def test_a_copy_with_an_old_modification_time_is_not_settled(files, put):
    files.quiet_seconds = 2
    file = files.stat(put("a", age=1e6))
    assert not files.settled(file)


def test_a_file_from_the_future_is_settled_when_two_looks_agree(files, put):
    files.quiet_seconds = 2
    put("a", age=-3600)
    now = time.time()
    assert not files.settled(files.stat("a"), now)
    assert not files.settled(files.stat("a"), now + 1)
    assert files.settled(files.stat("a"), now + 2.1)
    put("a", "more", age=-3600)
    assert not files.settled(files.stat("a"), now + 3)
    assert not files.settled(files.stat("a"), now + 4)
    assert files.settled(files.stat("a"), now + 5.1)


def test_the_wait_is_for_the_youngest_file_and_never_longer_than_the_quiet_time(files, put):
    files.quiet_seconds = 2
    put("old")
    put("future", age=-3600)
    changed = files.stat("old").ctime_ns / 1e9
    assert files.seconds_until_settled(["old"], changed + 0.5) == pytest.approx(1.5, abs=0.01)
    assert files.seconds_until_settled(["old", "future"], changed) == 2
    assert files.seconds_until_settled(["old"], changed + 9) == 0
    assert files.seconds_until_settled(["gone"]) == 0


def test_paths_are_relative_to_the_root_where_they_lie_below_it(files, tmp_path):
    assert files.relative("data/./x/../a") == "data/a"
    assert files.relative(str(files.root / "data/a")) == "data/a"
    assert files.relative("../a") == (tmp_path / "a").as_posix()


def test_a_manager_of_a_root_that_is_a_link_finds_its_files(put, files, tmp_path):
    put("data/a.csv")
    (tmp_path / "link").symlink_to(files.root)
    assert paths(FileManager(tmp_path / "link"), "data/*") == ["data/a.csv"]


def test_where_no_time_tells_of_changes_two_looks_must_agree(put, files):
    """On Windows a copy has old times while it is still being written."""
    put("data/a.csv")
    path = files.root / "data/a.csv"
    os.utime(path, (1_000_000_000, 1_000_000_000))
    manager = FileManager(files.root, 2.0, creation_times=True)
    later = time.time() + 3600
    first = manager.stat("data/a.csv")
    assert files.settled(first, later)
    assert not manager.settled(first, later)
    assert not manager.settled(first, later + 1)
    assert manager.seconds_until_settled(["data/a.csv"], later + 0.5) == pytest.approx(1.5)
    with open(path, "a") as file:
        file.write("more")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    second = manager.stat("data/a.csv")
    assert not manager.settled(second, later + 3)
    assert manager.settled(second, later + 5)


def test_without_change_times_a_fresh_file_settles_in_the_run_that_waits_for_it(put, files):
    """The look that finds it too young is the first of the two that must agree."""
    put("data/a.csv")
    manager = FileManager(files.root, 2.0, creation_times=True)
    file = manager.stat("data/a.csv")
    now = file.mtime_ns / 1e9 + 0.1
    assert not manager.settled(file, now)
    wait = manager.seconds_until_settled(["data/a.csv"], now)
    assert wait == pytest.approx(2, abs=0.01)
    assert manager.settled(file, now + wait + 0.001)


@pytest.mark.skipif(os.sep != "\\", reason="only Windows takes backslashes in paths")
@pytest.mark.parametrize("path", [r"data\raw\a.txt", r"data\.\raw/a.txt", r"data\x\..\raw\a.txt"])
def test_a_path_with_backslashes_is_the_one_that_plans_use(files, path):
    assert files.relative(path) == "data/raw/a.txt"
    assert files.relative(os.path.join(files.root, path)) == "data/raw/a.txt"
    assert files.relative("c:/elsewhere/a.txt") == "c:/elsewhere/a.txt"


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 60 + "*b", "/".join(["**", "*a*"] * 40) + "/b", "**/" * 300 + "b", "a/**/" * 200 + "b"],
)
def test_a_pattern_takes_little_time_however_many_stars_it_has(files, put, pattern):
    """Backtracking over each of them would take longer than the universe is old."""
    put("a" * 250)
    put("/".join(["a"] * 100) + "/aaaaaaaa")
    started = time.process_time()
    assert paths(files, pattern) == []
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*ab*ab*", "aabcab", True),
        ("*ab*ab*", "aabb", False),
        ("*a*b", "aab.b", True),
        pytest.param("*[*]*x", "a*bx", True, marks=pytest.mark.posix("names")),
        ("**/a/**/b/*c", "a/x/a/y/b/c", True),
        ("**/a/b/**/b/c", "a/b/c", False),
        ("a/**/**/b", "a/b", True),
        ("**/a*/**", "x/ab/c/d", True),
    ],
)
def test_what_stands_between_two_stars_may_be_anywhere(files, put, pattern, path, matches):
    put(path)
    assert paths(files, pattern) == ([path] if matches else [])


def test_a_pattern_longer_than_any_path_is_refused(files):
    with pytest.raises(UsageError, match="longer than 4,096 characters"):
        files.files(["a*" * 3_000])
