"""The page docs/reference/configuration.md is held to the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pipekit.builtins.console import ConsoleSettings
from pipekit.builtins.rules import Rules
from pipekit.config.explain import values
from pipekit.config.tables import TOP

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


@pytest.fixture
def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def filled(monkeypatch):
    monkeypatch.syspath_prepend(str(PAGE.parents[1]))
    return importlib.import_module("settings_tables").filled


def test_every_key_has_a_row_with_its_type_default_and_help(page, filled):
    assert filled(page) == page, "run `python docs/generate.py`"


def test_every_table_has_a_section_and_no_section_is_of_an_unknown_table(page):
    heads = set(re.findall(r"^## `\[+([\w.]+)\]+`$", page, re.MULTILINE))
    assert {head.split(".")[0] for head in heads} == set(TOP)
    assert {"stages.NAME", "lifecycle.rules", "sinks.NAME", "sinks.console"} <= heads


def test_the_example_is_a_configuration_that_loads(configured, page):
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = configured(example)
    (rule,) = config.settings_for("lifecycle", "rules", Rules).rules
    assert rule.consumed_by == ("translator",)
    config.settings_for("sinks", "console", ConsoleSettings)


def test_the_explanation_shown_is_what_the_example_gives(configured, page):
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = configured(example, {"PIPEKIT_STAGES__TRANSLATOR__TIMEOUT": "2h"})
    assert f"```text\n{values(config)['stages.translator.timeout']}\n```" in page
