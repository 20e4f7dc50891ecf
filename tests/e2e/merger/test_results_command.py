"""`pipekit results` as a command: on a terminal, and while a run writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

DAYS = ("2024-01-04", "2024-01-05", "2024-02-05")


@pytest.fixture
def merged(project, kit):
    """A project with a merged stream of two months and two variants."""
    (project.root / "pipekit.toml").write_text('[pipeline]\nstages = ["merger"]\n')
    rows = [
        kit.row(day, slot, profit, variant=variant)
        for variant in ("default", "wide")
        for slot in ("07:30", "08:00")
        for day, profit in zip(DAYS, (10.0, -4.25, 1234.5), strict=True)
    ]
    project.run_file(rows, kit.scope(kit.always))
    project.run()
    return project


def test_results_can_be_asked_for_while_a_run_writes(merged, kit):
    """Every answer is of whole months, the old ones or the new, whatever moment it is."""
    asked = subprocess.Popen(
        [sys.executable, "-c", ASKING, str(merged.root)], stdout=subprocess.PIPE, text=True
    )
    with asked:
        for number in range(60):
            rows = [kit.row(day, "07:30", float(number)) for day in DAYS]
            merged.run_file(rows, kit.scope(kit.always))
            merged.run()
            if asked.poll() is not None:
                break
        answers = json.loads(asked.communicate()[0])
    assert len({profit for profits in answers for profit in profits}) > 2
    for code, unreadable, count in ((a[0], a[1], len(a) - 2) for a in answers):
        assert (code, unreadable, count) == (0, 0, len(DAYS))


ASKING = """
import json, subprocess, sys
answers = []
for _ in range(6):
    words = ["-C", sys.argv[1], "results", "--rows", "--json", "--variant", "default"]
    words += ["--stream", "ES1", "--slot", "07:30"]
    done = subprocess.run([sys.executable, "-m", "pipekit", *words], capture_output=True)
    stated = json.loads(done.stdout)
    rows = [row["profit"] for row in stated["rows"]]
    answers.append([done.returncode, len(stated["unreadable"]), *rows])
print(json.dumps(answers))
"""


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("words", [(), ("--rows",)])
def test_a_narrow_terminal_shows_fewer_columns_and_every_row(merged, on_a_terminal, words, width):
    """What matters most stays: the names, the number of trades, the result, points."""
    env = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pipekit", "-C", str(merged.root), "results", *words]
    plain = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = on_a_terminal(merged.root, width, "results", *words, env=env)
    assert len(lines) == len(plain)
    assert max(map(len, lines)) <= width
    stay = {"variant", "stream", "slot", "points", *(("result",) if words else ("trades",))}
    assert stay <= set(lines[0].split())
    whole = max(map(len, plain)) <= width
    assert (lines == plain) == whole


def test_help_lists_the_command_without_importing_the_plugin(project):
    code = (
        "import sys; sys.argv = ['pipekit', '--help']\n"
        "from pipekit.__main__ import main\n"
        "main()\n"
        "assert not any(name.startswith('pipekit_') for name in sys.modules), sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project.root
    )
    assert re.search("results +from pipekit-merger", done.stdout)
