"""Which contract rows are of, what they become part of, and which files are of a second one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from pipekit_translator import layout
from pipekit_translator.contracts import (
    CODED,
    SEPARATE,
    decided,
    named,
    parts_of,
    root_of,
    with_contract,
)
from pipekit_translator.dialects import FileFormat
from pipekit_translator.work.table import Ints
from pipekit_translator.work.zones import Zone

_REMEDY = (
    'Contracts are not mixed: set roll for the source, to "front" (each day from the contract with '
    'the most volume), "separate" (each an instrument of its own) or a table of dates'
)


def split(name: str, time: Ints, zone: Zone) -> Iterator[tuple[str, Ints | slice]]:
    """The contracts of rows of a name, each with its rows; an empty one if the name has none."""
    code = parts_of(name)[1]
    if len(code) != CODED:
        yield code, slice(None)
        return
    months = zone.days(time).astype("M8[D]").astype("M8[M]").astype(np.int64)
    found: dict[str, list[int]] = {}
    for month in np.unique(months).tolist():
        contract = decided(code, 1970 + month // 12, month % 12 + 1)
        found.setdefault(contract, []).append(month)
    for contract, of in found.items():
        yield contract, np.flatnonzero(np.isin(months, of))


def target(format: FileFormat, name: str, contract: str) -> str:
    """What the rows of a contract become part of: the root, or the contract."""
    root = parts_of(name)[0]
    if not contract or not format.roll:
        return root
    return f"{root}-{contract}" if format.roll == SEPARATE else with_contract(root, contract)


def note(found: dict[str, set[str]], format: FileFormat, target: str, contract: str) -> None:
    """Note which contract a key has rows of, where contracts are not kept apart."""
    if contract and not format.roll:
        found.setdefault(layout.key(target, format.series_written), set()).add(contract)


def of_one_file(key: str, contracts: Collection[str]) -> str:
    """Why a file with several contracts of a root is rejected."""
    root = root_of(layout.of_key(key)[0])
    return f"it holds several contracts of {root}: {named(contracts)}. {_REMEDY}"


def refused_files(
    noted: Mapping[int, Mapping[str, str]],
    known: Mapping[str, str],
    paths: list[str],
    is_other: Callable[[str, Collection[int]], bool],
) -> dict[int, str]:
    """The files of another contract than the one that their key has, and why they are rejected.

    `noted`: by file, the contracts of its keys. `known`: by key, the contract that it has so far.
    Of several new ones the earliest is taken, unless `is_other`: the rows of these files are not
    those that are published.
    """
    others: set[tuple[str, str]] = set()
    while True:
        refused = _second_ones(noted, known, paths, others)
        new: dict[tuple[str, str], list[int]] = {}
        for file in noted.keys() - refused:
            for pair in noted[file].items():
                if pair[0] not in known:
                    new.setdefault(pair, []).append(file)
        wrong = {pair for pair, files in new.items() if is_other(pair[0], files)}
        if not wrong:
            return refused
        others |= wrong


def _second_ones(
    noted: Mapping[int, Mapping[str, str]],
    known: Mapping[str, str],
    paths: list[str],
    others: Collection[tuple[str, str]],
) -> dict[int, str]:
    refused: dict[int, str] = {}
    while True:
        taken: dict[str, tuple[str, str]] = {}
        for key in sorted({key for of in noted.values() for key in of}):
            files = [
                (of[key], n)
                for n, of in noted.items()
                if key in of and n not in refused and (key, of[key]) not in others
            ]
            taken[key] = "", ""
            if key in known:
                taken[key] = known[key], "which is what it has so far"
            elif files:
                contract, file = min(files)
                taken[key] = contract, f"which is that of {paths[file]}"
        more = {
            file: _second(key, contract, *taken[key])
            for file, of in noted.items()
            for key, contract in of.items()
            if file not in refused and taken[key][0] != contract
        }
        if not more:
            return refused
        refused |= more


def _second(key: str, contract: str, taken: str, whose: str) -> str:
    root = root_of(layout.of_key(key)[0])
    if not taken:
        return (
            f"it holds the contract {contract} of {root}, but most of its prices differ from those "
            f"that are published of {key}, so that these must be of another one. {_REMEDY}; or, if "
            "the published ones are to go, move them away and run `pipekit run --rebuild`"
        )
    return f"it holds the contract {contract} of {root}, not {taken}, {whose}. {_REMEDY}"
