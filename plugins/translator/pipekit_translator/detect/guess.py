"""The parts of a source as a text itself suggests them, for files that no preset describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipekit_translator.detect.layout import NUMBER, Layout, layouts_of
from pipekit_translator.detect.numbers import numbers_of, value
from pipekit_translator.detect.stamps import formats_of
from pipekit_translator.dialects import InstrumentRule
from pipekit_translator.layout import is_instrument
from pipekit_translator.parts import Parts

_WORDS = {
    "open": ("open", "o", "first", "op", "openprice"),
    "high": ("high", "h", "hi", "max", "highprice"),
    "low": ("low", "l", "lo", "min", "lowprice"),
    "close": ("close", "c", "last", "latest", "cl", "closeprice"),
    "price": ("price", "last", "close", "trade", "tradeprice", "p"),
    "bid": ("bid", "bidprice", "b"),
    "ask": ("ask", "askprice", "offer", "a"),
    "volume": (
        *(
            "volume",
            "vol",
            "v",
            "periodvolume",
            "totalvolume",
            "tickvol",
            "tickvolume",
            "size",
            "qty",
        ),
        *("quantity", "amount", "lastsize", "tradesize"),
    ),
    "instrument": ("instrument", "symbol", "ticker", "name", "contract", "code"),
}
_BARS = ("open", "high", "low", "close")
_TIMES = 4  # columns at the beginning that may hold times, where there is no header
_WITHIN = r"([A-Za-z0-9][A-Za-z0-9_.\-]*)"  # the name in a symbol such as @ES#
_SYMBOL = re.compile(r"[A-Za-z@#][\w.@#/:-]*")


def guesses(lines: Sequence[bytes]) -> Iterator[Parts]:
    """What these lines may be, the likelier first: everything but zone and instrument's name."""
    for layout in layouts_of(lines):
        for stamp, format in _stamps(layout):
            roles = _named(layout, stamp) if layout.header else _placed(layout, stamp)
            if roles is not None:
                yield _parts(layout, roles, format)


def _parts(layout: Layout, roles: dict[int, str], format: str) -> Parts:
    entries = _entries(layout, roles)
    columns = {role: layout.column(at) for at, role in roles.items()}
    symbols = columns.get("instrument")
    rule = _column_rule(layout, roles) if symbols else None
    return Parts(
        separator=layout.separator,
        header=layout.header if layout.header > 1 else bool(layout.header),
        columns=entries,
        skip_lines=layout.skip_lines or None,
        timestamp_format=format,
        instrument=rule,
        **numbers_of(columns),
    )


def _column_rule(layout: Layout, roles: dict[int, str]) -> InstrumentRule:
    (at,) = [at for at, role in roles.items() if role == "instrument"]
    column = layout.names[at][0] if layout.header else "instrument"
    usual = all(map(is_instrument, layout.column(at)))
    return InstrumentRule(column=column, pattern="" if usual else _WITHIN)


def _stamps(layout: Layout) -> Iterator[tuple[dict[int, str], str]]:
    """The columns that may be the time stamp, with their roles, and a format for them."""
    columns = range(layout.width if layout.header else min(_TIMES, layout.width))
    whole = [(at, f) for at in columns if (f := formats_of(layout.column(at), "stamp"))]
    whole.sort(key=lambda found: not found[1][0].startswith("epoch"))  # they say their zone
    for at, formats in whole[:1]:
        yield from (({at: "timestamp"}, format) for format in formats)
    if whole:
        return
    dates = [(at, f) for at in columns if (f := formats_of(layout.column(at), "date"))]
    times = [(at, f) for at in columns if (f := formats_of(layout.column(at), "time"))]
    for date, first in dates[:1]:
        for time, second in [(at, f) for at, f in times if at > date][:1]:
            for one in first:
                yield {date: "date", time: "time"}, f"{one} {second[0]}"


def _named(layout: Layout, stamp: dict[int, str]) -> dict[int, str] | None:
    """The roles of columns by what the header calls them; None if these are neither kind."""
    words = {at: {_word(name) for name in names} for at, names in enumerate(layout.names)}
    roles = dict(stamp)

    def find(role: str) -> None:
        for word in _WORDS[role]:
            at = next((at for at, own in words.items() if at not in roles and word in own), None)
            if at is not None:
                roles[at] = role
                return

    for role in _BARS:
        find(role)
    if {*roles.values()} >= {*_BARS}:
        find("volume")
        if "volume" not in roles.values():
            _find_volume(words, roles)
    else:
        roles = dict(stamp)
        for role in ("price", "bid", "ask", "volume"):
            find(role)
        if not {"price", "bid", "ask"} & {*roles.values()}:
            return None
    find("instrument")
    return roles


def _find_volume(words: dict[int, set[str]], roles: dict[int, str]) -> None:
    """The first column whose name begins with `volume`, as in `Volume BTC`; or volume up, down."""
    for at, own in words.items():
        if at not in roles and any(word.startswith("volume") for word in own):
            roles[at] = "volume"
            return
    up, down = (next((at for at, own in words.items() if w in own), None) for w in ("up", "down"))
    if up is not None and down is not None and not {up, down} & roles.keys():
        roles[up] = roles[down] = "volume"


def _word(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _placed(layout: Layout, stamp: dict[int, str]) -> dict[int, str] | None:
    """The roles of columns without names, by their values; None if these are neither kind."""
    roles = dict(stamp)
    rest = range(max(stamp) + 1, layout.width)
    numeric = [at for at in rest if all(NUMBER.fullmatch(f) or not f for f in layout.column(at))]
    texts = [at for at in range(layout.width) if at not in roles and at not in numeric]
    texts = [at for at in texts if all(map(_SYMBOL.fullmatch, layout.column(at)))]
    if len(texts) == 1:
        roles[texts[0]] = "instrument"
    if len(numeric) >= 4 and _are_bars(layout, numeric[:4]):
        roles |= dict(zip(numeric, (*_BARS, "volume"), strict=False))
    elif len(numeric) == 4 and _are_quotes(layout, numeric[1:3]):
        roles |= dict(zip(numeric, ("price", "bid", "ask", "volume"), strict=True))
    elif len(numeric) in (2, 3) and _are_quotes(layout, numeric[:2]):
        roles |= dict(zip(numeric, ("bid", "ask", "volume"), strict=False))
    elif len(numeric) in (1, 2):
        roles |= dict(zip(numeric, ("price", "volume"), strict=False))
    else:
        return None
    return roles


def _are_bars(layout: Layout, columns: list[int]) -> bool:
    """Whether the second of four columns is the highest and the third the lowest."""
    rows = (tuple(value(row[at]) for at in columns) for row in layout.rows)
    known = [row for row in rows if None not in row]
    fit = [o for o in known if o[1] >= max(o) and o[2] <= min(o)]  # type: ignore[type-var,operator]  # none is None
    return bool(known) and len(fit) >= 0.95 * len(known)


def _are_quotes(layout: Layout, columns: list[int]) -> bool:
    """Whether the second of two columns is a little higher than the first, or as high."""
    pairs = ((value(row[columns[0]]), value(row[columns[1]])) for row in layout.rows)
    known = [(bid, ask) for bid, ask in pairs if bid is not None and ask is not None]
    near = [0 < bid <= ask < 1.1 * bid for bid, ask in known]
    return bool(known) and sum(near) >= 0.95 * len(known)


def _entries(layout: Layout, roles: dict[int, str]) -> tuple[str, ...]:
    """The setting `columns`."""
    if not layout.header:
        return tuple(roles.get(at, "-") for at in range(layout.width))
    order = sorted(at for at in roles if roles[at] != "instrument")
    volumes = [at for at in order if roles[at] == "volume"]
    entries = [_entry(layout, at, roles[at]) for at in order if at not in volumes]
    if len(volumes) > 1:
        entries.append("volume=" + "+".join(layout.names[at][0] for at in volumes))
    elif volumes:
        entries.append(_entry(layout, volumes[0], "volume"))
    return tuple(entries)


def _entry(layout: Layout, at: int, role: str) -> str:
    names = layout.names[at]
    every = [name.lower() for own in layout.names for name in own]
    name = next((n for n in names if every.count(n.lower()) == 1), "")
    if not name or re.search(r'[+"#=]', name):
        return f"{role}=#{at + 1}"
    return role if name.lower() == role else f"{role}={name}"
