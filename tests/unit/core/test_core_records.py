"""What a plan is made of is checked when it is made, so that its plugin is named and not we."""

from __future__ import annotations

import pytest

from pipekit import Command, DefinitionError, StagePlan, Task

TRUE = Command(argv=["true"])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"command": None}, "command is a Command, not None"),
        ({"command": ["true"]}, "command is a Command, not"),
        ({"cores": "2"}, "cores is a int, not '2'"),
        ({"units": [1]}, "units holds str values, not 1"),
        ({"units": "ES"}, "not the one text 'ES'"),
        ({"outputs": [b"out"]}, "outputs holds str values, not b'out'"),
        ({"name": 3}, "3 cannot name a task"),
        ({"name": "a" * 101}, "cannot name a task: up to 100 letters"),
        ({"name": ""}, "'' cannot name a task"),
    ],
)
def test_a_task_of_other_things_is_refused(facts, said):
    """Else a run would break in the middle, with a traceback of ours."""
    with pytest.raises(DefinitionError, match=said):
        Task(**{"name": "only", "command": TRUE, **facts})


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"reason": 3}, "reason is a str, not 3"),
        ({"tasks": ["true"]}, "tasks holds Task values, not 'true'"),
        ({"inputs": ["data/in/a.txt"]}, "inputs holds Input values, not 'data/in/a.txt'"),
        ({"holds": [None]}, "holds holds str values, not None"),
        ({"waiting": "a.txt"}, "not the one text 'a.txt'"),
        ({"warnings": [3]}, "warnings holds str values, not 3"),
    ],
)
def test_a_plan_of_other_things_is_refused(facts, said):
    """`inputs` are what `ctx.pending` gives, and not the names of files."""
    with pytest.raises(DefinitionError, match=said):
        StagePlan(**{"reason": "new files", **facts})
