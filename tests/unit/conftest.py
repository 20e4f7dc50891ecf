"""Unit tests run in this process: one that starts another, or sleeps, fails."""

from __future__ import annotations

import sys
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
        "time.sleep",
    }
)
_in_a_test = False


def _refuse(event: str, _arguments: object) -> None:
    if _in_a_test and event in _FORBIDDEN:
        pytest.fail(f"{event} in a unit test: tests that start processes or wait live elsewhere")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _stays_in_this_process() -> Iterator[None]:
    global _in_a_test  # noqa: PLW0603  # an audit hook has no other way to be told
    _in_a_test = True
    yield
    _in_a_test = False
