"""What a plan asks of its worker: which instruments to compute, from which files, by which rules.

The plan builds a `Request`, the worker reads it; nothing else goes from one to the other. Numbers
that must stay exact are strings: a tick of `0.1` is a tenth.
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
class Strategy:
    """The rules that all variants and instruments of a run share, as result files state them.

    `days`: three-letter weekdays. `as_of`: an ISO 8601 time with offset, or empty.
    """

    timezone: str
    days: tuple[str, ...]
    latest_entry: str
    as_of: str
    sessions: tuple[Session, ...]


@frozen(kw_only=True)
class Parameters:
    """What an instrument's prices mean, as result files state it, in points and dollars."""

    tick: str
    target: str
    decimals: int
    usd_per_point: str


@frozen(kw_only=True)
class VariantRules:
    """A variant's rules for one instrument, as result files state them; `target` in points."""

    name: str
    target: str
    max_stop: str
    stop_rule: str
    same_bar_tie: str


@frozen(kw_only=True)
class Days:
    """The content of a bar file that was consumed: its days' digests and the time of its last bar.

    `days`: digest by ISO date. `last`: ISO 8601 with offset; None in a file without bars.
    """

    days: Mapping[str, str] = field(factory=dict)
    last: str | None = None


@frozen(kw_only=True)
class BarFile:
    """A month of bars. `consumed`: what an earlier run read in it; days only where pending."""

    path: str
    month: str
    pending: bool
    consumed: Days


@frozen(kw_only=True)
class InstrumentRules:
    """What an instrument's results depend on besides its bars.

    `parameters` is None where `problem` says why there are none.
    """

    strategy: Strategy
    parameters: Parameters | None = None
    problem: str = ""
    variants: tuple[VariantRules, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the variants, in order."""
        return [variant.name for variant in self.variants]

    @cached_property
    def digests(self) -> dict[str, Any]:
        """Digests of the `rules` that all variants share and, by name, of the `variants`.

        The ledger keeps them with what was computed, for the next plan to compare.
        """
        shared = [asdict(part) if part else None for part in (self.strategy, self.parameters)]
        variants = {variant.name: _digest(asdict(variant)) for variant in self.variants}
        return {"rules": _digest(shared), "variants": variants}


@frozen(kw_only=True)
class InstrumentJob:
    """What to compute for one instrument.

    `full`: compute the whole history of all variants; `new_variants` otherwise names those that
    need theirs. `removed_variants` lose their rows. `vanished`: files that were consumed and are
    gone, by path. `archived`: months whose bars the lifecycle has taken away, so that their rows
    stay. `last_bar`: the time of the last bar consumed before.
    """

    name: str
    rules: InstrumentRules
    full: bool
    new_variants: tuple[str, ...]
    removed_variants: tuple[str, ...]
    files: tuple[BarFile, ...]
    vanished: Mapping[str, Days]
    archived: tuple[str, ...]
    last_bar: str | None

    @property
    def pending(self) -> list[str]:
        """The paths to consume."""
        return [file.path for file in self.files if file.pending]


@frozen(kw_only=True)
class Request:
    """One task. `runs`: folder of the results; `cache`: folder where compiled kernels may be kept.

    `workers`: threads to use. `compile`: whether kernels may be compiled. `dates`: first and last
    slot date to compute, or None for all.
    """

    run_id: str
    runs: str
    cache: str
    workers: int
    compile: bool
    strategy: Strategy
    dates: tuple[date, date] | None
    instruments: tuple[InstrumentJob, ...]


def _digest(value: object) -> str:
    """A short digest of a JSON value."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
