"""The compiled kernel's folder: filled once, mended when damaged, done without if need be."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

# By numba itself. Prints how many rows were read the quick way, how often machine code was loaded,
# and for how many kinds of arguments there is any
USE = """
import sys
from pipekit import machinecode
from pipekit_translator import kernel, machine
from pipekit_translator.work.parse.parser import Parser
from pipekit_translator.settings import Settings, Source

source = Source(glob="*", dialect="D")
def rows(kernel):
    parser = Parser(Settings().format(source, accepted=True), "ES_1m.csv", {}, kernel)
    parser.header(b"timestamp_utc,open,high,low,close,volume")
    block = memoryview(bytearray(b"2020-01-06T09:30:00Z,1.25,2,1,1.5,106\\n" * 3))
    return parser.scan(block).local.size
beside = sys.argv[2] if len(sys.argv) > 2 else sys.argv[1]
"""
BY_NUMBA = f"""{USE}
class ByNumba(kernel.Kernel):
    def __init__(self):
        self._scan = machine.by_numba(machinecode.place(beside, sys.argv[1]))
kernel = ByNumba()
print(rows(kernel), sum(kernel._scan.stats.cache_hits.values()), len(kernel._scan.signatures))
"""
MADE, LOADED = "3 0 1", "3 1 1"

# As it is used. Prints the rows, and whether numba was needed
ALONE = f"""{USE}
kernel.BESIDE = beside
print(rows(kernel.Kernel(sys.argv[1])), "numba" in sys.modules)
"""
ANEW, WITHOUT = "3 True", "3 False"


def use(folder: Path, *beside: Path, program: str = BY_NUMBA, said: str = "", **env: str) -> str:
    """What such a process prints; on standard error it begins with what it `said`."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), *map(str, beside)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(said) if said else not done.stderr
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


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with machine code in it that needs no numba."""
    folder = tmp_path_factory.mktemp("alone") / "translator"
    assert use(folder, program=ALONE) == ANEW
    return folder


def test_what_numba_made_once_is_loaded_without_it(alone):
    assert use(alone, program=ALONE) == WITHOUT


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_object_code_is_made_anew(alone, tmp_path, damage):
    folder = damaged(alone, tmp_path, "o", DAMAGES[damage])
    assert use(folder, program=ALONE) == ANEW
    assert use(folder, program=ALONE) == WITHOUT


def test_object_code_goes_where_a_variable_says(alone, tmp_path):
    unused = tmp_path / "unused"
    assert use(unused, program=ALONE, NUMBA_CACHE_DIR=str(alone)) == WITHOUT
    assert not unused.exists()


def test_without_any_folder_the_code_is_made_each_time(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "in the way"
    assert use(folder, program=ALONE) == ANEW
    assert use(folder, program=ALONE) == ANEW


def test_what_cannot_stand_alone_is_left_to_numba(alone, tmp_path):
    """With its checks of bounds numba needs the interpreter for what they raise, and says so."""
    folder = tmp_path / "translator"
    reason = "scan is loaded by numba, which takes 0.3 s more: ValueError: scan needs NRT_"
    checked = {"program": ALONE, "said": reason, "NUMBA_BOUNDSCHECK": "1"}
    assert use(folder, **checked) == ANEW
    assert not list(folder.rglob("*.o"))
    assert list(folder.rglob("*.nbc"))


def test_code_of_other_sources_is_not_used(tmp_path):
    """The name of its file says what it was made of."""
    import numba
    import numpy as np

    from pipekit.machinecode import alone

    def adding(number):
        def add(sums, one):
            numba.carray(sums, (1,))[0] = one + number

        whole = numba.types.int64
        return numba.cfunc(numba.types.void(numba.types.CPointer(whole), whole))(add)

    source, sums = tmp_path / "source.py", np.zeros(1, np.int64)
    for text, number, expected in (("1", 1, 41), ("1", 2, 41), ("2", 2, 42)):
        source.write_text(text)
        add = alone("add", [str(source)], str(tmp_path), partial(adding, number), 1, 1)
        add(sums.ctypes.data, 40)
        assert sums[0] == expected
