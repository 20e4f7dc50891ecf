"""The command lines of the executor `batch`."""

from __future__ import annotations

import pytest

pytest.importorskip("pipekit_batch")
from pipekit_batch.presets import PRESETS, filled
from pipekit_batch.settings import Settings


def test_words_without_a_value_are_left_out():
    words = ["sbatch", "--mem={memory_mb}M", "--cpus={cores}", "plain"]
    assert filled(words, {"memory_mb": "", "cores": 2}) == ["sbatch", "--cpus=2", "plain"]
    assert filled(words, {"memory_mb": 7, "cores": 2})[1] == "--mem=7M"


def test_what_is_given_replaces_the_preset_and_options_follow_the_program():
    settings = Settings(options=["--partition=night"], cancel=["kill", "{id}"])
    made = settings.template()
    assert made.submit[:3] == ["sbatch", "--partition=night", "--parsable"]
    assert made.cancel == ["kill", "{id}"]
    assert made.status == PRESETS["slurm"].status


def test_a_state_may_be_given_another_meaning():
    made = Settings(states={"SUSPENDED": "unknown"}).template()
    assert made.states["SUSPENDED"] == "unknown"
    assert made.states["NODE_FAIL"] == "ended"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"preset": "none"}, '^is needed with preset = "none"'),
        ({"submit": ["sbatch", "{core}"]}, r"^has no \{core\}"),
        ({"cancel": ["kill", "{ids}"]}, r"^has no \{ids\}"),
        ({"id": "[0-9]+"}, r"^needs a group \(\?P<id>"),
        ({"id": "("}, "^is not a valid regular expression"),
        ({"poll": 0.0}, "^must be greater than 0"),
    ],
)
def test_a_command_line_that_cannot_work_is_refused(values, why):
    with pytest.raises(ValueError, match=why):
        Settings(**values)
