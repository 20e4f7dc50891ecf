"""Gets what the tests in a real browser need: Chromium and its driver by apt, axe-core by npm.

Without the right to install, or without a network, it says so and ends with 0: the tests that need
a browser are skipped then, and say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

AXE_VERSION = "4.14.1"
AXE = Path(__file__).parent / ".axe"  # axe-core's source is not part of this repository
_SECONDS = 240.0  # for all packages


def main() -> None:
    """Install what is missing."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
        if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
            _run("apt-get", "update", "-q")
            _run(*install, "chromium", "chromium-driver", "fonts-dejavu-core")
        else:
            print("no chromium here; as root: apt-get install chromium chromium-driver")
    if not (AXE / "node_modules/axe-core/axe.min.js").is_file():
        if shutil.which("npm"):
            options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
            _run("npm", "install", *options, "--prefix", str(AXE), f"axe-core@{AXE_VERSION}")
        else:
            print("no npm here: pages are not checked by axe-core")


def _run(*words: str) -> None:
    print("+", *words, flush=True)
    if not _worked(words):
        print(f"{words[0]} could not do it: the tests that need it are skipped")


def _worked(words: Sequence[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            words, stdout=subprocess.DEVNULL, env=environment, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
