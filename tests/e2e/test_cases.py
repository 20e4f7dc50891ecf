"""The cases of mishaps in shared/cases, each played by its own script: `pytest -m long -k cases`.

Their faults have quicker tests of their own, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parents[3] / "shared/cases"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CASES.is_dir(), reason="the folder shared/cases is not beside us"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="the cases are scripts for bash"),
]


def said(name: str) -> str:
    """What the script of a case prints."""
    (script,) = CASES.glob(f"{name}/try.sh")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", script],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=170,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("61-*", [r"^same$", r"gzip -t: 0", r"a  \\r   b  \\r  \\n   c"]),
        ("63-*", [r"pipekit.process exit 125", r"cannot be printed: No space.*\nrun exit 0"]),
        ("64-*", [r"holds:\na1\na2\na3\na4\n", r"b size 3 .*command-2.out"]),
        ("72-*", [r"the journal was deleted during the run, and written again", r"^after$"]),
        ("76c-*", [r"bytes of output not kept", r"status|last run 1"]),
        ("79-*", [r"^-rw------- .pipekit/lock$", r"shared = true"]),
        ("90-*", [r"1 leftover process killed", r"^ended$"]),
        ("93-*", [r"received 2400000\nexit 0"]),
    ],
)
def test_a_case_ends_as_it_should(name: str, expected: list[str]) -> None:
    output = said(name)
    if "cannot mount" in output or "setpriv" in output:
        pytest.skip("this case needs the rights of root")
    missing = [text for text in expected if not re.search(text, output, re.MULTILINE)]
    assert missing == [], output
    assert "Traceback" not in output


def test_a_clock_that_jumps_removes_nothing() -> None:
    """The logs of all runs are there at the end, and both folders of quarantined rows."""
    output = said("85-*")
    if "no libfaketime" in output:
        pytest.skip("libfaketime is not installed")
    listed = output.partition("-- two years ahead")[2].partition("-- the same")[0]
    assert len(re.findall(r"^pipeline_report_\d+_\d+$", listed, re.MULTILINE)) == 5, output
    kept = output.partition("quarantine of the first run:")[2]
    assert len(re.findall(r"^[0-9a-f]{8}-[0-9a-f-]+$", kept, re.MULTILINE)) == 2, output
