"""What all benchmarks share: arguments, rounds in shuffled order, and tables on a page."""

from __future__ import annotations

import argparse
import platform
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import venvs

T = TypeVar("T")
PERFORMANCE = venvs.REPOSITORY / "docs/explanation/performance.md"


def parser(text: str, name: str, rounds: int) -> argparse.ArgumentParser:
    """The options of all benchmarks; `text` is the docstring of the one called `name`."""
    made = argparse.ArgumentParser(description=text.partition("\n")[0])
    made.add_argument("--rounds", type=int, default=rounds, help="starts of each case")
    made.add_argument("--write", action="store_true", help="update the page of docs/explanation")
    cache = venvs.cache(name)
    made.add_argument("--cache", type=Path, default=cache, help="where environments are kept")
    return made


def shuffled(cases: Sequence[T], rounds: int) -> Iterator[T]:
    """Each case once a round, in another order each time."""
    order = random.Random(1)
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        yield from order.sample(cases, len(cases))


def conditions(versions: Iterable[str]) -> str:
    """Interpreter, system and versions, for the first line above a table."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python} on {platform.system()} {platform.machine()}; {', '.join(versions)}."


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])


def bars(
    rows: Iterable[tuple[str, str, bool]], head: Sequence[str] = ("bar", "measured", "met")
) -> str:
    """The table of what is promised: title, what was measured, and whether that reaches it."""
    return table(head, ((*row, "yes" if met else "**no**") for *row, met in rows))


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises SystemExit where the page has no such place.
    """
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page.name} has no place for this: {begin} ... {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
