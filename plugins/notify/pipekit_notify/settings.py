"""The table `[sinks.notify]`: addresses by name, and rules that say who is told what."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Literal

import attrs

from pipekit import setting

Word = Literal["failure", "hang", "partial", "stale", "warning", "recovery"]
DigestKind = Literal["none", "daily", "weekly"]

_USUAL: tuple[Word, ...] = ("failure", "partial", "stale", "recovery")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _positive(_: object, _attribute: object, value: int) -> None:
    if value < 1:
        raise ValueError("must be 1 or more")


def _span(_: object, _attribute: object, value: str) -> None:
    if value and not _SPAN.fullmatch(value):
        raise ValueError('must be like "22:00-07:00", in the machine\'s time')


def _urls(_: object, _attribute: object, value: Mapping[str, str]) -> None:
    if not value:
        raise ValueError("name at least one address")
    for name, url in value.items():
        if not re.match(r"[a-z][a-z0-9]*://", url):
            raise ValueError(f"address {name!r}: invalid Apprise URL: write for example mailto://…")


@attrs.frozen(kw_only=True)
class Rule:
    """Who is told what, and when."""

    to: list[str] = setting("Names of the addresses to tell; empty: all of them.", factory=list)
    on: list[Word] = setting("What is reported.", factory=lambda: list(_USUAL))
    stages: list[str] = setting("The stages it is about; empty: all of them.", factory=list)
    in_a_row: int = setting(
        "Report a problem of a stage only once it has lasted for this many runs in a row.",
        default=1,
        validator=_positive,
    )
    quiet: str = setting(
        'Hours without messages, such as "22:00-07:00"; they are sent afterwards.',
        default="",
        validator=_span,
    )
    digest: DigestKind = setting("A summary of the runs, daily or on Mondays.", default="none")
    digest_at: dt.time = setting("When a digest is due.", default=dt.time(7))

    def is_quiet(self, now: dt.datetime) -> bool:
        """Whether this local time is in the quiet hours."""
        found = _SPAN.fullmatch(self.quiet)
        if found is None:
            return False
        numbers = [int(part) for part in found.groups()]
        first, last = dt.time(numbers[0], numbers[1]), dt.time(numbers[2], numbers[3])
        time = now.time()
        return first <= time < last if first <= last else time >= first or time < last


@attrs.frozen(kw_only=True)
class Settings:
    """The table `[sinks.notify]`."""

    addresses: dict[str, str] = setting(
        "Where messages go: for each name an Apprise URL (mailto://…, slack://…).",
        secret=True,
        validator=_urls,
    )
    rules: dict[str, Rule] = setting(
        "Rules for who is told what, by name; empty: all addresses get the usual messages.",
        factory=dict,
    )
    name: str = setting("What messages call the project; empty: its folder's name.", default="")

    @rules.validator
    def _check_rules(self, _: object, rules: Mapping[str, Rule]) -> None:
        for name, rule in rules.items():
            unknown = [to for to in rule.to if to not in self.addresses]
            if unknown:
                raise ValueError(f"rule {name!r} names an address that is not there: {unknown[0]}")

    def effective_rules(self) -> Mapping[str, Rule]:
        """The rules, or the one that holds without any."""
        return self.rules or {"all": Rule()}

    def addresses_of(self, rule: Rule) -> list[str]:
        """The names of a rule's addresses."""
        return list(dict.fromkeys(rule.to or self.addresses))
