"""`pipekit doctor` says what of pipekit was never exercised on a system."""

from __future__ import annotations

import pytest

from pipekit.cli.doctor import machine
from pipekit.read.findings import Level


@pytest.mark.parametrize(
    ("platform", "text"),
    [("darwin", "nobody has run pipekit yet"), ("win32", "Ctrl-Break, hang_timeout")],
)
def test_what_was_never_seen_on_a_system_is_said_there(platform, text):
    [finding] = machine.system(platform)
    assert finding.level is Level.OK  # it is no fault of this machine
    assert text in finding.text
    assert "docs/reference/platforms.md" in finding.text


def test_nothing_is_said_where_all_was_exercised():
    assert not list(machine.system("linux"))
