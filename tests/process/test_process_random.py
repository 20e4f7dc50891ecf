"""Trees that nobody has planned: made from a seed, stopped or left, and gone every time."""

from __future__ import annotations

import random

import pytest

from pipekit.model.command import Outcome

ENDS = [
    {"timeout": 0.15, "linger": 0.05},
    {"timeout": 0.8, "linger": 0.05},
    {"hang_timeout": 0.2, "timeout": 0.6, "linger": 0.1},
    {"done_pattern": "x", "timeout": 0.5, "linger": 0.05},
    {"timeout": 0.0, "linger": 0},
]


def see_through(lab, seed) -> None:
    """Whatever it is: the result is true, in time, and nothing lives on (`lab.run` looks)."""
    dice = random.Random(seed)
    options = dice.choice(ENDS)
    grace = dice.choice([0.0, 0.05, 0.2])
    result = lab.run("random", seed, grace=grace, **options)
    assert result.escaped == ()
    assert result.outcome is not Outcome.LOST
    latest = options["timeout"] + grace + 0.5 + 1.0  # a second for a busy machine
    assert result.duration <= latest, f"seed {seed}: {result}"
    if result.success:
        assert result.outcome in (Outcome.EXITED, Outcome.COMPLETED)
        assert result.returncode == 0
    if result.outcome is Outcome.TIMED_OUT:
        assert result.signals
    if result.signals and not result.survivors:
        assert result.outcome is not Outcome.EXITED or result.returncode is not None


@pytest.mark.parametrize("seeds", [range(8), range(8, 16), range(16, 24)], ids=str)
def test_random_trees_are_gone_and_told_truly(lab, seeds):
    for seed in seeds:
        see_through(lab, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_random_trees_are_gone_and_told_truly(lab):
    for seed in range(1000, 2000):
        see_through(lab, seed)
