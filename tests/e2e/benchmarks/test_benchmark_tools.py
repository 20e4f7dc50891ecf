"""Each tool of the benchmark of events writes every event at once, and loses none when killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks/events"
TOLD = 200


def check(path: Path, told: int) -> None:
    """By the benchmark's own module, in a process that finds it."""
    code = "import sys; from pathlib import Path; from check import check;"
    code += "check(Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    words = [sys.executable, "-c", code, str(path), str(TOLD), str(told)]
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
        check(tmp_path / "j.jsonl", TOLD)

    @pytest.mark.skipif(os.name != "posix", reason="killed as POSIX kills")
    def test_what_it_told_survives_its_death(self, tool, tmp_path):
        assert tell(tool, tmp_path / "j.jsonl", "die").returncode == -9
        check(tmp_path / "j.jsonl", TOLD - 1)


def test_pipekit_writes_the_log_for_people_as_well(tmp_path):
    """Or it would be measured doing less than a run does."""
    tell("pipekit_run", tmp_path / "j.jsonl")
    assert len((tmp_path / "j.log").read_text().splitlines()) == TOLD
