"""The tables of both parts, and each promise beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import common
from cells import OCCASIONS, Ending, Endings, Times
from figures import OURS, Figures
from tools import Tool

TREES = {  # by the name in trees.py
    "stubborn": "ignores SIGTERM",
    "holder": "grandchild holds the pipe",
    "daemon": "setsid daemon",
    "hidden": "hidden setsid daemon",
    "hopper": "new pid every 3 ms",
    "stopped": "stopped",
}
WAYS = {
    "file": "the child itself, into the file",
    "communicate": "subprocess, `communicate`",
    "text": "subprocess, text lines",
    "bounded": "subprocess, `readline(65536)`",
    "threads": "a thread and a queue, text lines",
    "asyncio": "asyncio, lines",
    "psutil": "psutil, a walk each second",
}
MIB = 1024 * 1024
PROMISES = ("promise", "measured", "kept")


def trees(endings: Endings, tools: Sequence[Tool], shown: Sequence[str], times: Times) -> str:
    """A table for each occasion, a row for each tool, and the promises, as Markdown."""
    parts = []
    for occasion in OCCASIONS:
        when = (
            "At the tool's own time-out"
            if occasion == "time-out"
            else f"When the tool gets {occasion}"
        )
        head = ["tool", *(TREES[tree] for tree in shown), "fails", "empty after"]
        rows = (_tool(endings, tool, occasion, shown) for tool in tools)
        parts += [f"**{when}**", common.table(head, rows)]
    return "\n\n".join([*parts, common.bars(_promises_of_trees(endings, times), PROMISES)])


def _tool(endings: Endings, tool: Tool, occasion: str, shown: Sequence[str]) -> list[str]:
    """A cell for each tree, how many of them failed, and the slowest end of those that did not."""
    found = [endings.get((tool.name, tree, occasion), []) for tree in shown]
    if not any(found):
        return [tool.name, *("-" for _ in shown), "has none", "-"]
    failed = sum(any(one.failed for one in cell) for cell in found)
    times = [one.seconds for cell in found for one in cell if one.seconds is not None]
    slowest = f"{max(0.0, *times):.2f} s" if times else "-"
    return [tool.name, *map(_cell, found), f"{failed} of {len(shown)}", slowest]


def _cell(endings: Sequence[Ending]) -> str:
    """What was left at worst; in how many of the rounds, where not in all."""
    failed = [ending for ending in endings if ending.failed]
    if not failed:
        return "0"
    left = max(ending.survivors for ending in failed)
    words = [f"{left} left"] if left else []
    words += ["hangs"] if any(ending.hangs for ending in failed) else []
    often = "" if len(failed) == len(endings) else f" ({len(failed)} of {len(endings)})"
    return f"**{', '.join(words)}**{often}"


def _promises_of_trees(endings: Endings, times: Times) -> Iterator[tuple[str, str, bool]]:
    ours = {key: cell for key, cell in endings.items() if key[0].startswith("pipekit")}
    starts = [one for cell in ours.values() for one in cell]
    failed = sum(one.failed for one in starts)
    yield "no survivor and no hang on the trees", f"{failed} of {len(starts)}", failed == 0
    killed = [one.seconds for key, cell in ours.items() if key[2] == "SIGKILL" for one in cell]
    ended = [seconds for seconds in killed if seconds is not None]
    slowest = max(ended, default=0.0)
    yield (
        "killed by SIGKILL: the tree is empty within grace + 0.5 s",
        f"{slowest:.2f} s, the grace {times.grace:g} s",
        len(ended) == len(killed) and slowest <= times.grace + 0.5,
    )


def figures(found: Figures) -> str:
    """All tables of figures and the promises, as Markdown."""
    size = found.scale.throughput // 1_000_000
    kept = f"{size} MB of 100-byte lines kept by"
    idle = "a silent tree of 20 processes"
    sizes = (_amount(found.scale.lines), _amount(found.scale.blob))
    parts = [
        common.table((kept, "time", "speed, of the child's own"), _throughput(found)),
        common.table(("CPU of the supervisor", "10,000 lines a second", idle), _shares(found)),
        common.table(
            ("growth of memory", f"{sizes[0]} of lines", f"one line of {sizes[1]}"), _growth(found)
        ),
        common.table(
            (f"`/bin/true`, over a Popen's {found.bare:.1f} ms", "the first", "each of a hundred"),
            (
                [name, f"{cost.first:.1f} ms", f"{cost.each:.1f} ms"]
                for name, cost in found.costs.items()
            ),
        ),
        common.bars([*_promises_of_figures(found), *_promises_of_counts(found)], PROMISES),
    ]
    return "\n\n".join(parts)


def _throughput(found: Figures) -> Iterator[list[str]]:
    base = found.throughput["file"]
    for way, seconds in sorted(found.throughput.items(), key=lambda item: item[1]):
        yield [WAYS.get(way, way), f"{seconds:.2f} s", f"{base / seconds:.2f}"]


def _shares(found: Figures) -> Iterator[list[str]]:
    for way in dict.fromkeys([*found.rate, *found.sampling]):
        shares = [each.get(way) for each in (found.rate, found.sampling)]
        cells = ["-" if share is None else f"{share:.1%} of a core" for share in shares]
        yield [WAYS.get(way, way), *cells]


def _growth(found: Figures) -> Iterator[list[str]]:
    for way in dict.fromkeys(way for way, _ in found.growth):
        cells = []
        for size, error in (found.growth[way, kind] for kind in ("lines", "blob")):
            raised = error.partition(":")[0]
            cells.append(f"gives up: {raised}" if error else f"{size / MIB:.1f} MiB")
        yield [WAYS.get(way, way), *cells]


def _amount(size: int) -> str:
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"


def _promises_of_figures(found: Figures) -> Iterator[tuple[str, str, bool]]:
    grown = max(found.growth["pipekit", kind][0] for kind in ("lines", "blob")) / MIB
    yield "growth of memory ≤ 8 MiB", f"{grown:.1f} MiB", grown <= 8
    ours = found.throughput["pipekit"]
    ratio, beside = found.throughput["file"] / ours, found.throughput["supervisord"] / ours
    yield "throughput ≥ 1/3 of the child's own", f"{ratio:.2f}", ratio >= 1 / 3
    yield "throughput ≥ supervisord's", f"{beside:.2f} of it", beside >= 1
    share = found.rate["pipekit"]
    yield "10,000 lines a second ≤ 3 % of a core", f"{share:.1%}", share <= 0.03
    cost = found.costs[OURS]
    yield "a command over a Popen ≤ 20 ms", f"{cost.first:.1f} ms", cost.first <= 20
    yield "each of 100 commands ≤ 3 ms", f"{cost.each:.1f} ms", cost.each <= 3


def _promises_of_counts(found: Figures) -> Iterator[tuple[str, str, bool]]:
    wrong, other = found.wrong["pipekit"], found.wrong["subprocess"]
    yield (
        f"{found.scale.commands:,} failing commands, hostile host: none counts as a success",
        f"{wrong:,} (subprocess: {other:,})",
        wrong == 0,
    )
    left = [f"{count:g} {what}" for what, count in found.many.items() if what != "memory" and count]
    yield (
        f"{found.scale.commands:,} commands leave no descriptor, thread, process or file",
        ", ".join(left) or "0",
        not left,
    )
    each = found.many["memory"]
    yield "and less than 1 kB of memory each", f"{each:.0f} bytes", each < 1000
