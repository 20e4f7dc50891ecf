"""Reads journals as the programs of users do: the complete lines, each a JSON object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipekit.storage.journal import parsed_record
from pipekit.worker._files import open_own


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a journal, without an incomplete last line. Raises OSError."""
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            record = parsed_record(line)
            if record is not None:
                yield record
