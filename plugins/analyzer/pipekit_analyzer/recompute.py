"""Decides what to compute again for one instrument, and for which of its variants."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import attrs

from pipekit import ABSENT, Consumption, ContentState, FileStat, Pending
from pipekit_analyzer.request import ConsumedBars, InstrumentRules


@attrs.frozen(kw_only=True)
class InstrumentState:
    """One instrument's `files` by path, those of them that are `pending`, and those missing now.

    `consumptions`: all that this stage has consumed, read from the ledger on access. `consumed`:
    the paths among them that belong to this instrument, oldest month first. Consumed files that are
    missing are either `lost`, or `archived`: removed by the lifecycle, which keeps results.
    `archived` holds their months. `force`: compute everything.
    """

    name: str
    files: Mapping[str, FileStat]
    pending: Pending
    rules: InstrumentRules
    consumptions: Mapping[str, Consumption]
    consumed: tuple[str, ...]
    lost: Mapping[str, Consumption]
    archived: tuple[str, ...]
    force: bool

    def __bool__(self) -> bool:
        """Whether the instrument is due; it is not while one of its files is rejected.

        Without parameters it is due if files are pending: the worker fails it and rejects them.
        """
        if self.rules.parameters is None:
            return bool(self.pending)
        return not self.pending.rejected and bool(self.pending or self.lost)

    @cached_property
    def history(self) -> dict[str, Consumption]:
        """Earlier consumptions that record which days were consumed, by path."""
        return {path: row for path in self.consumed if _is_usable(row := self.consumptions[path])}

    @property
    def last_bar(self) -> str | None:
        """The time of the last bar consumed: that of the newest month with bars."""
        for path in reversed(self.consumed):
            last = consumed_bars(self.consumptions[path]).last
            if last:
                return last
        return None

    @property
    def full(self) -> bool:
        """Whether the whole history must be computed, because earlier results cannot be used."""
        previous = [
            (i.previous, i.settings_digest)
            for i in self.pending
            if i.previous is not None and i.previous.fingerprint != ABSENT
        ]
        changed = any(known.settings_digest != settings for known, settings in previous)
        consumed = [*(known for known, _ in previous), *self.lost.values()]
        return (
            self.force
            or not self.history
            or (changed and self._known_variants is None)
            or not all(map(_is_usable, consumed))
        )

    @property
    def new_variants(self) -> tuple[str, ...]:
        """The variants that are new or changed: these need their whole history computed."""
        now, before = self.rules.digests["variants"], self._known_variants
        if before is None:
            return ()
        return tuple(name for name in now if now[name] != before.get(name))

    @property
    def removed_variants(self) -> tuple[str, ...]:
        """The variants that have results and are no longer configured."""
        now, before = self.rules.digests["variants"], self._known_variants or {}
        return tuple(sorted(before.keys() - now.keys()))

    @cached_property
    def _known_variants(self) -> dict[str, str] | None:
        """Digests of the variants computed before; None if the shared rules were different."""
        details = [known.detail for path, known in self.history.items() if path in self.files]
        variants: dict[str, str] | None = details[0].get("variants") if details else None
        rules = self.rules.digests["rules"]
        same = all(d.get("rules") == rules and d.get("variants") == variants for d in details)
        return variants if same else None


def consumed_bars(known: Consumption | None) -> ConsumedBars:
    """What was read in a consumed file; empty if the ledger does not record it."""
    if known is None or not _is_usable(known):
        return ConsumedBars()
    return ConsumedBars(digests=known.detail["days"], last=known.detail["last"])


def _is_usable(known: Consumption) -> bool:
    """Whether the consumption records which days were consumed."""
    complete = known.state is ContentState.CONSUMED and known.fingerprint != ABSENT
    return complete and {"days", "last"} <= known.detail.keys()
