"""Records, ledgers and files for the tests of the core."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipekit.model.records import FileRecord
from pipekit.storage.files import FileManager
from pipekit.storage.ledger import Ledger, signature_text


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "state/state.db") as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> FileManager:
    """The files of an empty project, settled at once."""
    (tmp_path / "root").mkdir()
    return FileManager(tmp_path / "root", quiet_seconds=0)


@pytest.fixture
def put(files: FileManager) -> Callable[..., str]:
    """Write a file into the project, changed `age` seconds ago; returns its path."""

    def write(path: str, text: str = "text", age: float | None = None) -> str:
        file = files.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if age is not None:
            then = file.stat().st_mtime - age
            os.utime(file, (then, then))
        return path

    return write


@pytest.fixture
def reported(files: FileManager) -> Callable[..., FileRecord]:
    """What a worker says of a file that is there."""

    def record(verb: str, path: str, **more: Any) -> FileRecord:
        stat = files.stat(path)
        signature = "" if stat is None else signature_text(stat.signature)
        detail = json.dumps(more.pop("detail", {}))
        given = {"verb": verb, "path": path, "signature": signature, "detail": detail}
        return FileRecord(**{**given, **more})

    return record
