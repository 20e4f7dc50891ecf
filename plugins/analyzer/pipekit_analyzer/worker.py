"""The analyzer's worker process: computes instruments and publishes their results."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipekit_kernels import state

from pipekit.worker import leave, loading, request
from pipekit_analyzer.request import Request

with loading():
    from pipekit_analyzer.work.analysis import run_unit
    from pipekit_analyzer.work.selection import RequestContext


def main(words: list[str]) -> int:
    """Carry out the request on standard input; `--check KERNELS` only says that it can be."""
    if words[:1] == ["--check"]:
        print(state(wanted=words[1:] != ["off"]))
    else:
        asked = request(Request)
        with ThreadPoolExecutor(asked.workers) as pool:  # numpy and pyarrow release the GIL
            list(pool.map(partial(run_unit, context=RequestContext(asked)), asked.instruments))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
