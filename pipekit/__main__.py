"""The command `pipekit`; what can do without click is done before it is imported."""

from __future__ import annotations

import gc
import sys

from pipekit.worker._exit import leave

_GARBAGE = 500_000
"""New objects between two looks for garbage. A start makes 40,000 that stay, a plan some more for
each file it looks at: among them is no garbage, and each look costs as much as an import.
"""


def entry() -> None:
    """The script `pipekit`."""
    leave(main())


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
    if "run" in words:
        from pipekit.cli.exits import ended
        from pipekit.cli.running import plain_run, run_plainly

        plain = plain_run(words)
        if plain is not None:
            return ended(lambda: run_plainly(*plain))
    from pipekit.cli.main import run_command_line

    return run_command_line(words)


if __name__ == "__main__":
    entry()
