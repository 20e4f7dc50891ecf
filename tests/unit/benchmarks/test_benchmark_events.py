"""What the benchmark of events lets pass as equal, and what it says of the bar."""

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


FAULTS = {
    "a lost line": lambda lines: lines[:5] + lines[6:],
    "a line twice": lambda lines: lines[:5] + lines[4:],
    "half a line": lambda lines: [*lines[:-1], lines[-1][:-9]],
    "another message": lambda lines: [lines[0].replace('"msg": ""', '"msg": " "'), *lines[1:]],
    "a field more": lambda lines: [lines[0].replace("{", '{"level": 1, ', 1), *lines[1:]],
    "no offset": lambda lines: [*lines[:-1], lines[-1].replace("+00:00", "")],
    "a later time first": lambda lines: [lines[0].replace('"timestamp": "20', '"timestamp": "30'),
                                         *lines[1:]],
    "all of another day": lambda lines: [line.replace('"timestamp": "20', '"timestamp": "19')
                                         for line in lines],
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_equal_is_refused(fault, tmp_path):
    path = tmp_path / "j.jsonl"
    tell("pipekit_run", path, TZ="UTC")
    path.write_text("".join(FAULTS[fault](path.read_text().splitlines(keepends=True))))
    checked = python(CHECK, path, TOLD, TOLD)
    assert checked.returncode == 1
    assert checked.stderr.startswith("j.jsonl")


@pytest.mark.parametrize(("ours", "met"), [(2.0, "1.50 ×, 2.00 × by CPU | yes |"),
                                           (2.1, "1.43 ×, 1.90 × by CPU | **no** |")])  # fmt: skip
def test_the_bar_is_held_against_the_medians_of_logging(ours, met):
    script = """
from tables import Sample, render
ours = float(sys.argv[2])
logging = [Sample(n, 4.0, 100, 100) for n in (9.0, 3.0, 1.0)]
print(render({"pipekit": [Sample(ours, ours, 200, 100)] * 3, "logging": logging}))
"""
    assert python(script, ours).stdout.endswith(f"logging with JSON | {met}\n")


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    script = "import markers, pathlib; markers.put(pathlib.Path(sys.argv[2]), 'events', 'new')"
    page.write_text("# Page\n<!-- events: begin -->\nold\n<!-- events: end -->\nend\n")
    assert python(script, page).returncode == 0
    assert page.read_text() == ("# Page\n<!-- events: begin -->\nnew\n<!-- events: end -->\nend\n")
    page.write_text("# Page\n<!-- events: begin -->\n")
    assert "has no place" in python(script, page).stderr
    assert page.read_text() == "# Page\n<!-- events: begin -->\n"
