"""The analyzer's worker process: reads a request and computes its instruments."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipekit.worker import leave, loading, request

with loading():
    from pipekit_analyzer.request import Request
    from pipekit_analyzer.work.analysis import run_unit
    from pipekit_analyzer.work.selection import Run


def main(words: list[str]) -> int:
    """Do what standard input asks for; `--check` only shows that everything can be imported."""
    if words != ["--check"]:
        asked = request(Request)
        with ThreadPoolExecutor(asked.workers) as pool:  # the heavy libraries let others run
            list(pool.map(partial(run_unit, run=Run(asked)), asked.instruments))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
