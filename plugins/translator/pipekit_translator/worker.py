"""The translator's worker: reads a request from standard input and works it off.

By hand, in the project's root: `python -m pipekit_translator.worker < request.json`. With `--check`
it only imports its libraries.
"""

from __future__ import annotations

import sys

from pipekit.worker import leave, loading, request
from pipekit_translator.request import Request


def main(words: list[str]) -> int:
    """The exit code is 0 even if files or instruments failed: the report says so."""
    with loading():
        if words == ["--check"]:
            import numba
            import numpy as np
            import pyarrow as pa

            print(f"numpy {np.__version__}, pyarrow {pa.__version__}, numba {numba.__version__}")
            return 0
        from pipekit_translator.work.translate import translate
    translate(request(Request))
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
