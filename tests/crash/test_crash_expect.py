"""kill -9 wherever a run tells that a feed is stale or fresh again: told once, never twice."""

from __future__ import annotations

import json

import pytest

from .lab import CONFIG, Lab, Rule
from .tracer import available

if reason := available():
    pytest.skip(reason, allow_module_level=True)

EXPECT = '[[expect]]\nfiles = "data/feed/**"\nnewest_within = "1h"\n'
STATE = Rule(role="run", path=r"\.pipekit/\.?expect\.json.*")
TOLD = Rule(role="run", path=r"\.pipekit/\.?expect\.json.*|logs/events/.*")


def prepared(folder, is_stale: bool) -> Lab:
    """A project whose next run has something to tell, and nothing to do."""
    lab = Lab(folder)
    config = lab.root / "pipekit.toml"
    feed = lab.root / "data/feed"
    feed.mkdir()
    config.write_text(CONFIG + EXPECT)
    if is_stale:
        assert lab.pipekit("run").returncode == 0
        (feed / "one.txt").write_text("here")
    return lab


def told(lab: Lab) -> list[str]:
    """All that was told, in all journals, oldest first."""
    found = []
    for path in sorted(lab.root.glob("logs/events/*.jsonl")):
        records = [json.loads(line) for line in path.read_bytes().splitlines()]
        found += [r["event"] for r in records if r["event"] in ("stale", "fresh")]
    return found


@pytest.mark.parametrize("is_stale", [False, True], ids=["stale", "fresh"])
def test_a_change_is_told_once_whatever_is_killed(tmp_path, is_stale):
    template = prepared(tmp_path / "template", is_stale)
    undisturbed = Lab(tmp_path / "undisturbed", template)
    points = undisturbed.traced().points
    expected = ["stale", "fresh"] if is_stale else ["stale"]
    assert told(undisturbed) == expected
    concerned = [point for point in points if TOLD.matches(point)]
    notes = [n for n, point in enumerate(concerned) if STATE.matches(point)]
    for number in range(notes[0], notes[-1] + 2):
        action = "torn" if concerned[number].call == "write" else "kill"
        lab = Lab(tmp_path / f"trial{number}", template)
        assert lab.traced(TOLD._replace(number=number, action=action)).code < 0
        assert lab.pipekit("run").returncode == 0
        assert told(lab) == expected, (number, concerned[number], action)
    assert len(notes) > 2
