"""The translator's work, done in this process: quick enough for many examples."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def translate() -> Callable[..., None]:
    """Translates raw files of one source below a folder to `processed`, in blocks of `block`."""
    from pipekit_translator.request import FileGroup, FileJob, Request
    from pipekit_translator.settings import Settings, Source
    from pipekit_translator.work.read import rawfile
    from pipekit_translator.work.translate import translate as work

    def run(
        root: Path, source: Source, names: Iterable[str], block: int = rawfile.BLOCK, **more: Any
    ) -> None:
        settings = Settings()
        given: dict[str, Any] = {
            "processed": "processed",
            "quarantine": "quarantine",
            "quality_file": "logs/quality.json",
            "cache": "cache",
            "workers": 1,
            "memory": settings.memory,
            "kernels": "auto",
            "timezone": settings.timezone,
            "final_after": 0.0,
            "groups": [FileGroup(format=settings.format(source, accepted=False))],
            "files": [FileJob(path=name, group=0) for name in names],
            "size": 1,
            "quality": settings.quality,
            **more,
        }
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(root):
            patch.setattr(rawfile, "BLOCK", block)
            work(Request(**given))

    return run
