"""Small parts of the supervisor, each on its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time

import pytest

from pipekit.model.command import Command
from pipekit.process import Cancel
from pipekit.process.output.listener import BACKLOG, Listener
from pipekit.process.start import TREE_VARIABLE, child_environment


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


def test_listener_tells_all_in_order_and_in_batches_while_a_call_lasts():
    told = []
    listener = Listener(lambda _, lines: (time.sleep(0.05), told.append(lines)))
    for line in "abc":
        listener.hear("stdout", [line])
        time.sleep(0.01)
    listener.finish()
    assert told[0] == ["a"]
    assert [line for lines in told for line in lines] == ["a", "b", "c"]
    assert len(told) == 2
    assert listener.warnings() == []


def test_listener_that_is_full_bounds_what_waits_and_counts_what_it_lets_go():
    go = threading.Event()
    told = []
    listener = Listener(lambda _, lines: (go.wait(5), told.extend(lines)))
    listener.hear("stdout", ["first"])
    time.sleep(0.05)
    assert not listener.full
    for _ in range(20):
        listener.hear("stdout", ["x" * (BACKLOG // 2)])
    assert listener.full
    go.set()
    listener.finish()
    assert [len(line) for line in told] == [5, *[BACKLOG // 2] * 16]
    assert listener.warnings() == ["on_lines was too slow: lines that were not given to it: 4"]


def test_listener_gives_a_call_up_that_does_not_return():
    go = threading.Event()
    listener = Listener(lambda *_: go.wait(30))
    listener.hear("stdout", ["a"])
    time.sleep(0.05)
    listener.hear("stdout", ["b"])
    listener.finish(time.monotonic() + 0.1)
    go.set()
    assert listener.warnings() == [
        "on_lines raised TimeoutError: it did not return; its thread is left behind",
        "on_lines was too slow: lines that were not given to it: 1",
    ]


def test_importing_the_package_is_light():
    """The package itself brings nothing; the supervisor brings no data library and no psutil."""
    code = (
        "import sys, pipekit.model.command; before = set(sys.modules); import pipekit.process;"
        "assert set(sys.modules) - before == {'pipekit.process'}, set(sys.modules) - before;"
        "from pipekit.process import ProcessSupervisor, Cancel;"
        "from pipekit.model.command import Command;"
        "ProcessSupervisor().execute(Command(argv=['true']));"
        "print(sorted({'psutil', 'asyncio', 'logging', 'tempfile', 'ctypes'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
