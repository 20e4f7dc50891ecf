"""The small JSON files of the state folder: read if they are whole, written as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipekit.model.text import json_text
from pipekit.worker._files import PRIVATE, open_own

LATEST = 1e11  # Unix time: the year 5138; far later ones cannot be written as a date
DAMAGE = (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading one may raise, and building values from it: a missing or damaged file."""


def read_json(path: Path, most: int) -> Any:
    """The value in the file, of at most so many bytes. Raises one of DAMAGE."""
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        return json.loads(file.read(most))


def write_json(path: Path, value: object, mode: int = PRIVATE) -> None:
    """Replace the file. Raises OSError."""
    from pipekit.worker import Publication  # most only read them

    with Publication(path, reported=False, mode=mode) as file:
        file.write(json_text(value, indent=1).encode())
