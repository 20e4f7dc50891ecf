"""What peers share: how files are written, and one statement of duckdb."""

from __future__ import annotations

import sys
from pathlib import Path

ZSTD = {"compression": "zstd", "compression_level": 1}
KEY = ["variant", "date", "session", "slot", "instrument"]


def run_files(source: Path) -> list[Path]:
    """The run files, older runs first."""
    return sorted(path for path in source.glob("*/*.parquet") if path.parent.name != "merged")


def month_file(target: Path, stream: str, year: int, month: int) -> Path:
    """The file of a month of a stream, in a folder that is there."""
    path = target / stream / f"{year}" / f"{stream}_{year}_{month:02}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def instrument_folder(source: Path, target: Path) -> Path:
    """Where an export's months go; its name begins those of the files."""
    folder = target / source.name.split("_")[1]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def copy_with_duckdb(statements: str, **words: object) -> None:
    """Run statements that have {source}, {target} and these words, with the threads asked for."""
    import duckdb

    source, target, cores = sys.argv[1:4]
    Path(target).mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute(f"set threads = {cores}")
    database.execute(statements.format(source=source, target=target, **words))
