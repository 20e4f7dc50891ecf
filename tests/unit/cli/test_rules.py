"""`[[lifecycle.rules]]`: a rule that could never do anything is refused."""

from __future__ import annotations

import pytest

from pipekit.builtins.rules import Rule
from pipekit.config.problems import TableError
from pipekit.config.structure import structured


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "must name a stage"),
        ({"action": "archive", "consumed_by": ["a"]}, "expected one of 'delete', 'keep'"),
        ({"age": "month", "consumed_by": ["a"]}, "expected one of 'file', 'data'"),
        ({"min_age": -1.0, "consumed_by": ["a"]}, "min_age: expected a duration"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(settings, problem):
    """The reason says what would do."""
    with pytest.raises(TableError, match=problem):
        structured(Rule, {"files": "data/**", **settings})


def test_a_rule_that_keeps_needs_no_stage():
    """Keeping takes nothing away."""
    assert structured(Rule, {"files": "data/**", "action": "keep"}).consumed_by == ()
