"""What all peers of the merge are given: the run files in order, the key, and a month's path."""

from __future__ import annotations

from pathlib import Path

KEY = ["variant", "date", "session", "slot", "instrument"]


def files(source: Path) -> list[Path]:
    """The run files, older runs first."""
    return sorted(path for path in source.glob("*/*.parquet") if path.parent.name != "merged")


def month_file(target: Path, stream: str, year: int, month: int) -> Path:
    """The file of a month of a stream, in a folder that is there."""
    path = target / stream / f"{year}" / f"{stream}_{year}_{month:02}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
