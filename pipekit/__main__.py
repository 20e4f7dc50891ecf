"""The command `pipekit`; what needs no click is answered before it is imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    words = sys.argv[1:]
    if words == ["--version"]:
        import pipekit

        sys.stdout.write(f"pipekit {pipekit.__version__}\n")
        return 0
    from pipekit.cli import run_command_line

    return run_command_line(words)


if __name__ == "__main__":
    sys.exit(main())
