"""The request of a plan to its worker: the instruments to compute, their files and their rules.

The plan builds a `Request`, the worker reads it; they share nothing else. Numbers that must stay
exact are strings: a tick of `0.1` is a tenth. Names of fields are part of the digests in ledgers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import Any

from attrs import asdict, field, frozen


@frozen(kw_only=True)
class Session:
    """A session; times of day as ISO 8601 (`07:30`), slots in ascending order."""

    name: str
    start: str
    slots: tuple[str, ...]
    stream: str


@frozen(kw_only=True)
class SharedRules:
    """The settings that all variants and instruments share, as result files state them.

    `days`: three-letter weekdays. `as_of`: an ISO 8601 time with offset, or empty.
    """

    timezone: str
    days: tuple[str, ...]
    latest_entry: str
    as_of: str
    sessions: tuple[Session, ...]


@frozen(kw_only=True)
class Parameters:
    """An instrument's price scale and base target (points), as result files state them."""

    tick: str
    target: str
    decimals: int
    usd_per_point: str


@frozen(kw_only=True)
class VariantRules:
    """A variant's rules for one instrument, as result files state them.

    `target` in points; `max_stop` as a multiple of that target.
    """

    name: str
    target: str
    max_stop: str
    stop_rule: str
    same_bar_tie: str


@frozen(kw_only=True)
class ConsumedBars:
    """The content of a bar file when it was consumed: digests of its days, time of its last bar.

    `digests`: by ISO date. `last`: ISO 8601 with offset; None in a file without bars.
    """

    digests: Mapping[str, str] = field(factory=dict)
    last: str | None = None


@frozen(kw_only=True)
class BarFile:
    """A month of bars. `consumed`: what an earlier run read; digests only if it is pending."""

    path: str
    month: str
    pending: bool
    consumed: ConsumedBars


@frozen(kw_only=True)
class InstrumentRules:
    """What an instrument's results depend on, apart from its bars.

    `problem`: why `parameters` is None; the worker then fails the instrument and rejects its files.
    """

    strategy: SharedRules
    parameters: Parameters | None = None
    problem: str = ""
    variants: tuple[VariantRules, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the variants, in order."""
        return [variant.name for variant in self.variants]

    @cached_property
    def digests(self) -> dict[str, Any]:
        """`rules`: digest of what all variants share; `variants`: digest of each variant, by name.

        The ledger keeps them for the next plan to compare.
        """
        shared = [asdict(part) if part else None for part in (self.strategy, self.parameters)]
        variants = {variant.name: _digest(asdict(variant)) for variant in self.variants}
        return {"rules": _digest(shared), "variants": variants}


@frozen(kw_only=True)
class InstrumentJob:
    """What to compute for one instrument.

    `full`: compute the whole history of all variants; `new_variants` otherwise names those that
    need theirs. `removed_variants` lose their rows. `lost` and `archived`: see `InstrumentState`;
    the rows of `archived` months stay. `last_bar`: the time of the last bar consumed before.
    """

    name: str
    rules: InstrumentRules
    full: bool
    new_variants: tuple[str, ...]
    removed_variants: tuple[str, ...]
    files: tuple[BarFile, ...]
    lost: Mapping[str, ConsumedBars]
    archived: tuple[str, ...]
    last_bar: str | None

    @property
    def pending(self) -> list[str]:
        """The paths to consume."""
        return [file.path for file in self.files if file.pending]


@frozen(kw_only=True)
class Request:
    """One task. `runs`: folder of the results; `cache`: fallback folder for compiled kernels.

    `workers`: number of threads. `compile`: whether kernels may be compiled. `dates`: first and
    last slot date to compute, or None for all.
    """

    run_id: str
    runs: str
    cache: str
    workers: int
    compile: bool
    strategy: SharedRules
    dates: tuple[date, date] | None
    instruments: tuple[InstrumentJob, ...]


def _digest(value: object) -> str:
    """A short digest of a JSON value."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
