"""The compiled kernel's folder: filled once, mended when damaged, done without if need be."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Prints how many rows were read the quick way, how often machine code was loaded, and for how many
# kinds of arguments there is any
USE = """
import sys
from pipekit_translator import kernel as module
from pipekit_translator.kernel import Kernel
from pipekit_translator.parse import Parser
from pipekit_translator.settings import Settings, Source

source = Source(glob="*", dialect="D")
module.BESIDE = sys.argv[2] if len(sys.argv) > 2 else sys.argv[1]
kernel = Kernel(sys.argv[1])
parser = Parser(Settings().reading(source, accepted=True), "ES_1m.csv", {}, kernel)
parser.header(b"timestamp_utc,open,high,low,close,volume")
block = memoryview(bytearray(b"2020-01-06T09:30:00Z,1.25,2,1,1.5,106\\n" * 3))
rows = parser.scan(block).local.size
print(rows, sum(kernel._scan.stats.cache_hits.values()), len(kernel._scan.signatures))
"""
MADE, LOADED = "3 0 1", "3 1 1"


def use(folder: Path, *beside: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", USE, str(folder), *map(str, beside)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with machine code in it."""
    folder = tmp_path_factory.mktemp("kept") / "translator"
    assert use(folder) == MADE
    return folder


def other_version(data: bytes) -> bytes:
    """An index as another numba writes it: its number first, then what only that can read."""
    return pickle.dumps("0.1.0") + b"what nobody can read"


def page_of_zeros(data: bytes) -> bytes:
    """As after a power failure: the file has its length, but not all of its blocks."""
    middle = len(data) // 2
    return data[:middle] + bytes(min(4096, middle // 2)) + data[middle + min(4096, middle // 2) :]


DAMAGES = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "random": lambda data: random.Random(1).randbytes(len(data)),
    "a page of zeros": page_of_zeros,
}


def damaged(kept: Path, tmp_path: Path, ending: str, damage) -> Path:
    folder = tmp_path / "translator"
    shutil.copytree(kept, folder)
    files = list(folder.rglob(f"*.{ending}"))
    assert files
    for file in files:
        file.write_bytes(damage(file.read_bytes()))
    return folder


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_machine_code_is_made_anew(kept, tmp_path, ending, damage):
    folder = damaged(kept, tmp_path, ending, DAMAGES[damage])
    assert use(folder) == MADE
    assert use(folder) == LOADED


def test_a_damaged_sum_costs_time_alone(kept, tmp_path):
    folder = damaged(kept, tmp_path, "sum", DAMAGES["empty"])
    assert use(folder) == MADE
    assert use(folder) == LOADED


def test_an_index_of_another_version_is_replaced(kept, tmp_path):
    folder = damaged(kept, tmp_path, "nbi", other_version)
    assert use(folder) == MADE
    assert use(folder) == LOADED


def test_what_has_a_right_sum_and_cannot_be_read_is_made_anew(kept, tmp_path):
    """As it was written, so no damage that a sum shows: what numba raises counts as well."""
    from pipekit.worker import fingerprint

    folder = damaged(kept, tmp_path, "nbc", DAMAGES["random"])
    for file in folder.rglob("*.nbc"):
        Path(f"{file}.sum").write_text(fingerprint(file))
    assert use(folder) == MADE
    assert use(folder) == LOADED


def test_damage_that_cannot_be_removed_is_gone_around(kept, tmp_path):
    """A folder has the name of the file: nobody can write there, whoever asks."""
    folder = tmp_path / "translator"
    shutil.copytree(kept, folder)
    for file in folder.rglob("*.nbc"):
        file.unlink()
        (file / "in the way").mkdir(parents=True)
    assert use(folder) == MADE
    assert use(folder) == MADE


def test_files_of_others_in_a_shared_folder_are_left_alone(kept, tmp_path):
    """NUMBA_CACHE_DIR may be the place of a user's own programs."""
    folder = damaged(kept, tmp_path, "nbc", DAMAGES["cut short"])
    (place,) = {file.parent for file in folder.rglob("*.nbc")}
    theirs = place / "theirs.function-1.py311.1.nbc"
    theirs.write_bytes(b"of another program")
    assert use(tmp_path / "unused", NUMBA_CACHE_DIR=str(folder)) == MADE
    assert theirs.read_bytes() == b"of another program"
    assert sorted(file.name for file in place.iterdir() if "theirs" in file.name) == [theirs.name]
    assert not (tmp_path / "unused").exists()


def test_what_cannot_be_kept_beside_the_module_is_kept_in_the_projects_folder(kept, tmp_path):
    (tmp_path / "file").touch()  # so that no folder can be made there, whoever asks
    assert use(kept, tmp_path / "file" / "beside") == LOADED
    assert use(tmp_path / "unused", kept) == LOADED
    assert not (tmp_path / "unused").exists()
