"""The command `pipekit`."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working directory, which need not hold only modules for us

from pipekit.worker._exit import leave

_GARBAGE = 500_000
"""New objects between two garbage collections. A start makes 40,000 that stay and a plan some more
for each file: a collection finds nothing among them, and costs as much as an import.
"""


def entry() -> None:
    """The script `pipekit`."""
    code = main()
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or None
        sys.stdout.flush()
        os.dup2(2, 1)  # exit handlers of plugins must not add to the output of the command
    if "pipekit.plugins.isolation" in sys.modules:
        from pipekit.plugins.isolation import leave_plugins

        leave_plugins(code)
    leave(code)


def main() -> int:
    """Run the command line and return its exit code."""
    gc.set_threshold(_GARBAGE)
    if sys.argv[1:] == ["--version"]:  # answered without importing click
        import pipekit

        sys.stdout.write(f"pipekit {pipekit.__version__}\n")
        return 0
    from pipekit.cli.main import run_command_line  # with click, which `--version` does not need

    return run_command_line(sys.argv[1:])


if __name__ == "__main__":
    entry()
