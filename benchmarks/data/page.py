"""The tables in docs/explanation/performance.md: each work's between its own markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import venvs

PAGE = venvs.REPOSITORY / "docs/explanation/performance.md"
HEADING = "## The data plane"
MISSED = "missed"
MISS = re.compile(r"^\| (?P<bar>[^|]+) \| (?P<measured>[^|]+) \| \*\*no\*\* \|$", re.MULTILINE)


def write(work: str, text: str, order: Sequence[str]) -> None:
    """Put a work's tables in their place, and name what is missed on the whole page."""
    content = _put(PAGE.read_text(encoding="utf-8"), work, text, order)
    PAGE.write_text(_put(content, MISSED, missed(content), order), encoding="utf-8")


def missed(content: str) -> str:
    """The bars of all works of the data plane that were not reached, as a list."""
    blocks = re.findall(r"<!-- data-(?!missed)\S+: begin -->(.*?)<!--", content, re.DOTALL)
    found = [f"- {m['bar']}: {m['measured']}" for block in blocks for m in MISS.finditer(block)]
    return "\n".join(["Missed:", "", *(found or ["- nothing"])])


def _put(content: str, work: str, text: str, order: Sequence[str]) -> str:
    begin, end = f"<!-- data-{work}: begin -->", f"<!-- data-{work}: end -->"
    if begin not in content:
        content = _made(content, work, f"{begin}\n{end}\n", order)
    before, _, rest = content.partition(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


def _made(content: str, work: str, block: str, order: Sequence[str]) -> str:
    """An empty block: before that of the next work that has one, else at the page's end."""
    later = order[order.index(work) + 1 :] if work in order else order
    for other in later:
        before, marker, after = content.partition(f"<!-- data-{other}: begin -->")
        if marker:
            return f"{before}{block}\n{marker}{after}"
    return f"{content.rstrip()}\n\n{block}"
