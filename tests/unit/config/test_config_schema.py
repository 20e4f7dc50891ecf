from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import attrs
import pytest

from pipekit import Duration, PluginError, Size, setting
from pipekit.config.describe import Described, describe, settings_fields


@attrs.frozen
class Source:
    glob: str = setting("The files.")
    token: str = setting("The token.", default="abc", secret=True)


@attrs.frozen
class Quality:
    max_bad: float = setting("The share.", default=0.01, affects_output=False)


@attrs.frozen
class Settings:
    wait: Duration = setting("How long.", default=5400.0)
    memory: Size = setting("How large.", default=64 * 2**20)
    rule: Literal["a", "b"] = setting("Which.", default="a")
    slots: tuple[dt.time, ...] = setting("When.", default=(dt.time(7, 30),))
    names: list[str] | None = setting("Which ones.", default=None)
    ticks: dict[str, float] = setting("By name.", factory=lambda: {"ES": 0.25})
    anything: Any = setting("Whatever.", default=True)
    quality: Quality = setting("Of data.", factory=Quality)
    sources: tuple[Source, ...] = setting("What is read.", default=())
    rules: list[Literal["a", "b"]] = setting("Some rules.", factory=list)
    named: dict[str, Quality] | None = setting("By name.", default=None)


def test_a_class_is_described_field_by_field_in_the_notation_of_the_file():
    assert [(d.key, d.type, d.default) for d in describe(Settings, "stages.s.settings.")] == [
        ("stages.s.settings.wait", "duration", '"1h30m"'),
        ("stages.s.settings.memory", "size", '"64MiB"'),
        ("stages.s.settings.rule", "'a' or 'b'", '"a"'),
        ("stages.s.settings.slots", "list of times", '["07:30"]'),
        ("stages.s.settings.names", "list of strings", ""),
        ("stages.s.settings.ticks", "table of numbers", "{ES = 0.25}"),
        ("stages.s.settings.anything", "any value", "true"),
        ("stages.s.settings.quality", "table", "{max_bad = 0.01}"),
        ("stages.s.settings.quality.max_bad", "number", "0.01"),
        ("stages.s.settings.sources", "list of tables", "[]"),
        ("stages.s.settings.sources[].glob", "string", ""),
        ("stages.s.settings.sources[].token", "string", '"***"'),
        ("stages.s.settings.rules", "list of 'a' or 'b'", "[]"),
        ("stages.s.settings.named", "table of tables", ""),
        ("stages.s.settings.named.NAME.max_bad", "number", "0.01"),
    ]


def test_a_description_says_help_secrecy_and_whether_the_output_depends_on_it():
    described = {d.key: d for d in describe(Settings)}
    assert described["sources[].token"] == Described(
        "sources[].token", "string", '"***"', "The token.", secret=True, affects_output=True
    )
    assert not described["quality.max_bad"].affects_output
    assert described["wait"].help == "How long."


@attrs.frozen
class Helpless:
    fine: int = setting("Help.", default=1)
    bare: int = 2


@attrs.frozen
class HelplessInside:
    inner: list[Helpless] = setting("Help.", factory=list)


@attrs.frozen
class Empty:
    bare: int = setting("", default=1)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Helpless, "Helpless.bare"), (HelplessInside, "Helpless.bare"), (Empty, "Empty.bare")],
)
def test_a_field_without_help_is_a_plugin_error_that_names_class_and_field(cls, name):
    for _ in range(2):  # the second time as well, from whatever is remembered
        with pytest.raises(PluginError, match=rf"{name} has no help"):
            settings_fields(cls)


def test_a_class_that_is_not_attrs_is_a_plugin_error():
    with pytest.raises(PluginError, match=r"dict is not a settings class"):
        settings_fields(dict)


@attrs.frozen
class Lost:
    thing: Nowhere = setting("Help.", default=None)  # noqa: F821  # that is the test


def test_a_type_that_cannot_be_found_is_a_plugin_error():
    with pytest.raises(PluginError, match=r"Lost: the type of a field .* 'Nowhere'"):
        settings_fields(Lost)


@attrs.frozen
class Node:
    name: str = setting("Its name.", default="")
    children: tuple[Node, ...] = setting("Below it.", default=())


def test_a_class_that_holds_itself_can_be_described_and_structured(configured):
    assert [d.key for d in describe(Node)] == [
        "name",
        "children",
        "children[].name",
        "children[].children",
    ]
    config = configured("[sinks.s]\nchildren = [{name = 'a', children = [{name = 'b'}]}]")
    made = config.settings_for("sinks", "s", Node)
    assert made.children[0].children[0].name == "b"
