from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import attrs
import pytest

from pipekit import Duration, PluginError, Size, setting
from pipekit.config.describe import default_text, settings_fields, type_words


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
    three: Literal["a", "b", "c"] = setting("One of three.", default="a")


def test_a_field_is_described_in_the_notation_of_the_file():
    fields = settings_fields(Settings).items()
    assert [(key, type_words(field.type), default_text(field)) for key, field in fields] == [
        ("wait", "duration", '"1h30m"'),
        ("memory", "size", '"64MiB"'),
        ("rule", "'a' or 'b'", '"a"'),
        ("slots", "list of times", '["07:30"]'),
        ("names", "list of strings", ""),
        ("ticks", "table of numbers", "{ES = 0.25}"),
        ("anything", "any value", "true"),
        ("quality", "table", "{max_bad = 0.01}"),
        ("sources", "list of tables", "[]"),
        ("rules", "list of 'a' or 'b'", "[]"),
        ("named", "table of tables", ""),
        ("three", "'a', 'b' or 'c'", '"a"'),
    ]


def test_a_field_knows_its_help_and_whether_it_is_secret_or_required():
    assert settings_fields(Settings)["wait"].help == "How long."
    token = settings_fields(Source)["token"]
    assert (token.secret, default_text(token)) == (True, '"***"')
    assert settings_fields(Source)["glob"].required


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
    assert list(settings_fields(Node)) == ["name", "children"]
    config = configured("[sinks.s]\nchildren = [{name = 'a', children = [{name = 'b'}]}]")
    made = config.settings_for("sinks", "s", Node)
    assert made.children[0].children[0].name == "b"
