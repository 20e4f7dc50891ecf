"""Unit tests run in this process: one that starts another, or sleeps, fails."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

_FORBIDDEN = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "subprocess.Popen",
    }
)
_in_a_test = False


def _refuse(event: str, _arguments: object) -> None:
    if _in_a_test and event in _FORBIDDEN:
        pytest.fail(f"{event} in a unit test: tests that start processes or wait live elsewhere")


sys.addaudithook(_refuse)


_PAUSE = 0.01  # seconds, while a process nearby is just being started


def _no_sleep(seconds: float) -> None:
    if seconds > _PAUSE:
        pytest.fail(f"time.sleep({seconds}) in a unit test: tests that wait live elsewhere")


@pytest.fixture(autouse=True)
def _stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(time, "sleep", _no_sleep)  # an audit event of its own from 3.13 on alone
    global _in_a_test  # noqa: PLW0603  # an audit hook has no other way to be told
    _in_a_test = True
    yield
    _in_a_test = False
