"""The compiled kernel's folder: filled once, mended when damaged, done without where none is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Prints whether the machine code was loaded (1) or made (0), and a trade's outcome under it
USE = """
import sys
import numpy as np
from pipekit_analyzer import compiled
from pipekit_analyzer.kernel import Bars
from pipekit_analyzer.strategy import Data, Rules, Windows, analyse

compiled.BESIDE = sys.argv[1]
compiler = compiled.Compiler(sys.argv[2])
compiler.begin()
columns = np.array([(100, 102, 121), (90, 99, 99), (95, 101, 110)], np.int64)
edges = (np.array([edge], np.int64) for edge in (0, 1, 9, 9))
bars = Bars(np.arange(3), *columns)
(out,) = analyse(bars, Windows(*edges), Data(9, 9), [Rules(20, 13, 60)], compiler, many=0)
print(sum(compiler().stats.cache_hits.values()), *(int(column[0]) for column in out))
"""
MADE, LOADED = "0 1 1 1 2 101 121 10 20 20 100 90 1", "1 1 1 1 2 101 121 10 20 20 100 90 1"


def start(beside: Path, folder: Path, **env: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", USE, str(beside), str(folder)]
    return subprocess.Popen(
        words, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def use(beside: Path, folder: Path, **env: str) -> str:
    out, errors = start(beside, folder, **env).communicate(timeout=100)
    assert not errors
    return out.strip()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder in which two processes that began at once have put their machine code."""
    folder = tmp_path_factory.mktemp("kept") / "numba"
    both = [start(folder, folder) for _ in range(2)]
    for process in both:
        out, errors = process.communicate(timeout=100)
        assert not errors
        assert out.strip() in (MADE, LOADED)
    return folder


@pytest.fixture
def nowhere(tmp_path):
    """A folder that cannot be made, whoever asks: there is a file in the way."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "folder"


def test_what_was_made_is_loaded(kept, tmp_path):
    assert use(kept, tmp_path) == LOADED
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_kept_beside_the_module_is_kept_in_the_projects_folder(
    kept, tmp_path, nowhere
):
    shutil.copytree(kept, tmp_path / "state")
    assert use(nowhere, tmp_path / "state") == LOADED


def test_without_any_folder_of_ours_it_works_all_the_same(nowhere):
    """numba may know a place; where it knows none, what is compiled serves this process."""
    assert use(nowhere, nowhere) in (MADE, LOADED)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_machine_code_is_made_anew(kept, tmp_path, suffix):
    folder = tmp_path / "numba"
    shutil.copytree(kept, folder)
    for file in folder.rglob(f"*.{suffix}"):
        file.write_bytes(file.read_bytes()[:100])
    assert use(folder, folder) == MADE
    assert use(folder, folder) == LOADED


def test_another_processor_does_not_get_the_code_of_this_one(kept, tmp_path):
    folder = tmp_path / "numba"
    shutil.copytree(kept, folder)
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert use(folder, folder, **other) == MADE
    assert use(folder, folder, **other) == use(folder, folder) == LOADED


def test_the_variable_of_numba_names_another_place(kept, tmp_path, nowhere):
    shutil.copytree(kept, tmp_path / "mine")
    assert use(nowhere, nowhere, NUMBA_CACHE_DIR=str(tmp_path / "mine")) == LOADED
