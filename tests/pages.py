"""The pages of the documentation as tests read them: sections, tables, blocks, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(
    r"^(?:<!-- run(?P<mark>(?:: [^\n]+?)?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block; `mark` is what the comment before it says: None where there is none."""

    language: str
    mark: str | None
    text: str


class Page:
    """One page: `text` is all of it, `prose` all but its blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        self.prose = _FENCE.sub("", self.text)

    def blocks(self, language: str | None = None) -> list[Block]:
        found = [
            Block(m["language"], m["mark"] if m["mark"] is None else m["mark"][2:], m["text"])
            for m in _FENCE.finditer(self.text)
        ]
        return [b for b in found if language in (None, b.language)]

    def files(self) -> dict[str, str]:
        """The blocks that are files of their own, by name."""
        return {block.mark: block.text for block in self.blocks() if block.mark}

    def unpack(self, folder: Path) -> None:
        """Write the files of the page."""
        for name, text in self.files().items():
            (folder / name).write_text(text, "utf-8")

    def headings(self, level: int) -> list[str]:
        return re.findall(rf"^{'#' * level} (.*)$", self.prose, re.MULTILINE)

    def section(self, heading: str) -> str:
        """The text below a heading of the second level."""
        _, found, rest = self.text.partition(f"## {heading}\n")
        assert found, f"{self.path.name} has no section {heading}"
        return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def docs(name: str) -> Page:
    """A page by its path below docs."""
    return Page(ROOT / "docs" / name)


def all_pages() -> list[Page]:
    """Every page that links to others: docs, and those at the top of the repository."""
    return [Page(path) for path in (*sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("*.md"))]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without heads and rules, backticks taken off."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {i for i, line in enumerate(lines) if set(line) <= set("|- ")}
    heads = {i - 1 for i in rules}
    body = [line for i, line in enumerate(lines) if i not in rules | heads]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in body]
