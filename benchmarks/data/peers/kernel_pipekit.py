"""The breakouts of bars in memory with pipekit's kernel: INPUT OUTPUT CORES [floor].

Says how long they took; with `floor` how long it takes to look at all of the bars once.
"""

import sys
import time
from pathlib import Path

import breakouts
import numpy as np
from analyse_numpy import instants, load, write
from breakouts import Instrument, windows
from pipekit_analyzer.work.kernel import Bars, Data, Windows
from pipekit_analyzer.work.kernels import Kernels
from pipekit_analyzer.work.strategy import Kernel, Rules, analyse


def compute(bars: tuple, at: np.ndarray, rules: Instrument, kernel: Kernel) -> object:
    last = int(bars[0][-1])
    rule = Rules(rules.target, rules.t1, 3 * rules.target)
    return analyse(Bars(*bars), Windows(*at), Data(last, last), [rule], kernel)[0]


def found_in(asked: list, o: object) -> list:
    """The outcome in the form that the peers write."""
    columns = [
        *(o.result, o.direction, o.entry_bar, o.exit_bar, o.entry, o.profit, o.peak),
        *(o.range_high, o.range_low),
    ]
    rows = zip(asked, *(column.tolist() for column in columns), strict=True)
    return [row for row in rows if row[1] >= 0]


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    floor = sys.argv[4:] == ["floor"]
    target.mkdir(parents=True, exist_ok=True)
    kernel = Kernels(str(target / "compiled"), large=0).choose(1)
    took = 0.0
    for name, rules in breakouts.INSTRUMENTS.items():
        bars = tuple(map(np.ascontiguousarray, load(source, name)))
        asked = windows(int(bars[0][0]), int(bars[0][-1]))
        at = instants(asked)
        began = time.perf_counter()
        if floor:
            [column.max() for column in bars]
        else:
            outcome = compute(bars, at, rules, kernel)
        took += time.perf_counter() - began
        if not floor:
            write(found_in(asked, outcome), bars[0], rules, name, target)
    print(f"kernel {took} s")


if __name__ == "__main__":
    main()
