"""What the benchmark of the data plane says a command used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks/data"
LARGE = "b = bytearray(200_000_000); b[::4096] = b'x' * len(b[::4096])"
SUPERVISED = f"""
import sys
from pipekit import Command
from pipekit.process import ProcessSupervisor
supervisor = ProcessSupervisor()
result = supervisor.execute(Command(argv=(sys.executable, "-c", {LARGE!r})))
assert result, result
"""


def launched(tmp_path, *argv):
    launch = FOLDER / "launch.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(launch), str(tmp_path / "out"), "1", *argv],
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="it binds to cores as Linux does")
class TestLaunch:
    def test_memory_is_that_of_the_largest_process_below_a_supervisor(self, tmp_path):
        """A worker two levels down, below a guardian, is not missed."""
        found = launched(tmp_path, sys.executable, "-c", SUPERVISED)
        assert found["code"] == 0, (tmp_path / "out").read_text()
        assert found["memory"] > 200_000_000 / 2**20

    def test_a_small_command_is_not_given_the_memory_of_who_started_it(self, tmp_path):
        """`true` needs less than a Python interpreter with this test in it."""
        assert launched(tmp_path, "true")["memory"] < 20
