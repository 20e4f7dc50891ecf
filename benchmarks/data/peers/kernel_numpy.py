"""The breakouts of bars in memory with numpy: INPUT OUTPUT. Says how long they took."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import breakouts
from analyse_numpy import compute, instants, load, write
from breakouts import windows


def measured(compute: Callable, *, compiles: bool) -> None:
    """All instruments, one after the other; what is compiled is so before anything is timed."""
    source, target = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    took = 0.0
    for name, rules in breakouts.INSTRUMENTS.items():
        bars = load(source, name)
        asked = windows(int(bars[0][0]), int(bars[0][-1]))
        at = instants(asked)
        if compiles:
            compute(bars, asked, at, rules)
            compiles = False
        began = time.perf_counter()
        found = compute(bars, asked, at, rules)
        took += time.perf_counter() - began
        write(found, bars[0], rules, name, target)
    print(f"kernel {took} s")


if __name__ == "__main__":
    measured(compute, compiles=False)
