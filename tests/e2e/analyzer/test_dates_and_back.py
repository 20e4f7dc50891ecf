"""Bars that change, are computed for some dates, and are then as they were before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def pipekit(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", *words],
        cwd=root,
        env={**os.environ, "PIPEKIT_PIPELINE_QUIET_SECONDS": "0s"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def test_results_are_those_of_the_bars_that_are_there(tmp_path: Path) -> None:
    pipekit(tmp_path, "demo")
    (root,) = tmp_path.iterdir()
    file = root / "data/raw/daily/ES/1m/2024/02/ES_1m_2024-02-15.csv"
    right = file.read_text("utf-8")
    wrong = right.replace(",48", ",49")  # a hundred points more
    assert wrong != right

    def rows(text: str, *words: str) -> str:
        file.write_text(text, "utf-8")
        pipekit(root, "run", *words)
        return pipekit(root, "results", "--rows", "--csv")

    rows(right)
    first = rows(wrong)
    assert rows(right, "--rebuild", "--dates", "2024-02-14:2024-02-20") != first
    assert rows(wrong) == first
