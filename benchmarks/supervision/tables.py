"""The tables of what was measured; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cells import OCCASIONS, Ending, Endings
from tools import Tool

TREES = {  # by the name in trees.py
    "stubborn": "ignores SIGTERM",
    "holder": "grandchild holds the pipe",
    "daemon": "setsid daemon",
    "hidden": "hidden setsid daemon",
    "hopper": "new pid every 3 ms",
    "stopped": "stopped",
}


def trees(endings: Endings, tools: Sequence[Tool], shown: Sequence[str]) -> str:
    """A table for each occasion, a row for each tool, as Markdown."""
    lines = []
    for occasion in OCCASIONS:
        names = " | ".join(TREES[tree] for tree in shown)
        lines += [f"**{_TITLES[occasion]}**", "", f"| tool | {names} | fails | empty after |"]
        lines += ["|---" * (len(shown) + 3) + "|"]
        lines += [_row(endings, tool, occasion, shown) for tool in tools]
        lines += [""]
    return "\n".join(lines).rstrip()


_TITLES = {
    "time-out": "At the tool's own time-out",
    "SIGTERM": "When the tool gets SIGTERM",
    "SIGKILL": "When the tool gets SIGKILL",
}


def _row(endings: Endings, tool: Tool, occasion: str, shown: Sequence[str]) -> str:
    """A cell for each tree, how many of them failed, and the slowest end of those that did not."""
    found = [endings.get((tool.name, tree, occasion), []) for tree in shown]
    if not any(found):
        return f"| {tool.name} | {' | '.join('-' for _ in shown)} | has none | - |"
    failed = sum(any(_failed(one) for one in cell) for cell in found)
    times = [one.seconds for cell in found for one in cell if one.seconds is not None]
    slowest = f"{max(0.0, *times):.2f} s" if times else "-"
    cells = " | ".join(_cell(cell) for cell in found)
    return f"| {tool.name} | {cells} | {failed} of {len(shown)} | {slowest} |"


def _failed(ending: Ending) -> bool:
    return ending.hangs or ending.survivors > 0


def _cell(endings: Sequence[Ending]) -> str:
    """What was left at worst; in how many of the rounds, where not in all."""
    failed = [ending for ending in endings if _failed(ending)]
    if not failed:
        return "0"
    left = max(ending.survivors for ending in failed)
    words = [f"{left} left"] if left else []
    words += ["hangs"] if any(ending.hangs for ending in failed) else []
    often = "" if len(failed) == len(endings) else f" ({len(failed)} of {len(endings)})"
    return f"**{', '.join(words)}**{often}"
