"""What the ledger says of one instrument: what is to be computed again, and for which variants.

Knows no folders and no strategy; reads no bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from pipekit import ABSENT, Consumption, ContentState, FileStat, Input, Pending, setting
from pipekit_analyzer.variants import digest, digests


@attrs.frozen(eq=False, repr=False)
class Basis:
    """What one instrument's results depend on besides its bars, as JSON text."""

    strategy: str = setting("The strategy's settings.")
    parameters: str = setting("The instrument's parameters.")
    variants: str = setting("Each variant's rules for the instrument.")


@attrs.frozen(kw_only=True)
class Work:
    """What is known of one instrument: its files by path, what is pending, what went missing.

    `parameters` is None where `refusal` says why. `strategy`: what all its variants share beside
    them. `consumed`: the paths of its files that were taken, the oldest month first, with all that
    is `known` of them: details are read only where somebody looks.
    """

    name: str
    files: Mapping[str, FileStat]
    pending: Pending
    parameters: dict[str, Any] | None
    refusal: str
    strategy: dict[str, Any]
    variants: list[dict[str, str]]
    known: Mapping[str, Consumption]
    consumed: tuple[str, ...]
    vanished: Mapping[str, Consumption]
    taken: frozenset[str]
    again: bool

    def __bool__(self) -> bool:
        """Whether there is something to do: not while a file is refused as it stands."""
        if self.parameters is None:
            return bool(self.pending)
        return not self.pending.rejected and bool(self.pending or self.vanished)

    @cached_property
    def history(self) -> dict[str, Consumption]:
        """Consumptions with a usable detail."""
        return {path: row for path in self.consumed if usable(row := self.known[path])}

    @property
    def last(self) -> str | None:
        """The last bar of all that was taken: that of the newest month with any."""
        for path in reversed(self.consumed):
            row = self.known[path]
            if usable(row) and row.detail["last"]:
                return str(row.detail["last"])
        return None

    @property
    def rules(self) -> str:
        """Digest of what all its variants share."""
        return digest([self.strategy, self.parameters])

    @property
    def full(self) -> bool:
        """Whether the whole history is computed: what was computed before is of no use."""
        before = [i.previous for i in self.pending if not _is_gone(i.previous)]
        return (
            self.again
            or not self.history
            or (self._settings_changed and self._before is None)
            or any(p is not None and not usable(p) for p in [*before, *self.vanished.values()])
        )

    @property
    def anew(self) -> list[str]:
        """The variants whose whole history is computed, where that of all is not."""
        now = digests(self.variants)
        before = now if self._before is None else self._before
        return [name for name in now if now[name] != before.get(name)]

    @property
    def gone(self) -> list[str]:
        """The variants that have results and are none any more."""
        now = {record["name"] for record in self.variants}
        return sorted(set(self._before or ()) - now)

    @property
    def _settings_changed(self) -> bool:
        return any(_settings_changed(i) for i in self.pending)

    @property
    def _before(self) -> dict[str, str] | None:
        """The variants of what was computed before; None where all else was not as now."""
        details = [known.detail for path, known in self.history.items() if path in self.files]
        found: dict[str, str] | None = details[0].get("variants") if details else None
        rules = self.rules
        same = all(d.get("rules") == rules and d.get("variants") == found for d in details)
        return found if same else None


def usable(known: Consumption) -> bool:
    """Whether it says which days were consumed."""
    complete = known.state is ContentState.CONSUMED and known.fingerprint != ABSENT
    return complete and {"days", "last"} <= known.detail.keys()


def _is_gone(known: Consumption | None) -> bool:
    return known is None or known.fingerprint == ABSENT


def _settings_changed(input: Input) -> bool:
    before = input.previous
    return before is not None and not _is_gone(before) and before.settings != input.settings
