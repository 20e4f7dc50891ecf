"""Contracts of futures: how names say them, and what a source does with several of one root.

A contract is six digits, year and month: `202003`. A code whose year has one digit (`H0`) is three
digits, that and the month: `003`; its rows tell the decade. A name with its contract is written
`ES~202003`. Plan and worker use it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import attrs

from pipekit import setting

MARK = "~"  # no instrument's name has it
CODED = 3  # the length of a code that rows have to decide
SEPARATE, FRONT = "separate", "front"
EXAMPLES = "'ES 03-20', 'ESH20', 'ESH0' or '202003'"
RollName = Literal["", "separate", "front"]
RollTable = Mapping[str, str | dt.date]


class RollDates(dict[str, "str | dt.date"]):
    """A table of dates; hashable, as are the sources that hold it."""

    def __hash__(self) -> int:  # type: ignore[override]  # nobody changes it
        return hash(frozenset(self.items()))


_LETTERS = "FGHJKMNQUVXZ"
_YEAR_FIRST = r"(?P<y1>(?:19|20)\d\d)-?(?P<m1>0[1-9]|1[0-2])(?:-?[0-3]\d)?"
_MONTH_FIRST = r"(?P<m2>0[1-9]|1[0-2])-(?P<y2>\d{4}|\d\d)"
_LETTER = rf"(?P<m3>[{_LETTERS}])(?P<y3>\d{{4}}|\d\d?)"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = rf"(?P<m4>(?i:{'|'.join(_MONTHS)}))[ -]?(?P<y4>\d{{4}}|\d\d)"
_STATED = re.compile(rf"(?P<root>.*?)[ _.-]*(?:{_YEAR_FIRST}|{_MONTH_FIRST}|{_NAMED}|{_LETTER})")
_AFTER = re.compile(rf"(?:[ _.-]?(?:{_MONTH_FIRST}|{_LETTER})| {_NAMED})(?![0-9A-Za-z])")
_CENTURY = 70  # years of two digits from here on are of the last century
_SEPARATE = re.compile(r"(.+)-((?:19|20)\d\d(?:0[1-9]|1[0-2]))")


@attrs.frozen
class ContractRule:
    """Where to find the contract of a file or row: a pattern, a column, or a pattern for it."""

    pattern: str = setting(
        "Regular expression for the file name, or for the column if there is one; its first group "
        f"is the contract, such as {EXAMPLES}.",
        default="",
    )
    column: str = setting("Name of the column that holds the contract.", default="")

    def __attrs_post_init__(self) -> None:
        if not self.pattern and not self.column:
            raise ValueError("contract: set a pattern, a column, or both")
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"contract.pattern {self.pattern!r}: {error}") from error
        if self.pattern and not groups:
            raise ValueError(
                f"contract.pattern {self.pattern!r} has no group: put parentheses around the "
                "contract, for example '([FGHJKMNQUVXZ]\\d+)'"
            )

    def code_in(self, text: str) -> str:
        """The code in a name; empty if there is none."""
        found = re.search(self.pattern, text) if self.pattern else None
        stated = text if not self.pattern else (found and found[1]) or ""
        return stated_code(stated)[1]


def stated_code(text: str) -> tuple[str, str]:
    """The root (empty if it is left out) and the code of a contract; no code if it is none."""
    found = _STATED.fullmatch(text.strip())
    return (found["root"], _code(found)) if found else ("", "")


def code_after(text: str, place: int) -> str:
    """The code that follows the root in a name; empty if there is none."""
    found = _AFTER.match(text, place)
    return _code(found) if found else ""


def _code(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if letter := groups["m3"]:
        month, year = _LETTERS.index(letter) + 1, groups["y3"]
    elif name := groups["m4"]:
        month, year = _MONTHS.index(name.lower()) + 1, groups["y4"]
    else:
        month, year = int(groups["m2"] or groups["m1"]), groups["y2"] or groups["y1"]
    if len(year) == 2:
        year = f"{'19' if int(year) >= _CENTURY else '20'}{year}"
    return f"{year}{month:02}"


def decided(code: str, year: int, month: int) -> str:
    """The contract of a code that traded in this month; contracts end in their own at the latest.

    A year of one digit is the next such year.
    """
    if len(code) != CODED:
        return code
    digit, own = int(code[0]), int(code[1:])
    first = year + (own < month)
    return f"{first + (digit - first) % 10}{own:02}"


def with_contract(root: str, contract: str) -> str:
    """A name with its contract, by which its rows are kept until the roll decides."""
    return f"{root}{MARK}{contract}" if contract else root


def parts_of(name: str) -> tuple[str, str]:
    """The root and the contract in a name with its contract; no contract in any other."""
    root, _, contract = name.partition(MARK)
    return root, contract


def shown(key: str) -> str:
    """A key in messages: `ES-202003` for a name with its contract."""
    return key.replace(MARK, "-")


def root_of(name: str) -> str:
    """The root of an instrument such as `ES-202003`, and of a name with its contract."""
    name = parts_of(name)[0]
    found = _SEPARATE.fullmatch(name)
    return found[1] if found else name


class Start(NamedTuple):
    """From which day on a root (empty: all) is taken from a contract."""

    day: str
    root: str
    contract: str


def rule_text(roll: RollName | RollTable) -> str:
    """What a source's `roll` says, as a text; a table as JSON. Raises ValueError."""
    if isinstance(roll, str):
        return roll
    if not roll:
        raise ValueError("roll: the table is empty: write '2020-03-12' = 'ES 06-20', ...")
    starts = sorted(_start(str(one), str(other)) for one, other in roll.items())
    places = [start[:2] for start in starts]
    if twice := [place for place in places if places.count(place) > 1]:
        raise ValueError(f"roll: {twice[0][0]} is given two contracts")
    return json.dumps(starts)


def _start(one: str, other: str) -> Start:
    """An entry of a table: a date and a contract, either of which may be the key."""
    for day, text in ((one, other), (other, one)):
        try:
            date = dt.date.fromisoformat(day)
        except ValueError:
            continue
        root, code = stated_code(text)
        if len(day) == len("2020-03-12") and code:
            return Start(day, root, decided(code, date.year, date.month))
    raise ValueError(
        f"roll: invalid entry {one!r} = {other!r}: write a date and the contract from then on, for "
        "example '2020-03-12' = 'ES 06-20'"
    )


def starts_of(rule: str, root: str) -> list[Start]:
    """The entries of a table that are for a root, in order; those that name it overrule others."""
    if not rule.startswith("["):
        return []
    starts = sorted(Start(*entry) for entry in json.loads(rule))
    return list({start.day: start for start in starts if start.root in ("", root)}.values())


def is_kept_apart(rule: str) -> bool:
    """Whether each contract is kept, and the root put together from them."""
    return bool(rule) and rule != SEPARATE


def named(contracts: Iterable[str]) -> str:
    """Contracts in a message: `202003 and 202006`."""
    return " and ".join(sorted(contracts))
