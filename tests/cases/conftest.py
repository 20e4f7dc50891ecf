"""Cases of `shared/cases`: copied to a project, their settings completed, and run by `pipekit`."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

CASES = Path(__file__).resolve().parents[3] / "shared/cases"


@attrs.frozen
class Ended:
    """A finished run in a case's project: exit code, and what it printed."""

    root: Path
    code: int
    output: str

    def rows(self, instrument: str, series: str = "1m") -> list[dict[str, Any]]:
        """What is published of an instrument, in order."""
        from pyarrow.parquet import ParquetFile

        folder = self.root / "data/processed" / instrument / series
        files = sorted(folder.rglob("*.parquet"))
        return [row for file in files for row in ParquetFile(file).read().to_pylist()]

    def instruments(self) -> list[str]:
        """Those with published rows."""
        folder = self.root / "data/processed"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def same(self, expected: Mapping[str, list[dict[str, Any]]]) -> None:
        """Check that all rows are those of the case's own reading."""
        assert self.code == 0, self.output
        assert self.instruments() == sorted(expected)
        for name, rows in expected.items():
            found = self.rows(name)
            for column in rows[0]:
                assert [row[column] for row in found] == [row[column] for row in rows], column

    def values(self, instrument: str) -> list[tuple[Any, ...]]:
        """What is published of an instrument, after a run that went well: time and numbers."""
        assert self.code == 0, self.output
        return [
            (f"{row['timestamp']:%Y-%m-%d %H:%M}", *list(row.values())[1:6])
            for row in self.rows(instrument)
        ]

    def quarantine(self) -> list[dict[str, Any]]:
        """The manifest of rows that were set aside."""
        found = sorted(self.root.glob("data/quarantine/*/manifest.jsonl"))
        return [json.loads(line) for file in found for line in file.read_text("utf-8").splitlines()]


class Case:
    """A case's folder and the settings to complete its configuration with."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root

    def set(self, **edits: str) -> Case:
        """Set keys of the source to TOML values; `kind="…"` replaces or adds a line."""
        config = self.root / "pipekit.toml"
        head, mark, source = config.read_text("utf-8").partition("[[stages.translator.settings.")
        lines = (mark + source).splitlines()
        for key, value in edits.items():
            lines = [line for line in lines if line.partition("=")[0].strip() != key]
            if value:
                lines.insert(1, f"{key} = {value}")
        config.write_text(head + "\n".join(lines) + "\n", "utf-8")
        return self

    def pipekit(self, *words: str) -> Ended:
        """Run a command in the project."""
        done = subprocess.run(
            [sys.executable, "-m", "pipekit", *words],
            cwd=self.root,
            env={**os.environ, "PIPEKIT_PIPELINE_QUIET_SECONDS": "0s"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        return Ended(self.root, done.returncode, done.stdout.decode("utf-8", "replace"))

    def run(self) -> Ended:
        """Run the pipeline."""
        return self.pipekit("run")

    def expected(self) -> Mapping[str, list[dict[str, Any]]]:
        """What the case's own reading by pandas gives: rows by instrument, in order of time."""
        pytest.importorskip("pandas")
        spec = importlib.util.spec_from_file_location("expect", self.folder / "expect.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with contextlib.chdir(self.root):
            frames = module.expect()
        return {
            name: frame.sort_values("timestamp", kind="stable").to_dict("records")
            for name, frame in frames.items()
        }


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Callable[[str], Case]]:
    """A copy of a case by its number: `case("13b")`."""

    def find(number: str) -> Case:
        found = sorted(CASES.glob(f"{number}-*"))
        if not found:
            pytest.skip(f"the case {number} is not in {CASES}")
        root = tmp_path / f"{number}-{len(list(tmp_path.iterdir()))}"
        if (project := found[0] / "project").is_dir():
            shutil.copytree(project, root, copy_function=shutil.copyfile)
        root.mkdir(exist_ok=True)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return Case(found[0], root)

    return find
