"""The translator's worker process: reads raw files and publishes processed ones.

By hand, in the project's root: `python -m pipekit_translator.worker < request.json`.
"""

from __future__ import annotations

import sys

from pipekit_kernels import state

from pipekit.worker import leave, loading, request
from pipekit_translator.request import Request

with loading():
    from pipekit_translator.work.translate import translate


def main(words: list[str]) -> int:
    """Carry out the request on standard input; `--check KERNELS` only says that it can be.

    The exit code is 0 even if files or instruments failed: the report has the failures.
    """
    if words[:1] == ["--check"]:
        print(state(wanted=words[1:] != ["off"]))
    else:
        translate(request(Request))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
