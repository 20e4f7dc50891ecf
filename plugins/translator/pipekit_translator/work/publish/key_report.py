"""What is told of each key once it is published: rows, duplicates, and the quality of the data."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pipekit.worker import report, staged
from pipekit_translator import layout
from pipekit_translator.contracts import MARK
from pipekit_translator.settings import Quality
from pipekit_translator.work.publish import quality
from pipekit_translator.work.publish.publisher import PartResult
from pipekit_translator.work.zones import Zone

_NAMED = 5  # days in a message


class KeyReports:
    """Reports on keys. `timezone`: the exchange's.

    `uncovered`: by key that is put together from contracts, days without the one of the table.
    """

    def __init__(self, rules: Quality, timezone: str) -> None:
        self._rules = rules
        self._zone = Zone(timezone)
        self._within: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._quality: dict[str, dict[str, float]] = {}
        self.uncovered: defaultdict[str, list[str]] = defaultdict(list)

    def note_repeated(self, repeated: Mapping[str, tuple[int, int]]) -> None:
        """Note, by key, the duplicates and conflicts within a file."""
        for key, counts in repeated.items():
            self._within[key].append(counts)

    def report(self, key: str, results: Sequence[PartResult], *, files: int) -> None:
        """Tell what has become of a key, which so many files feed."""
        series = layout.of_key(key)[1]
        written = [result for result in results if result.publication.changed]
        report.metric(f"{series.part}s_written", len(written))
        report.metric(f"{series.part}s_unchanged", len(results) - len(written))
        report.metric(f"{series.noun}_added", sum(result.added for result in written))
        report.metric(f"{series.noun}_changed", sum(result.changed for result in written))
        report.metric(f"{series.noun}_removed", sum(result.removed for result in written))
        if MARK not in key:  # a contract that is far from its end has more gaps than bars
            self._examine(key, results, self._repeated(key, results, files))
        if days := sorted(self.uncovered.get(key, ())):
            more = f" and {len(days) - _NAMED} more" if len(days) > _NAMED else ""
            report.warning(
                f"{key}: the contract that roll names has no rows on {', '.join(days[:_NAMED])}"
                f"{more}, but others have: these days are not published. Add its files, or correct "
                "the table"
            )

    def _repeated(self, key: str, results: Sequence[PartResult], files: int) -> dict[str, float]:
        within = self._within[key]
        duplicates = sum(result.duplicates for result in results) + sum(n for n, _ in within)
        conflicts = sum(result.conflicts for result in results)
        in_one_file = sum(n for _, n in within) + (conflicts if files == 1 else 0)
        between = sum(result.restated for result in results) + (conflicts if files > 1 else 0)
        counts: dict[str, float] = {"duplicates": duplicates, "conflicts": in_one_file + between}
        return counts | ({"conflicts_in_one_file": in_one_file} if in_one_file else {})

    def _examine(
        self, key: str, results: Sequence[PartResult], counts: Mapping[str, float]
    ) -> None:
        whole = quality.Statistics(key, self._zone, self._rules)
        for result in results:
            whole.append(result.statistics)
        numbers = self._quality[key] = {**whole.numbers(), **counts}
        for name, value in numbers.items():
            report.metric(name, value)
        if findings := quality.findings(numbers, self._rules):
            instrument = layout.of_key(key)[0]
            report.warning(f"{key}: {'; '.join(findings)}", instrument=instrument, **numbers)

    def write_quality(self, path: str) -> None:
        """Write the quality report of all keys. Raises OSError."""
        if self._quality:
            there = staged(path)
            os.makedirs(os.path.dirname(there), exist_ok=True)
            with open(there, "w", encoding="utf-8", newline="\n") as file:
                json.dump(self._quality, file, indent=1, sort_keys=True)
