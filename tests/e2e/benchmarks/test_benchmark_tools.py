"""Each tool of the benchmark of events writes every event at once, and loses none when killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks/events"
CHECK = (
    "import check, sys, pathlib; check.check(pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:]))"
)
TOLD = 200


def python(code: str, *words: object) -> subprocess.CompletedProcess:
    """Code that finds the benchmark's modules."""
    begin = "import sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/..']; "
    return subprocess.run(
        [sys.executable, "-c", begin + code, str(FOLDER), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def tell(tool: str, path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    script = str(FOLDER / "tools" / f"{tool}.py")
    return subprocess.run(
        [sys.executable, script, str(path), str(TOLD), *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tool", ["pipekit_run", "logging_json", "logging_tuned"])
class TestTools:
    def test_it_tells_every_event_by_a_write(self, tool, tmp_path):
        done = tell(tool, tmp_path / "j.jsonl", NO_LOG="1")
        assert done.returncode == 0, done.stderr
        if sys.platform == "linux":
            assert json.loads(done.stdout)["writes"] == TOLD
        checked = python(CHECK, tmp_path / "j.jsonl", TOLD, TOLD)
        assert checked.returncode == 0, checked.stderr

    @pytest.mark.skipif(os.name != "posix", reason="killed as POSIX kills")
    def test_what_it_told_survives_its_death(self, tool, tmp_path):
        assert tell(tool, tmp_path / "j.jsonl", "die").returncode == -9
        checked = python(CHECK, tmp_path / "j.jsonl", TOLD, TOLD - 1)
        assert checked.returncode == 0, checked.stderr


def test_pipekit_writes_the_log_for_people_as_well(tmp_path):
    """Or it would be measured doing less than a run does."""
    tell("pipekit_run", tmp_path / "j.jsonl")
    assert len((tmp_path / "j.log").read_text().splitlines()) == TOLD
