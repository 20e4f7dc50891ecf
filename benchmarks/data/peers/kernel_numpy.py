"""The breakouts of bars in memory with numpy: INPUT OUTPUT. Says how long they took."""

import sys
import time
from pathlib import Path

import breakouts
from analyse_numpy import compute, load, write
from breakouts import windows

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    took = 0.0
    for name, rules in breakouts.INSTRUMENTS.items():
        bars = load(source, name)
        asked = windows(int(bars[0][0]), int(bars[0][-1]))
        began = time.perf_counter()
        found = compute(bars, asked, rules)
        took += time.perf_counter() - began
        write(found, bars[0], rules, name, target)
    print(f"kernel {took} s")
