"""Count what the tests of docs/explanation/reliability.md try, and write it there.

    uv run python tests/crash/counts.py [TEST | FILE::TEST ...]

Runs the full set of the tests named on the page, or of some of them, and writes their rows of its
table: how many trials each made, in what time, and how many of them did not hold.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/reliability.md"
ROW = re.compile(r"^\| `(tests/[\w/.]+)::(test_\w+)` \| ([^|]*) \|.*$", re.MULTILINE)


def counted(file: str, test: str) -> str:
    """The cells of a test's row after the first two: trials, failed, time."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        words = ["-q", "-n", "0", "-m", "long or not long", "-k", test, file]
        words += ["-o", "junit_family=xunit1", f"--junitxml={results}"]
        subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, check=False)
        cases = list(ET.parse(results).iter("testcase"))  # made by pytest, just now
    cases = [case for case in cases if case.get("name", "").partition("[")[0] == test]
    trials = failed = 0
    for case in cases:
        noted = {p.get("name"): int(p.get("value", "")) for p in case.iter("property")}
        trials += noted.get("trials", 1)
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        failed += noted.get("failed", 1) if bad else 0
    seconds = sum(float(case.get("time", 0)) for case in cases)
    return f"{trials:,} | {failed:,} | {seconds:,.0f} s"


def main(names: list[str]) -> int:
    """Write the rows of these tests, or of all; returns 1 if any trial failed."""
    text = PAGE.read_text("utf-8")
    bad = False
    for row in ROW.finditer(text):
        file, test, promise = row.groups()
        if names and not {test, f"{file}::{test}"} & set(names):
            continue
        cells = counted(file, test)
        bad |= "| 0 |" not in cells
        text = text.replace(row[0], f"| `{file}::{test}` | {promise} | {cells} |")
        system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        python = f"Python {platform.python_version()}"
        text = re.sub(r"(?<=`, on ).*(?=: trials)", f"{system}, {python}", text)
        PAGE.write_text(text, "utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
