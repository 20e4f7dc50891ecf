"""What the benchmark of the data plane says a command used, and where its tables go."""

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


def test_each_work_has_its_own_place_and_leaves_the_others(tmp_path):
    """Tables of one work are replaced, a new one comes in order, and what is missed is listed."""
    page = tmp_path / "page.md"
    page.write_text("# Performance\n")
    script = """
import sys, pathlib
sys.path[:0] = sys.argv[1:3]
import page
page.PAGE = pathlib.Path(sys.argv[3])
order = ["merge", "idle"]
page.write("idle", "| idle: fast | 9 s | **no** |", order)
page.write("merge", "old", order)
page.write("merge", "new\\n| merge: fast | 1 s | yes |", order)
"""
    folders = [str(FOLDER), str(FOLDER.parent)]
    subprocess.run([sys.executable, "-c", script, *folders, str(page)], check=True)
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("# Performance\n")
    assert text.index("data-merge: begin") < text.index("new") < text.index("data-idle: begin")
    assert text.count("- idle: fast: 9 s") == 1
    assert "- merge" not in text
