"""The tables of part two, and each promise of both beside what was measured; measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cells import Endings, Times
from figures import Figures, Scale

NAMES = {
    "file": "the child itself, into the file",
    "communicate": "subprocess, `communicate`",
    "text": "subprocess, text lines",
    "bounded": "subprocess, `readline(65536)`",
    "threads": "a thread and a queue, text lines",
    "asyncio": "asyncio, lines",
    "psutil": "psutil, a walk each second",
}
MIB = 1024 * 1024
OURS = "pipekit, `execute`"


def figures(found: Figures) -> str:
    """All tables of figures, as Markdown."""
    return "\n".join(
        [*_throughput(found), "", *_shares(found), "", *_growth(found), "", *_costs(found)]
    )


def _throughput(found: Figures) -> Iterator[str]:
    size = found.scale.throughput // 1_000_000
    yield f"| {size} MB of 100-byte lines kept by | time | speed, of the child's own |"
    yield "|---|---|---|"
    base = found.throughput["file"]
    for way, seconds in sorted(found.throughput.items(), key=lambda item: item[1]):
        yield f"| {NAMES.get(way, way)} | {seconds:.2f} s | {base / seconds:.2f} |"


def _shares(found: Figures) -> Iterator[str]:
    yield "| CPU of the supervisor | 10,000 lines a second | a silent tree of 20 processes |"
    yield "|---|---|---|"
    for way in dict.fromkeys([*found.rate, *found.sampling]):
        cells = [_percent(shares.get(way)) for shares in (found.rate, found.sampling)]
        yield f"| {NAMES.get(way, way)} | {' | '.join(cells)} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%} of a core"


def _growth(found: Figures) -> Iterator[str]:
    sizes = (_amount(found.scale.lines), _amount(found.scale.blob))
    yield f"| growth of memory | {sizes[0]} of lines | one line of {sizes[1]} |"
    yield "|---|---|---|"
    for way in dict.fromkeys(way for way, _ in found.growth):
        cells = [_mebibytes(*found.growth[way, kind]) for kind in ("lines", "blob")]
        yield f"| {NAMES.get(way, way)} | {' | '.join(cells)} |"


def _amount(size: int) -> str:
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"


def _mebibytes(size: int, error: str) -> str:
    return f"gives up: {error.partition(':')[0]}" if error else f"{size / MIB:.1f} MiB"


def _costs(found: Figures) -> Iterator[str]:
    yield f"| `/bin/true`, over a Popen's {found.bare:.1f} ms | the first | each of a hundred |"
    yield "|---|---|---|"
    for name, cost in found.costs.items():
        yield f"| {name} | {cost.first:.1f} ms | {cost.each:.1f} ms |"


def promises(found: Figures) -> str:
    """Each promise of part two, what was measured, and whether it was kept, as Markdown."""
    return _table([*_of_figures(found), *_of_counts(found)])


def promises_of_trees(endings: Endings, times: Times) -> str:
    """The promises of part one, likewise."""
    return _table(_of_trees(endings, times))


def _table(rows: Iterable[str]) -> str:
    return "\n".join(["| promise | measured | kept |", "|---|---|---|", *rows])


def _of_trees(endings: Endings, times: Times) -> Iterator[str]:
    ours = {key: cell for key, cell in endings.items() if key[0].startswith("pipekit")}
    starts = [one for cell in ours.values() for one in cell]
    failed = sum(one.hangs or one.survivors > 0 for one in starts)
    yield _row("no survivor and no hang on the trees", f"{failed} of {len(starts)}", failed == 0)
    killed = [one.seconds for key, cell in ours.items() if key[2] == "SIGKILL" for one in cell]
    ended = [seconds for seconds in killed if seconds is not None]
    slowest = max(ended, default=0.0)
    kept = len(ended) == len(killed) and slowest <= times.grace + 0.5
    yield _row(
        "killed by SIGKILL: the tree is empty within grace + 0.5 s",
        f"{slowest:.2f} s, the grace {times.grace:g} s",
        kept,
    )


def _of_figures(found: Figures) -> Iterator[str]:
    grown = max(found.growth["pipekit", kind][0] for kind in ("lines", "blob")) / MIB
    yield _row("growth of memory ≤ 8 MiB", f"{grown:.1f} MiB", grown <= 8)
    ours = found.throughput["pipekit"]
    ratio, beside = found.throughput["file"] / ours, found.throughput["supervisord"] / ours
    yield _row("throughput ≥ 1/3 of the child's own", f"{ratio:.2f}", ratio >= 1 / 3)
    yield _row("throughput ≥ supervisord's", f"{beside:.2f} of it", beside >= 1)
    share = found.rate["pipekit"]
    yield _row("10,000 lines a second ≤ 3 % of a core", f"{share:.1%}", share <= 0.03)
    cost = found.costs[OURS]
    yield _row("a command over a Popen ≤ 20 ms", f"{cost.first:.1f} ms", cost.first <= 20)
    yield _row("each of 100 commands ≤ 3 ms", f"{cost.each:.1f} ms", cost.each <= 3)


def _of_counts(found: Figures) -> Iterator[str]:
    wrong, other = found.wrong["pipekit"], found.wrong["subprocess"]
    yield _row(
        f"{found.scale.commands:,} failing commands, hostile host: none counts as a success",
        f"{wrong:,} (subprocess: {other:,})",
        wrong == 0,
    )
    stays = _stays(found.many)
    yield _row(
        f"{found.scale.commands:,} commands leave no descriptor, thread, process or file",
        ", ".join(f"{number:g} {what}" for what, number in stays.items()) or "0",
        not stays,
    )
    each = found.many["memory"]
    yield _row("and less than 1 kB of memory each", f"{each:.0f} bytes", each < 1000)


def _stays(many: Mapping[str, float]) -> dict[str, float]:
    return {what: number for what, number in many.items() if what != "memory" and number}


def _row(promise: str, measured: str, kept: bool) -> str:
    return f"| {promise} | {measured} | {'yes' if kept else '**no**'} |"


def scale(quick: bool, long: bool, rounds: int) -> Scale:
    """How much of everything is asked for."""
    if quick:
        return Scale(1, 20_000_000, 3, 20_000_000, 20_000_000, 200)
    return Scale(rounds, lines=10_000_000_000 if long else 1_000_000_000)
