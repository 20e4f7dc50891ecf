"""The page docs/reference/configuration.md is held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipekit.builtins.console import ConsoleSettings
from pipekit.builtins.rules import Rule, Rules
from pipekit.config.describe import describe
from pipekit.config.explain import explain
from pipekit.config.tables import TABLES, TOP, StageConfig

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
CLASSES = {
    **{f"[{name}]": cls for name, cls in TABLES.items()},
    "[stages.NAME]": StageConfig,
    "[[lifecycle.rules]]": Rule,
    "[sinks.console]": ConsoleSettings,
}


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {head.strip("`"): body for head, body in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("table", CLASSES)
def test_every_key_of_a_table_has_a_row_with_its_type_and_default(table):
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.+) \|$", sections()[table], re.MULTILINE)
    expected = [
        (d.key, d.type, f"`{d.default}`" if d.default else "") for d in describe(CLASSES[table])
    ]
    assert [(key, type, default.strip()) for key, type, default, _ in rows] == expected


def test_every_table_has_a_section_and_no_section_is_of_a_table_that_is_not():
    named = {head for head in sections() if head.startswith("[")}
    assert named == {*CLASSES, "[sinks.NAME]"}
    assert {head.strip("[]").split(".")[0] for head in named} == set(TOP)


def test_the_example_is_a_configuration_that_loads(configured):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    config = configured(example)
    (rule,) = config.settings_for("lifecycle", "rules", Rules).rules
    assert rule.consumed_by == ("translator",)
    config.settings_for("sinks", "console", ConsoleSettings)


def test_the_explanation_shown_is_what_the_example_gives(configured):
    page = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = configured(example, {"PIPEKIT_STAGES__TRANSLATOR__TIMEOUT": "2h"})
    assert f"```text\n{explain(config, 'stages.translator.timeout')}\n```" in page
