"""The breakouts of bars in memory with polars: INPUT OUTPUT. Says how long they took."""

import sys
import time
from pathlib import Path

import breakouts
from analyse_polars import asked_of, compute, load, rows

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    took = 0.0
    for name, rules in breakouts.INSTRUMENTS.items():
        bars = load(source, name)
        asked = asked_of(bars)
        began = time.perf_counter()
        found = compute(bars, asked, rules)
        took += time.perf_counter() - began
        rows(bars, *found, rules, name).write_parquet(target / f"{name}.parquet")
    print(f"kernel {took} s")
