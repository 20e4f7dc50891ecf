"""The breakouts of bars in memory with duckdb: INPUT OUTPUT [THREADS]. Says how long they took."""

import sys
import time
from pathlib import Path

import breakouts
import duckdb
from analyse_duckdb import RESULT, compute, load, words

if __name__ == "__main__":
    source, target, *threads = sys.argv[1:]
    source, target = Path(source), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    if threads:
        database.execute(f"set threads = {int(threads[0])}")
    took = 0.0
    for name in breakouts.INSTRUMENTS:
        load(database, source, target, name)
        began = time.perf_counter()
        compute(database, target, name)
        took += time.perf_counter() - began
        database.execute(RESULT.format(**words(target, name)))
    print(f"kernel {took} s")
