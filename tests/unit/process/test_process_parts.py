"""Small parts of the supervisor, each on its own."""

from __future__ import annotations

import os
import select
import sys

import pytest

from pipekit.model.command import Command
from pipekit.process import Cancel
from pipekit.process.start import TREE_VARIABLE, child_environment


@pytest.mark.skipif(sys.platform == "win32", reason="Windows waits in another way")
def test_cancel_wakes_a_waiter_and_stays_set():
    with Cancel() as cancel:
        assert not cancel.is_set()
        assert select.select([cancel], [], [], 0)[0] == []
        for _ in range(100_000):  # more than a pipe holds
            cancel.set()
        assert select.select([cancel], [], [], 0)[0] == [cancel]
        assert cancel.is_set()
        assert not cancel.now
        cancel.set(now=True)
        assert cancel.now


def test_tree_inside_a_tree_carries_both_names(monkeypatch):
    """So that the outer run still finds what an inner supervisor left behind."""
    monkeypatch.delenv(TREE_VARIABLE, raising=False)
    command = Command(argv=["x"], env={TREE_VARIABLE: "forged"})
    assert child_environment(command, "outer")[TREE_VARIABLE] == "outer"
    monkeypatch.setenv(TREE_VARIABLE, "outer")
    assert child_environment(command, "inner")[TREE_VARIABLE] == "outer:inner"


def test_python_children_write_in_the_encoding_that_is_read():
    command = Command(argv=["x"], encoding="cp1252")
    assert child_environment(command, "t")["PYTHONIOENCODING"] == "cp1252"


def test_unknown_name_of_the_package_is_an_attribute_error():
    import pipekit.process

    with pytest.raises(AttributeError, match="nonsense"):
        _ = pipekit.process.nonsense
    assert {"Cancel", "OnLines", "ProcessSupervisor"} <= set(dir(pipekit.process))


def test_cancel_gives_its_descriptors_back_when_it_is_forgotten():
    before = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
    Cancel().set()
    after = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
    assert before == after
