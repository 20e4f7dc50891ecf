"""Work that has failed again and again and is left for a later run, as `status` shows it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.storage.failing import sentences

if TYPE_CHECKING:
    from pipekit.storage.failing import FailingWork


def backing_off(ledger: FailingWork, stages: Iterable[str], root: Path) -> dict[str, list[str]]:
    """What each stage leaves for a later run, unless it is gone or was left to others since."""
    latest = ledger.last_run()
    found = {}
    for stage in stages:
        known = [
            each
            for each in ledger.failing(stage).values()
            if each.failures > 1 and each.due > latest and (root / each.path).exists()
        ]
        if known:
            found[stage] = sentences(known, latest)
    return found
