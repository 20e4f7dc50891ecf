"""`pipekit config schema`: what editors are told about pipekit.toml."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pipekit_analyzer.settings import Settings as AnalyzerSettings
from pipekit_merger.settings import Settings as MergerSettings
from pipekit_translator.settings import Settings as TranslatorSettings

from pipekit import ConfigError, Duration, Size, setting
from pipekit.builtins.console import ConsoleSettings
from pipekit.builtins.rules import Rules
from pipekit.cli import init
from pipekit.cli.demo import demo
from pipekit.cli.main import run_command_line
from pipekit.config.problems import TableError
from pipekit.config.schema import json_schema
from pipekit.config.structure import structured

PROJECT_TOML = init.TEMPLATE.read_text("utf-8")
DEMO_TOML = demo.TEMPLATE.read_text("utf-8")

SCHEMA = json_schema(
    stages={
        "translator": TranslatorSettings,
        "analyzer": AnalyzerSettings,
        "merger": MergerSettings,
        "plain": None,
    },
    policies={"rules": Rules},
    sinks={"console": ConsoleSettings},
    executors={"local": None},
)
VALIDATOR = Draft202012Validator(SCHEMA)


def refusals(text):
    document = json.loads(json.dumps(tomllib.loads(text), default=str))  # as editors see dates
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_valid_schema_that_names_its_dialect():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)
    json.dumps(SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        PROJECT_TOML,
        DEMO_TOML,
        "",
        'pipeline.stages = ["mine"]\n[stages.mine.settings]\nanything = [1, {a = 2}]',
        "[stages.plain]\ntimeout = 90\nmax_memory = 1000\n[sinks.console]\nevery = '1h 30m'",
        "[stages.analyzer.settings]\nlatest_entry = 15:30:00",
    ],
    ids=["init", "demo", "empty", "an unknown stage", "numbers", "a TOML time"],
)
def test_right_files_pass(text):
    assert refusals(text) == []


PLAIN = ("[stages.plain.settings]\nx = 1", "$.stages.plain.settings")  # is not installed
WRONG = [
    ("[pipline]", "$"),
    ('[pipeline]\nworkers = "2"', "$.pipeline.workers"),
    ("[stages.a]\ntimeot = 1", "$.stages.a"),
    ('[stages.a]\ntimeout = "1 hour"', "$.stages.a.timeout"),
    ('[stages.a]\nmax_memory = "5mb"', "$.stages.a.max_memory"),
    ('[stages.a]\nafter = {b = "fine"}', "$.stages.a.after.b"),
    ("[stages.translator.settings]\nrawe = 1", "$.stages.translator.settings"),
    ("[[stages.translator.settings.sources]]", "$.stages.translator.settings.sources[0]"),
    ("[sinks.consol]", "$.sinks"),
    ("[sinks.console]\nlive = 1", "$.sinks.console.live"),
    ("[lifecycle.old]", "$.lifecycle"),
    ('[[lifecycle.rules]]\nfiles = "x"\naction = "burn"', "$.lifecycle.rules[0].action"),
]


@pytest.mark.parametrize(("text", "place"), [*WRONG, PLAIN])
def test_wrong_files_are_refused_at_the_place(text, place):
    assert refusals(text) == [place]


@pytest.mark.parametrize("text", [text for text, _ in WRONG])
def test_pipekit_refuses_these_files_as_well(text, tmp_path):
    (tmp_path / "pipekit.toml").write_text(text)
    assert run_command_line(["-C", str(tmp_path), "config", "check"]) == 3


def test_a_key_carries_its_help_and_its_default():
    schema = SCHEMA["properties"]["stages"]["properties"]["translator"]["properties"]
    assert schema["grace"]["description"].startswith("Time a task has to stop")
    assert schema["plan_timeout"]["default"] == "1m"
    assert "default" not in schema["timeout"]
    assert schema["settings"]["properties"]["raw"]["default"] == "data/raw"


@attrs.frozen
class Part:
    name: str = setting("A required name.")
    sizes: dict[str, list[int]] = setting("Sizes by name.", factory=dict)


@attrs.frozen
class Everything:
    text: str = setting("Text.", default="")
    count: int = setting("A count.", default=0)
    share: float = setting("A share.", default=0.0)
    on: bool = setting("A switch.", default=False)
    wait: Duration = setting("A duration.", default=1.0)
    maybe: Duration | None = setting("A duration, perhaps.", default=None)
    memory: Size = setting("A size.", default=1)
    kind: Literal["a", "b", 1] = setting("A choice.", default="a")
    either: int | list[str] = setting("A number or names.", default=1)
    pair: tuple[int, str] = setting("Two values.", default=(1, "a"))
    unique: frozenset[int] = setting("Numbers.", default=frozenset())
    day: dt.date = setting("A day.", default=dt.date(2024, 1, 2))
    folder: Path = setting("A folder.", default=Path("x"))
    free: Any = setting("Anything.", default=None)
    part: Part | None = setting("A part.", default=None)
    parts: tuple[Part, ...] = setting("Parts.", default=())
    token: str = setting("A secret.", default="secret-1", secret=True)


EVERYTHING = json_schema(stages={}, policies={}, sinks={"all": Everything}, executors={})
KEYS = [field.name for field in attrs.fields(Everything)]
texts = st.one_of(
    st.text(max_size=5),
    st.from_regex(r"[0-9]{1,3}(\.[0-9])? ?(ms|s|m|h|d|w|B|kB|MB|GiB|x)?", fullmatch=True),
    st.sampled_from(["a", "b", "1h30m", "1h 30m", "1e3", "2024-05-06", "٣", "5 "]),
)
values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "sizes", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*KEYS, "unknown"]), values, max_size=3))
@example({"memory": "1e3"})
@example({"wait": "٣"})
def test_what_the_schema_refuses_pipekit_refuses(table):
    wrong = list(Draft202012Validator(EVERYTHING).iter_errors({"sinks": {"all": table}}))
    if wrong:
        with pytest.raises(TableError):
            structured(Everything, table)


def test_no_secret_is_in_a_schema():
    assert "secret-1" not in json.dumps(EVERYTHING)


@attrs.frozen
class Node:
    children: tuple[Node, ...] = setting("Below it.", default=())


def test_a_class_that_holds_itself_ends(configured):
    schema = json_schema(stages={}, policies={}, sinks={"tree": Node}, executors={})
    text = "[sinks.tree]\nchildren = [{children = [{children = []}]}]"
    assert list(Draft202012Validator(schema).iter_errors(tomllib.loads(text))) == []
    with pytest.raises(ConfigError):
        configured("[sinks.tree]\nchildren = 1").settings_for("sinks", "tree", Node)
