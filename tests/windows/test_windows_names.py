"""Names and shells of Windows: what cannot be a file's name, and what a person types there."""

from __future__ import annotations

import pytest

from pipekit import StagePlan, Task
from pipekit.errors import DefinitionError
from pipekit.model.command import Command
from pipekit.model.names import checked_name
from pipekit.model.system import limits_hint, quoted


@pytest.mark.parametrize("name", ["con", "AUX", "nul", "prn.x", "com1", "LPT9"])
def test_a_task_cannot_be_named_after_a_device(name):
    with pytest.raises(DefinitionError, match="on Windows: it is the name of a device"):
        Task(name=name, command=Command(argv=("x",)))


def test_a_task_may_have_a_name_that_ends_with_a_dot():
    """Its files have more behind it: Windows would drop a dot at the end."""
    Task(name="a.", command=Command(argv=("x",)))


def test_two_tasks_of_a_plan_cannot_write_the_same_files():
    command = Command(argv=("x",))
    with pytest.raises(DefinitionError, match="'ES' and 'es' would be the same on this system"):
        StagePlan(reason="x", tasks=[Task(name=name, command=command) for name in ("ES", "es")])


def test_a_stage_cannot_be_named_after_a_device():
    with pytest.raises(DefinitionError, match="device"):
        checked_name(None, None, "aux")


@pytest.mark.parametrize("name", ["console", "nuls", "com", "com10", "a.con"])
def test_other_names_are_free(name):
    Task(name=name, command=Command(argv=("x",)))


def test_paths_are_typed_as_shells_of_windows_take_them():
    assert quoted(r"C:\bars\x-1.txt") == r"C:\bars\x-1.txt"
    assert quoted(r"C:\my bars") == r'"C:\my bars"'
    assert quoted("a&b") == '"a&b"'
    assert quoted("") == '""'


def test_advice_is_for_windows():
    assert "ulimit" not in limits_hint("-n")
