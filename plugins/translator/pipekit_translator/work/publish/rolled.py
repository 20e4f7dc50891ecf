"""Puts an instrument together from its contracts, each exchange day from one of them.

The rows of each contract are in a folder of their own, so what is made of them depends on nothing
else: neither on the order in which files arrive nor on what was published before. Nothing is
adjusted. Metadata: `pipekit.roll` is the rule, `pipekit.contracts` JSON, day -> contract.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import attrs
import numpy as np

from pipekit_translator import layout
from pipekit_translator.contracts import FRONT, MARK, parts_of, starts_of
from pipekit_translator.layout import Months
from pipekit_translator.work.assemble.buffer import Chunk
from pipekit_translator.work.publish import parquet
from pipekit_translator.work.publish.parquet import CONTRACTS_KEY, ROLL_KEY
from pipekit_translator.work.publish.publisher import PartResult, Publisher, of_days
from pipekit_translator.work.publish.unusable import UnusableError
from pipekit_translator.work.publish.volume import check_volume
from pipekit_translator.work.table import known_volume
from pipekit_translator.work.zones import Zone


class _Contract(NamedTuple):
    """The rows of a contract in a part, and its volume by day."""

    name: str
    path: str
    published: parquet.Published
    volumes: dict[str, float]


@attrs.frozen(kw_only=True)
class Rolled:
    """The contracts of a key, in the folder `contracts`.

    `rules`: those of its sources. `uncovered`: takes the days of which a table names no contract,
    or one without rows.
    """

    contracts: str
    key: str
    zone: Zone
    rules: Sequence[str]
    uncovered: list[str]

    def names(self) -> list[str]:
        """The contracts with files of this series, as names: `ES~202003`."""
        root, series = layout.of_key(self.key)
        try:
            found = os.listdir(self.contracts) if self.contracts else []
        except OSError:
            return []
        mine = [name for name in found if parts_of(name)[0] == root and MARK in name]
        return sorted(n for n in mine if os.path.isdir(f"{self.contracts}/{n}/{series.name}"))

    def check_unused(self) -> None:
        """Raises UnusableError if there are rows of contracts: others cannot be added to them."""
        series = layout.of_key(self.key)[1]
        for name in self.names():
            for folder, _, files in os.walk(f"{self.contracts}/{name}/{series.name}"):
                for file in filter(layout.covered, files):
                    if parquet.volume_type(f"{folder}/{file}", series):
                        raise UnusableError(
                            f"{self.key} is put together from contracts ({folder}/{file}), so rows "
                            "of a source without roll cannot be added: set roll and contract for "
                            "it as well, or give it another instrument"
                        )

    def publish(self, publisher: Publisher, part: str, rebuilt: Months) -> PartResult | None:
        """Publish a part as the rule says; `rebuilt`: further days to make anew.

        Raises OSError, UnusableError.
        """
        if len(self.rules) != 1:
            raise UnusableError(
                f"{self.key} is put together from contracts, and its sources have "
                f"{len(self.rules)} rules for that: set the same roll for all of them"
            )
        (rule,) = self.rules
        found = [one for name in self.names() if (one := self._contract(name, part))]
        for one in found[1:]:
            check_volume(one.path, self.key, found[0].published.volume, one.published.volume)
        taken, missing = _taken(rule, parts_of(layout.of_key(self.key)[0])[0], found)
        before = publisher.existing.read(self.key, part, self.zone, any_new=bool(found))
        old = json.loads(before.stated.get(CONTRACTS_KEY, "{}")) if before else {}
        days = {day for one in found for day in one.volumes} | set(old)
        anew = layout.union([{self.key: rebuilt}, *({self.key: layout.days_of(d)} for d in days)])
        used = [one for one in found if one.name in taken.values()]
        chunks = [pair for one in used for pair in self._chunks(one, taken)]
        stated = {ROLL_KEY: rule, CONTRACTS_KEY: _json(taken)}
        if found:
            publisher = attrs.evolve(publisher, volume=found[0].published.volume)
        result = publisher.publish(part, chunks, anew.get(self.key, {}), stated)
        self.uncovered.extend(missing)
        if result is not None:
            result.contracts, result.rule = taken, rule
        return result

    def _contract(self, name: str, part: str) -> _Contract | None:
        series = layout.of_key(self.key)[1]
        path = layout.path(self.contracts, layout.key(name, series), part)
        published = parquet.read(path, series, self.zone)
        if published is None:
            return None
        volumes: defaultdict[str, float] = defaultdict(float)
        for chunk in published.chunks:
            table = chunk.load()
            days = self.zone.days(table.time)
            volume = np.where(known_volume(table.volume), table.volume, 0)
            for day in np.unique(days).tolist():
                volumes[str(np.datetime64(day, "D"))] += float(volume[days == day].sum())
        return _Contract(parts_of(name)[1], path, published, dict(volumes))

    def _chunks(self, one: _Contract, taken: dict[str, str]) -> list[tuple[int, Chunk]]:
        """The rows of a contract on the days that are taken from it."""
        mine = [day for day, contract in taken.items() if contract == one.name]
        months = layout.union({"": layout.days_of(day)} for day in mine).get("", {})
        return [(0, of_days(c, self.zone, months, inside=True)) for c in one.published.chunks]


def _taken(rule: str, root: str, found: list[_Contract]) -> tuple[dict[str, str], list[str]]:
    """The contract of each day, and the days of which the table has none with rows."""
    days = sorted({day for one in found for day in one.volumes})
    there = {day: {one.name: one.volumes[day] for one in found if day in one.volumes}
             for day in days}  # fmt: skip
    if rule == FRONT:  # of equal volumes, the contract that ends first
        return {day: max(sorted(of), key=of.__getitem__) for day, of in there.items()}, []
    starts = starts_of(rule, root)
    taken, missing = {}, []
    for day, of in there.items():
        begun = [start.contract for start in starts if start.day <= day]
        if begun and begun[-1] in of:
            taken[day] = begun[-1]
        else:
            missing.append(day)
    return taken, missing


def _json(taken: dict[str, str]) -> str:
    return json.dumps(taken, separators=(",", ":"), sort_keys=True)
