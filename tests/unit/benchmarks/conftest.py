"""Benchmarks are scripts in folders of their own: import their modules as they do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """A module of a benchmark, by folder and name; forgotten afterwards, since names repeat."""
    before, path = set(sys.modules), list(sys.path)

    def load(folder: str, name: str) -> ModuleType:
        sys.path[:0] = [str(BENCHMARKS / folder), str(BENCHMARKS)]
        return importlib.import_module(name)

    yield load
    sys.path[:] = path
    for name, found in list(sys.modules.items()):
        file = getattr(found, "__file__", None) or ""
        if name not in before and file.startswith(str(BENCHMARKS)):
            del sys.modules[name]
