"""The core's own sink and policy keep the contracts that plugins' have to keep."""

import time

from pipekit.builtins.console import ConsoleSettings, pipekit_event_sinks
from pipekit.builtins.local import pipekit_executors
from pipekit.builtins.rules import Rule, Rules, pipekit_lifecycle_policies
from pipekit.testing import ExecutorContract, PolicyContract, SinkContract


class TestPlainConsole(SinkContract):
    (sink,) = pipekit_event_sinks()
    settings = ConsoleSettings(live=False, every=0.0)


class TestLiveConsole(SinkContract):
    (sink,) = pipekit_event_sinks()
    settings = ConsoleSettings(live=True)


class TestLocal(ExecutorContract):
    (executor,) = pipekit_executors()


class TestRules(PolicyContract):
    (policy,) = pipekit_lifecycle_policies()
    settings = Rules(rules=(Rule(files="data/raw/**", consumed_by=("translator",)),))
    now = time.time() + 2 * 86_400

    def prepare(self, root):
        (root / "data/raw").mkdir(parents=True)
        (root / "data/raw/ES.csv").write_bytes(b"bars")
