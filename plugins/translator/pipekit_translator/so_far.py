"""Which contract each instrument has so far, by the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipekit import Consumption, ContentState, Input, RunContext
from pipekit_translator import layout
from pipekit_translator.contracts import decided
from pipekit_translator.settings import Settings

_MAY_BE = re.compile(r"[FGHJKMNQUVXZ]\d|\d\d-\d\d| [A-Za-z]{3}-?\d")  # a code, in a path


def contracts_so_far(ctx: RunContext, settings: Settings, inputs: list[Input]) -> dict[str, str]:
    """By key, the contract of the rows that were read so far: the latest, if there are several.

    Empty without inputs. Their contracts may be in names, rows, or names of an archive's members.
    """
    if not inputs:
        return {}
    found: dict[str, str] = {}
    named = any(_MAY_BE.search(item.path) for item in inputs)
    for key, contract in (*_noted(ctx), *(_named(ctx, settings) if named else ())):
        found[key] = max(contract, found.get(key, ""))
    return found


def _noted(ctx: RunContext) -> Iterator[tuple[str, str]]:
    for row in ctx.consumed("contracts").values():
        if _has_rows(row):
            days = row.detail.get("days", {})
            yield from ((k, c) for k, c in row.detail["contracts"].items() if k in days)


def _named(ctx: RunContext, settings: Settings) -> Iterator[tuple[str, str]]:
    """Contracts in the names of files that were read before contracts were noted."""
    formats = {s.glob: settings.format(s, accepted=True) for s in settings.sources}
    known = ctx.consumed()
    for path in known:
        if not _MAY_BE.search(path) or not _has_rows(row := known[path]):
            continue
        format = formats.get(row.detail.get("source", ""))
        days = row.detail.get("days", {})
        span = layout.span(days)
        if format is None or format.has_contracts_in_rows or not span:
            continue
        code = format.code_in(path.rpartition("/")[2])
        if code and "contracts" not in row.detail:
            contract = decided(code, int(span[1][:4]), int(span[1][5:7]))
            yield from ((key, contract) for key in days if layout.root_key(key) == key)


def _has_rows(row: Consumption) -> bool:
    return row.state is not ContentState.REJECTED and bool(row.detail.get("days"))
