"""The analyzer's worker process: reads a request and computes its instruments."""

from __future__ import annotations

import sys

from pipekit.worker import leave, loading, request

with loading():
    from pipekit_analyzer.request import Request
    from pipekit_analyzer.work.analysis import run_unit
    from pipekit_analyzer.work.selection import Run
    from pipekit_analyzer.work.threads import map_in_threads


def run(asked: Request) -> None:
    """Compute all instruments of a request; one that fails does not stop the others."""
    shared = Run.of(asked)
    map_in_threads(lambda job: run_unit(job, shared), asked.instruments, asked.workers)


def main(words: list[str]) -> int:
    """Do what standard input asks for; `--check` only shows that everything can be imported."""
    if words != ["--check"]:
        run(request(Request))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
