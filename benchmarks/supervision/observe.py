"""One cell of the comparison, a process of its own: start a tool, disturb it, count what is left.

    observe.py CELL     (JSON in, JSON out; see cells.py)

It is a child subreaper, so everything that the tool starts stays below it and can be counted and
ended, whatever it does to get away.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import processes

PATIENCE = 90.0  # seconds for a tool to start its command
SETTLE = 0.3  # seconds that a tree is left in peace before the tool gets its signal
PAUSE = 0.02  # seconds between two looks
CLEAN = 5  # looks in a row without a survivor: one alone may miss a process that just forked
TREES = str(Path(__file__).with_name("trees.py"))


def main() -> None:
    cell = json.loads(sys.argv[1])
    processes.adopt()
    try:
        print(json.dumps(observed(cell)))
    finally:
        left = processes.end_all()
    if left:
        raise SystemExit(f"could not end {left}")


def observed(cell: dict[str, Any]) -> dict[str, Any]:
    """What became of one start: survivors, whether the tool hangs, and after how many seconds."""
    folder = Path(cell["folder"])
    with (folder / "output.txt").open("wb") as output:
        tool = subprocess.Popen(
            cell["argv"],
            cwd=folder,
            env={**os.environ, **cell["env"]},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if not appears(folder / "ready", tool):
        said = (folder / "output.txt").read_text(errors="replace")[-3000:]
        return {"error": f"no tree within {PATIENCE:.0f} s, exit {tool.poll()}: {said}"}
    occasion = time.monotonic() + cell["timeout"]
    if cell["occasion"] != "time-out":
        time.sleep(SETTLE)
        occasion = time.monotonic()
        if tool.poll() is None:
            tool.send_signal(signal.Signals[cell["occasion"]])
    return watch(tool, occasion, cell["grace"] + cell["spare"])


def appears(path: Path, tool: subprocess.Popen[bytes]) -> bool:
    """Whether the file is there before the patience, or the tool, is at its end."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not path.exists() and tool.poll() is None:
        time.sleep(0.005)
    return path.exists()


def watch(tool: subprocess.Popen[bytes], occasion: float, wait: float) -> dict[str, Any]:
    """Look until all is gone, or `wait` seconds after the occasion; then count."""
    clean, since = 0, None
    while clean < CLEAN:
        gone = tool.poll() is not None
        processes.reap(keep=tool.pid)
        if not gone or survivors():
            clean, since = 0, None
        else:
            clean, since = clean + 1, since or time.monotonic()
        if time.monotonic() > occasion + wait and not clean:
            return {"survivors": counted(), "hangs": tool.poll() is None, "seconds": None}
        time.sleep(PAUSE)
    return {"survivors": 0, "hangs": False, "seconds": (since or occasion) - occasion}


def counted() -> int:
    """The survivors, by the most that a few looks see."""
    counts = []
    for _ in range(CLEAN):
        counts.append(survivors())
        time.sleep(PAUSE)
    return max(counts)


def survivors() -> int:
    """Live processes below us that run the trees' program; the tool's own do not count."""
    return sum(words[1:2] == (TREES,) for words in processes.descendants(os.getpid()).values())


if __name__ == "__main__":
    main()
