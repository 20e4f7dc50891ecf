"""Workers of the translator as processes, given a request without a plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from pipekit_translator.plan import ENVIRONMENT, WORKER
from pipekit_translator.request import FileGroup, FileJob, Request
from pipekit_translator.settings import Settings, Source

from pipekit import Command

MAIN = "from pipekit_translator.worker import main; main([])"


@attrs.frozen
class Worker:
    """Runs the worker over the raw files of a folder."""

    root: Path
    source: Source
    cache: Path

    def write(self, name: str, text: str) -> str:
        """A raw file that has not changed for years."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (1_700_000_000,) * 2)
        return name

    def stdin(self, *names: str, **more: Any) -> bytes:
        settings = Settings()
        given: dict[str, Any] = {
            "processed": "processed",
            "quarantine": "quarantine",
            "quality_file": "logs/quality.json",
            "cache": "cache",
            "workers": 2,
            "memory": settings.memory,
            "kernels": "auto",
            "timezone": settings.timezone,
            "final_after": 0.0,
            "groups": [FileGroup(format=settings.format(self.source, accepted=True))],
            "files": [FileJob(path=name, group=0) for name in names],
            "size": sum((self.root / name).stat().st_size for name in names),
            "quality": settings.quality,
            **more,
        }
        stdin = Command.python(WORKER, request=Request(**given)).stdin
        assert stdin is not None
        return stdin

    def run(
        self, *names: str, code: str = MAIN, words: tuple[str, ...] = (), **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """A process that executes `code`; its report is in `lines`."""
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.root,
            input=self.stdin(*names, **more),
            env={
                **os.environ,
                **ENVIRONMENT,
                "PIPEKIT_REPORT": str(self.root / "report.jsonl"),
                "NUMBA_CACHE_DIR": str(self.cache),
            },
            capture_output=True,
            timeout=150,
            check=False,
        )

    def lines(self) -> list[dict[str, Any]]:
        """What the last worker reported; the next one begins anew."""
        report = self.root / "report.jsonl"
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        report.unlink()
        return lines

    def warnings(self) -> list[str]:
        return [line["msg"] for line in self.lines() if line["verb"] == "warning"]

    def tree(self) -> dict[str, bytes]:
        """The published files; others, with a dot, belong to attempts that died."""
        files = (self.root / "processed").rglob("*.parquet")
        return {f.name: f.read_bytes() for f in files if not f.name.startswith(".")}


@pytest.fixture(scope="session")
def kernels_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the kernel is compiled once for all of these tests."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def worker(tmp_path: Path, kernels_cache: Path) -> Callable[..., Worker]:
    """Makes a worker for one source; `folder` tells several of them apart."""

    def make(source: Source, folder: str = "project", cache: Path = kernels_cache) -> Worker:
        (tmp_path / folder).mkdir()
        return Worker(tmp_path / folder, source, cache)

    return make
