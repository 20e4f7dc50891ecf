"""What a plan is made of is checked when it is made, so that its plugin is named and not we."""

from __future__ import annotations

import pytest

from pipekit import Command, DefinitionError, StagePlan, Task

TRUE = Command(argv=["true"])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"command": None}, "command must be a Command, not None"),
        ({"command": ["true"]}, "command must be a Command, not"),
        ({"cores": "2"}, "cores must be a int, not '2'"),
        ({"units": [1]}, "units must contain only str values, not 1"),
        ({"units": "ES"}, "units: expected a list, got the string 'ES'"),
        ({"outputs": [b"out"]}, "outputs must contain only str values, not b'out'"),
        ({"name": 3}, "invalid task name 3"),
        ({"name": "a" * 101}, "invalid task name 'a.*use up to 100 letters"),
        ({"name": ""}, "invalid task name ''"),
    ],
)
def test_a_task_of_other_things_is_refused(facts, said):
    """Else a run would break in the middle, with a traceback of ours."""
    with pytest.raises(DefinitionError, match=said):
        Task(**{"name": "only", "command": TRUE, **facts})


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"reason": 3}, "reason must be a str, not 3"),
        ({"tasks": ["true"]}, "tasks must contain only Task values, not 'true'"),
        (
            {"inputs": ["data/in/a.txt"]},
            "inputs must contain only Input values, not 'data/in/a.txt'",
        ),
        ({"holds": [None]}, "holds must contain only str values, not None"),
        ({"waiting": "a.txt"}, "waiting: expected a list, got the string 'a.txt'"),
        ({"tasks": 5}, "tasks: expected a list, got 5"),
        ({"rejected": ["a.txt"]}, "rejected must contain only Consumption values, not 'a.txt'"),
        ({"warnings": [3]}, "warnings must contain only str values, not 3"),
    ],
)
def test_a_plan_of_other_things_is_refused(facts, said):
    """`inputs` are what `ctx.pending` gives, and not the names of files."""
    with pytest.raises(DefinitionError, match=said):
        StagePlan(**{"reason": "new files", **facts})
