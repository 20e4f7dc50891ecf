"""How the lines of a text are laid out: separator, lines before the header, header, rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from pipekit_translator.work.parse.lines import split

_SEPARATORS = "\t;|, "  # the likelier ones first: a comma may be a decimal point
_LEAST = 3  # columns
_SHARE = 0.9  # of the lines that have the same number of fields
_SAMPLE = 200  # lines that are looked at
NUMBER = re.compile(r"[+-]?(?:\d[\d.,' _]*|[.,]\d+)(?:[eE][+-]?\d+)?%?")


@attrs.frozen(kw_only=True)
class Layout:
    """A text as a table. `names`: by column, what the lines of the header call it."""

    separator: str
    skip_lines: int
    header: int
    names: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.rows[0])

    def column(self, at: int) -> list[str]:
        """The fields of a column."""
        return [row[at] for row in self.rows]


def layouts_of(lines: Sequence[bytes]) -> Iterator[Layout]:
    """The layouts that a text may have, the likelier ones first."""
    texts = [line.decode("utf-8", "replace") for line in lines[:_SAMPLE]]
    numbered = [(at, text) for at, text in enumerate(texts) if text.strip()]
    for separator in _SEPARATORS:
        table = [(at, [_bare(f) for f in split(text, separator)]) for at, text in numbered]
        found = _layout(separator, table)
        if found is not None:
            yield found


def _layout(separator: str, table: list[tuple[int, list[str]]]) -> Layout | None:
    width, count = _usual_width(table)
    if width < _LEAST or count < _SHARE * (len(table) - 3):
        return None
    first = next((i for i, (_, row) in enumerate(table) if _is_row(row, width)), None)
    if first is None:
        return None
    begin = first
    while begin and len(table[begin - 1][1]) >= width - 1 and not _is_row(table[begin - 1][1], 1):
        begin -= 1
    headers = [row for _, row in table[begin:first]]
    names = tuple(
        tuple(name for row in headers if at < len(row) and (name := row[at])) for at in range(width)
    )
    before = [row for _, row in table[:begin] if not row[0].lower().startswith("sep=")]
    rows = tuple(tuple(row[:width]) for _, row in table[first:] if len(row) >= width)
    return Layout(
        separator=separator,
        skip_lines=table[begin][0] if before else 0,
        header=first - begin,
        names=names,
        rows=rows,
    )


def _usual_width(table: list[tuple[int, list[str]]]) -> tuple[int, int]:
    """How many columns most lines have, without an empty one at their end, and how many do."""
    widths = Counter(len(row) - (len(row) > 1 and not row[-1]) for _, row in table)
    full = Counter(len(row) for _, row in table)
    if not full:
        return 0, 0
    width, count = full.most_common(1)[0]
    header = len(table[0][1])
    if width - 1 == header and widths[header] >= count:  # a separator at the end of each row
        return header, count
    return width, count


def _is_row(fields: list[str], width: int) -> bool:
    """Whether this is a row of data: most fields are numbers, or the first two are a time."""
    numbers = sum(bool(NUMBER.fullmatch(field)) for field in fields)
    return len(fields) >= width and numbers >= 2 and 2 * numbers >= len([f for f in fields if f])


def _bare(field: str) -> str:
    text = field.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text
