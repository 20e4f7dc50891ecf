from __future__ import annotations

import pytest

from pipekit.config.checks import check

GOOD = """
[pipeline]
stages = ["a", "b"]
[stages.a]
timeout = "10m"
hang_timeout = "1m"
[stages.b]
after = {a = "partial"}
[schedule]
every = "15m"
"""


def test_a_configuration_without_contradictions_has_no_findings(configured):
    assert check(configured(GOOD)) == ([], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'stages.a.timeout = "10m"\nstages.a.hang_timeout = "1h"\npipeline.stages = ["a"]',
            "error: pipekit.toml:2: stages.a.hang_timeout: 1h is never reached, as timeout is 10m",
        ),
        (
            'stages.a.timeout = "6h"\nschedule.every = "15m"\npipeline.stages = ["a"]',
            (
                "warning: pipekit.toml:1: stages.a.timeout: 6h is longer than schedule.every, 15m: "
                "runs that are due in the meantime do not start"
            ),
        ),
        (
            'pipeline.stages = ["translator"]\n[stages.translater]\ngrace = 1',
            (
                "warning: pipekit.toml:2: stages.translater: not listed in pipeline.stages, so "
                "it never runs; did you mean 'translator'?"
            ),
        ),
        (
            'pipeline.stages = ["one", "two"]\nstages.two.after.onne = "any"',
            (
                "warning: pipekit.toml:2: stages.two.after.onne: no such stage in "
                "pipeline.stages, so it is ignored; did you mean 'one'?"
            ),
        ),
        ("", "warning: pipekit.toml: pipeline.stages: no stage is listed, so a run does nothing"),
        (
            'pipeline.stages = ["a"]\nplugins = {allow = ["x"], deny = ["x"]}',
            "error: pipekit.toml:2: plugins.deny: 'x' is both allowed and denied",
        ),
        (
            'pipeline.stages = ["a"]\npaths.logs = "data/logs"',
            (
                'error: pipekit.toml:2: paths.logs: "data/logs" is inside paths.data, so stages '
                "and policies may take its files for data"
            ),
        ),
        (
            'pipeline.stages = ["a"]\npaths.state = "work/state"\nlifecycle.roots = ["work"]',
            'error: pipekit.toml:3: lifecycle.roots: "work" contains paths.state ("work/state")',
        ),
        (
            'pipeline.stages = ["a"]\npaths.state = "logs/state"',
            (
                "error: pipekit.toml:2: paths.state: must not be inside paths.logs, whose old "
                "files are removed"
            ),
        ),
    ],
)
def test_a_contradiction_is_told_with_its_place(configured, text, expected):
    errors, warnings = check(configured(text))
    assert [f"error: {e}" for e in errors] + [f"warning: {w}" for w in warnings] == [expected]


def test_errors_are_told_from_warnings(configured):
    config = configured('stages.a.timeout = "1m"\nstages.a.hang_timeout = "1h"')
    assert [len(found) for found in check(config)] == [1, 2]


def test_tables_of_policies_and_sinks_that_nobody_offers_are_errors(configured):
    config = configured(GOOD + "[sinks.consol]\n[sinks.text]\n[lifecycle.scrach]")
    errors, warnings = check(config, sinks=["console", "text"], policies=["rules", "scratch"])
    assert [error.split(": ", 1)[1] for error in errors] == [
        (
            "lifecycle.scrach: no installed plugin offers a policy with this name; "
            "did you mean 'scratch'?"
        ),
        "sinks.consol: no installed plugin offers a sink with this name; did you mean 'console'?",
    ]
    assert warnings == []
