"""The breakouts of bars in memory with pipekit's kernel: INPUT OUTPUT CORES kernel [floor].

Says how long they took; with `floor` how long it takes to look at all of the bars once.
"""

import sys
from pathlib import Path

import analyse_numpy
import breakouts
import numpy as np
from analyse_numpy import Given
from breakouts import Instrument
from pipekit_analyzer.work.kernel import Bars, DataEnd, TickRules, Windows
from pipekit_analyzer.work.simulate import KernelChoice, simulate

FLOOR = "floor" in sys.argv
KERNEL = KernelChoice(str(Path(sys.argv[2]) / "compiled"), large=0).kernel_for(1)


def load(source: Path, name: str) -> Given:
    given = analyse_numpy.load(source, name)
    return given._replace(bars=tuple(map(np.ascontiguousarray, given.bars)))


def compute(given: Given, rules: Instrument) -> object:
    if FLOOR:
        return [column.max() for column in given.bars]
    last = int(given.bars[0][-1])
    rule = TickRules(rules.target, rules.t1, 3 * rules.target)
    return simulate(Bars(*given.bars), Windows(*given.at), DataEnd(last, last), [rule], KERNEL)[0]


def write(given: Given, found: object, rules: Instrument, name: str, path: Path) -> None:
    """The outcome in the form that the peers write."""
    if FLOOR:
        return
    columns = [found.result, found.direction, found.entry_bar, found.exit_bar, found.entry]
    columns += [found.profit, found.peak, found.range_high, found.range_low]
    rows = zip(given.windows, *(column.tolist() for column in columns), strict=True)
    analyse_numpy.write(given, [row for row in rows if row[1] >= 0], rules, name, path)


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    breakouts.main(load, compute, write)
