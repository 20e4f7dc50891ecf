"""Compares what the demo has published on Windows with what it publishes on Linux, to the byte."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

_PUBLISHED = ("data/processed", "data/analyzer_runs/merged")


def compare(windows: Path, linux: Path) -> bool:
    """Run the demo here too; whether each published file is there with the same bytes."""
    subprocess.run(
        [sys.executable, "-m", "pipekit", "demo", linux], check=True, capture_output=True
    )
    theirs, ours = _digests(windows), _digests(linux)
    different = sorted(set(theirs.items()) ^ set(ours.items()))
    for path, digest in different:
        print(f"different: {path} ({'Windows' if theirs.get(path) == digest else 'Linux'})")
    print(f"{len(ours)} files compared, {len({path for path, _ in different})} different")
    return bool(ours) and not different


def _digests(project: Path) -> dict[str, str]:
    return {
        path.relative_to(project).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in _PUBLISHED
        for path in sorted((project / folder).rglob("*"))
        if path.is_file()
    }
