"""The callback's thread: in order, in batches, bounded, and given up when a call hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from pipekit.process.output.listener import BACKLOG, Listener


def test_listener_delivers_all_in_order_and_in_batches_while_a_call_lasts():
    told = []
    called, go = threading.Event(), threading.Event()
    listener = Listener(lambda _, lines: (told.append(lines), called.set(), go.wait(5)))
    listener.add("stdout", ["a"])
    called.wait(5)
    for line in "bc":
        listener.add("stdout", [line])
    go.set()
    listener.finish()
    assert told == [["a"], ["b", "c"]]
    assert listener.warnings() == []


def test_listener_that_is_full_bounds_what_waits_and_counts_what_it_drops():
    told = []
    called, go = threading.Event(), threading.Event()
    listener = Listener(lambda _, lines: (called.set(), go.wait(5), told.extend(lines)))
    listener.add("stdout", ["first"])
    called.wait(5)
    assert not listener.full
    for _ in range(20):
        listener.add("stdout", ["x" * (BACKLOG // 2)])
    assert listener.full
    go.set()
    listener.finish()
    assert [len(line) for line in told] == [5, *[BACKLOG // 2] * 16]
    assert listener.warnings() == ["on_lines was too slow; lines not delivered to it: 4"]


def test_listener_that_has_been_idle_for_long_is_not_given_up():
    told = []
    listener = Listener(lambda _, lines: told.extend(lines), call_timeout=5)
    listener.add("stdout", ["a"])
    while not told:
        time.sleep(0.01)
    time.sleep(0.05)
    listener.returned -= 60  # as after a minute without output
    listener.finish()
    assert listener.warnings() == []


def test_listener_gives_a_call_up_that_does_not_return():
    called, go = threading.Event(), threading.Event()
    listener = Listener(lambda *_: (called.set(), go.wait(30)))
    listener.add("stdout", ["a"])
    called.wait(5)
    listener.add("stdout", ["b"])
    end = time.monotonic() + 0.1
    listener.finish(lambda: end)
    go.set()
    listener._thread.join()
    assert listener.warnings() == [
        "on_lines raised TimeoutError: it did not return; its thread keeps running",
        "on_lines was too slow; lines not delivered to it: 1",
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
