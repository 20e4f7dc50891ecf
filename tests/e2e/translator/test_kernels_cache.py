"""The cache of compiled functions: filled once, repaired when damaged, not needed."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipekit.worker import fingerprint

MODULE = """
import sys
from pipekit_kernels import compiled

def twice(number):
    return number + part(number)

def part(number):
    return number

if __name__ == "__main__":
    beside, otherwise = sys.argv[1:]
    found = compiled(
        twice, parts=[part], warm_up=lambda f: f(1), beside=beside, otherwise=otherwise, seconds=1
    )
    print(found(21), sum(found.stats.cache_hits.values()), len(found.signatures))
"""
COMPILED, LOADED = "42 0 1", "42 1 1"
ANNOUNCED = "compiling the kernel 'twice' for this machine (once, about 1 s)"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("module") / "twice.py"
    path.write_text(MODULE)
    return path


def use(module: Path, folder: Path, beside: Path | None = None, **env: str) -> str:
    """What such a process prints; it must announce what it compiles."""
    report = folder.parent / "report.jsonl"
    report.unlink(missing_ok=True)
    beside = beside or folder.parent / "not-a-folder" / "module.py"
    (folder.parent / "not-a-folder").touch()  # nothing can be written beside the module
    done = subprocess.run(
        [sys.executable, module, beside, folder],
        env={**os.environ, "PIPEKIT_REPORT": str(report), **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    said = report.read_text() if report.exists() else ""
    assert said.count(ANNOUNCED) == (done.stdout.strip() == COMPILED)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def kept(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled cache."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    assert use(module, folder) == COMPILED
    return folder


def other_version(_data: bytes) -> bytes:
    """An index as another numba writes it: its number first, then what only that can read."""
    return pickle.dumps("0.1.0") + b"what nobody can read"


def page_of_zeros(data: bytes) -> bytes:
    """As after a power failure: the file has its length, but not all of its blocks."""
    middle = len(data) // 2
    return data[:middle] + bytes(min(4096, middle // 2)) + data[middle + min(4096, middle // 2) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "random": lambda data: random.Random(1).randbytes(len(data)),
    "a page of zeros": page_of_zeros,
}


def damaged(kept: Path, tmp_path: Path, ending: str, damage: Callable[[bytes], bytes]) -> Path:
    folder = tmp_path / "cache"
    shutil.copytree(kept, folder)
    files = list(folder.rglob(f"*.{ending}"))
    assert files
    for file in files:
        file.write_bytes(damage(file.read_bytes()))
    return folder


@pytest.mark.parametrize(
    ("ending", "damage"), [*(("nbc", damage) for damage in DAMAGES), ("nbi", "cut short")]
)
def test_damaged_code_is_compiled_again(
    module: Path, kept: Path, tmp_path: Path, ending: str, damage: str
) -> None:
    folder = damaged(kept, tmp_path, ending, DAMAGES[damage])
    assert use(module, folder) == COMPILED
    assert use(module, folder) == LOADED


def test_a_damaged_checksum_costs_only_time(module: Path, kept: Path, tmp_path: Path) -> None:
    folder = damaged(kept, tmp_path, "sum", DAMAGES["empty"])
    assert use(module, folder) == COMPILED
    assert use(module, folder) == LOADED


def test_an_index_of_another_version_is_replaced(module: Path, kept: Path, tmp_path: Path) -> None:
    folder = damaged(kept, tmp_path, "nbi", other_version)
    assert use(module, folder) == COMPILED
    assert use(module, folder) == LOADED


def test_code_with_a_right_checksum_that_cannot_be_read_is_compiled_again(
    module: Path, kept: Path, tmp_path: Path
) -> None:
    """It was written that way, so no checksum shows the damage, but numba raises."""
    folder = damaged(kept, tmp_path, "nbc", DAMAGES["random"])
    for file in folder.rglob("*.nbc"):
        Path(f"{file}.sum").write_text(fingerprint(file))
    assert use(module, folder) == COMPILED
    assert use(module, folder) == LOADED


def test_damage_that_cannot_be_removed_is_worked_around(
    module: Path, kept: Path, tmp_path: Path
) -> None:
    """A folder has the name of the file: nobody can write there, not even root."""
    folder = tmp_path / "cache"
    shutil.copytree(kept, folder)
    for file in folder.rglob("*.nbc"):
        file.unlink()
        (file / "in the way").mkdir(parents=True)
    assert use(module, folder) == COMPILED
    assert use(module, folder) == COMPILED


def test_files_of_others_in_a_shared_folder_are_left_alone(
    module: Path, kept: Path, tmp_path: Path
) -> None:
    """NUMBA_CACHE_DIR may hold the code of a user's own programs."""
    folder = damaged(kept, tmp_path, "nbc", DAMAGES["cut short"])
    (place,) = {file.parent for file in folder.rglob("*.nbc")}
    theirs = place / "theirs.function-1.py311.1.nbc"
    theirs.write_bytes(b"of another program")
    assert use(module, tmp_path / "unused", NUMBA_CACHE_DIR=str(folder)) == COMPILED
    assert theirs.read_bytes() == b"of another program"
    assert sorted(file.name for file in place.iterdir() if "theirs" in file.name) == [theirs.name]
    assert not (tmp_path / "unused").exists()


def test_the_code_is_kept_beside_the_module_if_that_is_possible(
    module: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "package" / "module.py"
    beside.parent.mkdir()
    assert use(module, tmp_path / "unused", beside) == COMPILED
    assert use(module, tmp_path / "unused", beside) == LOADED
    assert not (tmp_path / "unused").exists()


def test_a_cache_folder_that_cannot_be_written_is_no_hindrance(
    module: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    folder.touch()  # a file where the folder should be
    assert use(module, folder) == COMPILED
