"""Tests for plugins: contract suites to subclass, and plans and proposals without a run.

    from pipekit.testing import StageContract
    from pipekit_daily import pipekit_stages

    class TestDaily(StageContract):
        (spec,) = pipekit_stages()

pytest collects the tests of the suite with the class. To test what the plugin itself does (which
files it plans, which it proposes to delete), use `plan` and `propose`. Needs pytest.
"""

from __future__ import annotations

from pipekit.testing.commands import CommandContract
from pipekit.testing.contract import installed
from pipekit.testing.executors import ExecutorContract
from pipekit.testing.policies import PolicyContract, propose
from pipekit.testing.sinks import EXAMPLES, SinkContract
from pipekit.testing.stages import StageContract, plan

__all__ = [
    "EXAMPLES",
    "CommandContract",
    "ExecutorContract",
    "PolicyContract",
    "SinkContract",
    "StageContract",
    "installed",
    "plan",
    "propose",
]
