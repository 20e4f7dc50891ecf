"""The translator's process: takes a request on standard input, or checks that it could.

By hand: `python -m pipekit_translator.worker < request.json`, in the project's root.
"""

from __future__ import annotations

import sys

from pipekit.worker import leave, loading, request


def main(words: list[str]) -> int:
    """Exit code 0: what went wrong with single files and instruments stands in the report."""
    with loading():
        from pipekit_translator.translate import Translation
    if words == ["--check"]:
        import numpy as np
        import pyarrow as pa

        sys.stdout.write(f"numpy {np.__version__}, pyarrow {pa.__version__}\n")
        return 0
    Translation(request()).run()
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
