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
from pipekit import machinecode
from pipekit_analyzer import compiled, machine
from pipekit_analyzer.kernel import Bars, Data, Windows
from pipekit_analyzer.strategy import Rules, analyse

way, *folders = sys.argv[1:]
if way == "numba":
    kernel = machine.by_numba(machinecode.place(*folders))
    compiler = lambda: kernel
else:
    compiled.BESIDE = folders[0]
    compiler = compiled.Compiler(folders[1])
    compiler.begin()
columns = np.array([(100, 102, 121), (90, 99, 99), (95, 101, 110)], np.int64)
edges = (np.array([edge], np.int64) for edge in (0, 1, 9, 9))
bars = Bars(np.arange(3), *columns)
(out,) = analyse(bars, Windows(*edges), Data(9, 9), [Rules(20, 13, 60)], compiler, many=0)
loaded = sum(kernel.stats.cache_hits.values()) if way == "numba" else "numba" not in sys.modules
print(int(loaded), *(int(column[0]) for column in out))
"""
MADE, LOADED = "0 1 1 1 2 101 121 10 20 20 100 90 1", "1 1 1 1 2 101 121 10 20 20 100 90 1"


@pytest.fixture(scope="module", params=["alone", "numba"])
def way(request):
    """Without numba where that can be, as it is used; or by numba itself."""
    return request.param


def start(way: str, beside: Path, folder: Path, **env: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", USE, way, str(beside), str(folder)]
    return subprocess.Popen(
        words, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def use(way):
    """What such a process prints."""

    def run(beside: Path, folder: Path, **env: str) -> str:
        out, errors = start(way, beside, folder, **env).communicate(timeout=100)
        assert not errors
        return out.strip()

    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory, way):
    """A folder in which two processes that began at once have put their machine code."""
    folder = tmp_path_factory.mktemp("kept") / "numba"
    both = [start(way, folder, folder) for _ in range(2)]
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


def test_what_was_made_is_loaded(use, kept, tmp_path):
    assert use(kept, tmp_path) == LOADED
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_kept_beside_the_module_is_kept_in_the_projects_folder(
    use, kept, tmp_path, nowhere
):
    shutil.copytree(kept, tmp_path / "state")
    assert use(nowhere, tmp_path / "state") == LOADED


def test_without_any_folder_of_ours_it_works_all_the_same(use, nowhere):
    """numba may know a place; where it knows none, what is compiled serves this process."""
    assert use(nowhere, nowhere) in (MADE, LOADED)


def test_damaged_machine_code_is_made_anew(use, kept, tmp_path):
    suffixes = {file.suffix for file in kept.rglob("*") if file.is_file()}
    assert ".sum" in suffixes
    for suffix in suffixes:
        folder = tmp_path / suffix
        shutil.copytree(kept, folder)
        for file in folder.rglob(f"*{suffix}"):
            file.write_bytes(file.read_bytes()[:30])
        assert use(folder, folder) == MADE, suffix
        assert use(folder, folder) == LOADED, suffix


def test_another_processor_does_not_get_the_code_of_this_one(way, use, kept, tmp_path):
    if way == "alone":
        pytest.skip("its file's name says which processor it is for, and no variable says another")
    folder = tmp_path / "numba"
    shutil.copytree(kept, folder)
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert use(folder, folder, **other) == MADE
    assert use(folder, folder, **other) == use(folder, folder) == LOADED


def test_the_variable_of_numba_names_another_place(use, kept, tmp_path, nowhere):
    shutil.copytree(kept, tmp_path / "mine")
    assert use(nowhere, nowhere, NUMBA_CACHE_DIR=str(tmp_path / "mine")) == LOADED
