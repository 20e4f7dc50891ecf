"""Files that a stage had consumed and that are empty or shorter now: a broken upload looks so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipekit.model.file import Input
from pipekit.model.stage import StagePlan
from pipekit.model.task import TaskResult
from pipekit.storage.ledger import Ledger, signature_size, signature_text
from pipekit.storage.troubles import Shrunk

if TYPE_CHECKING:
    from pipekit.run.current_run import CurrentRun


class ShrunkFiles:
    """Those among the inputs of a stage's plan; made before the stage consumes them again."""

    def __init__(self, run: CurrentRun, stage: str, plan: StagePlan) -> None:
        self._ledger, self._stage = run.ledger, stage
        known = [item for item in plan.inputs if item.previous is not None]
        before = {each.path: each for each in self._ledger.shrunk(stage)} if known else {}
        entries = self._ledger.entries(stage, [item.path for item in known])
        self._found: list[Shrunk] = []
        self._gone: list[str] = []
        for item in known:
            known_signature = entries[item.path].signature if item.path in entries else ""
            self._look(item, signature_size(known_signature), before.get(item.path), run.number)

    def _look(self, item: Input, size: int, known: Shrunk | None, number: int) -> None:
        """Compare a file with its size when it was consumed, and when it was longest."""
        now = item.file.size
        longest = max(size, known.before if known else 0)
        if now >= longest:
            self._gone += [item.path] if known else []
        elif known or not self._ledger.is_published(item.path):
            is_old = known is not None and now >= known.size
            run = known.run if known is not None and is_old else number
            signature = signature_text(item.file.signature)
            self._found.append(Shrunk(self._stage, item.path, signature, now, longest, run))

    def note(self, results: Iterable[TaskResult], number: int) -> list[str]:
        """Remember them; a warning about those of this run, unless the stage has one of its own."""
        self._ledger.note_shrunk(self._stage, self._found, self._gone)
        empty = {r.path for task in results for r in task.files if r.is_empty}
        new = [each for each in self._found if each.run == number and each.path not in empty]
        if not new:
            return []
        first = new[0]
        more = f" (and {len(new) - 1} more such files)" if len(new) > 1 else ""
        return [f"{first.path} became shorter: {first}{more}; check the export"]


def held_shrunk(ledger: Ledger) -> dict[str, str]:
    """Path → why it must stay."""
    return {each.path: str(each) for each in ledger.shrunk()}
