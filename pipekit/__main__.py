"""The command `pipekit`; what needs no click is answered before it is imported."""

from __future__ import annotations

import gc
import sys

_GARBAGE = 50_000  # new objects between two looks for garbage: a start makes 28,000 that stay


def main() -> int:
    """Run the command line and return its exit code."""
    gc.set_threshold(_GARBAGE)
    try:
        return _main(sys.argv[1:])
    finally:
        gc.freeze()  # all that is left goes with the process: no need to look through it


def _main(words: list[str]) -> int:
    if words == ["--version"]:
        import pipekit

        sys.stdout.write(f"pipekit {pipekit.__version__}\n")
        return 0
    from pipekit.cli import run_command_line

    return run_command_line(words)


if __name__ == "__main__":
    sys.exit(main())
