from __future__ import annotations

import datetime as dt
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from pipekit import ConfigError, Duration, PluginError, Size, setting
from pipekit.config.structure import structured


class Tie(StrEnum):
    STOP = "stop"
    TARGET = "target"


def _no_slash(_instance, _attribute, value):
    if "/" in value:
        raise ValueError("must not hold a slash")


@attrs.frozen
class Source:
    glob: str = setting("The files, from the project's root.", validator=_no_slash)
    timezone: str = setting("The zone of its time stamps.", default="UTC")
    weights: dict[str, tuple[float, ...]] = setting("Weights a series.", factory=dict)


@attrs.frozen
class Quality:
    max_bad: float = setting("The largest share of bad rows.", default=0.01)


def _upper(value):
    if not isinstance(value, str):
        raise TypeError("must be a text")
    return value.upper()


@attrs.frozen
class Settings:
    raw: str = setting("Where raw files lie.", default="raw", validator=_no_slash)
    count: int = setting("How many.", default=1, validator=attrs.validators.ge(1))
    share: float = setting("How much.", default=0.5)
    fast: bool = setting("Whether to hurry.", default=False)
    code: str = setting("A code.", default="x", converter=_upper)
    wait: Duration = setting("How long.", default=1.0)
    maybe: Duration | None = setting("How long, perhaps.", default=None)
    memory: Size = setting("How large.", default=1000)
    tie: Tie = setting("What wins.", default=Tie.STOP)
    rule: Literal["range", "boundary"] = setting("The rule.", default="range")
    day: dt.date = setting("A day.", default=dt.date(2024, 1, 2))
    slot: dt.time = setting("A time.", default=dt.time(7, 30))
    folder: Path = setting("A folder.", default=Path("x"))
    either: int | str = setting("A number or a word.", default=1)
    anything: Any = setting("Whatever.", default=None)
    names: list[str] = setting("Names.", factory=list)
    slots: tuple[dt.time, ...] = setting("Times.", default=())
    pair: tuple[int, str] = setting("Two values.", default=(1, "a"))
    unique: frozenset[int] = setting("Numbers.", default=frozenset())
    ties: dict[str, Tie] = setting("Ties by name.", factory=dict)
    words: tuple[tuple[str, ...], ...] = setting("Lists of words.", default=())
    waits: list[Duration] | None = setting("Durations.", default=None)
    quality: Quality = setting("Of the data.", factory=Quality)
    sources: tuple[Source, ...] = setting("What is read.", default=())


def made(config):
    return config.settings_for("stages", "s", Settings)


@pytest.fixture
def refused(configured):
    def fail(text="", **given):
        config = configured(text, **given)
        with pytest.raises(ConfigError) as caught:
            made(config)
        return caught.value.problems

    return fail


def test_without_a_table_a_plugin_gets_its_defaults(configured):
    assert made(configured("")) == Settings()


@pytest.mark.parametrize(
    ("written", "key", "expected"),
    [
        ('"my"', "raw", "my"),
        ("7", "count", 7),
        ("7", "share", 7.0),
        ("true", "fast", True),
        ('"abc"', "code", "ABC"),
        ('"1h30m"', "wait", 5400.0),
        ("90", "wait", 90.0),
        ('"2d"', "maybe", 172800.0),
        ('"64MiB"', "memory", 64 * 1024**2),
        ('"target"', "tie", Tie.TARGET),
        ('"boundary"', "rule", "boundary"),
        ("2024-05-06", "day", dt.date(2024, 5, 6)),
        ('"2024-05-06"', "day", dt.date(2024, 5, 6)),
        ("08:00:00", "slot", dt.time(8)),
        ('"08:00"', "slot", dt.time(8)),
        ('"a/b"', "folder", Path("a/b")),
        ("5", "either", 5),
        ('"five"', "either", "five"),
        ("{a = [1]}", "anything", {"a": [1]}),
        ('["a", "b"]', "names", ["a", "b"]),
        ('["07:30", 08:00:00]', "slots", (dt.time(7, 30), dt.time(8))),
        ('[3, "c"]', "pair", (3, "c")),
        ("[3, 3, 4]", "unique", frozenset({3, 4})),
        ('{x = "stop"}', "ties", {"x": Tie.STOP}),
        ('[["a"], ["b", "c"]]', "words", (("a",), ("b", "c"))),
        ('["1m", 5]', "waits", [60.0, 5.0]),
        ("{max_bad = 0.5}", "quality", Quality(max_bad=0.5)),
    ],
)
def test_a_value_becomes_what_the_field_asks_for(configured, written, key, expected):
    value = getattr(made(configured(f"[stages.s.settings]\n{key} = {written}")), key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("written", "key", "expected"),
    [
        ("7", "raw", "7"),
        ("7", "count", 7),
        ("True", "fast", True),
        ("1h", "wait", 3600.0),
        ("1", "memory", 1),
        ("target", "tie", Tie.TARGET),
        ("boundary", "rule", "boundary"),
        ("2024-05-06", "day", dt.date(2024, 5, 6)),
        ("08:00", "slot", dt.time(8)),
        ("five", "either", "five"),
        ("5", "either", 5),
        ("['a']", "names", ["a"]),
        ("['08:00']", "slots", (dt.time(8),)),
        ("{x = 'stop'}", "ties", {"x": Tie.STOP}),
        ("[{glob = 'a'}]", "sources", (Source(glob="a"),)),
    ],
)
def test_a_variable_becomes_what_the_field_asks_for(configured, written, key, expected):
    environ = {f"PIPEKIT_STAGES__S__SETTINGS__{key.upper()}": written}
    value = getattr(made(configured("", environ)), key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("written", "key", "expected"),
    [
        ("5", "raw", "expected a string, got 5; strings need quotes"),
        ('"5"', "count", 'expected an integer, got the string "5"'),
        ("true", "count", "expected an integer, got true"),
        ('"abc"', "share", 'expected a number, got the string "abc"'),
        ("nan", "share", "expected a number, got nan"),
        ("1", "fast", "expected true or false, got 1"),
        ("5", "code", "expected a string, got 5; strings need quotes"),
        (
            "-1",
            "wait",
            ('expected a duration such as "90s", "10m", "1h30m" or a number of seconds, got -1'),
        ),
        (
            '"targt"',
            "tie",
            "expected one of 'stop', 'target', got the string \"targt\"; did you mean 'target'?",
        ),
        ("3", "rule", "expected one of 'range', 'boundary', got 3"),
        ('"soon"', "day", 'expected a date such as "2024-12-31", got the string "soon"'),
        ("08:00:00", "day", 'expected a date such as "2024-12-31", got a time'),
        (
            "2024-05-06T00:00:00",
            "day",
            'expected a date such as "2024-12-31", got a date with time',
        ),
        ("1.5", "either", "expected an integer or a string, got 1.5"),
        ('"abc"', "names", "expected a list, such as ['a', 'b'], got the string \"abc\""),
        ("{a = 1}", "names", "expected a list, such as ['a', 'b'], got a table"),
        ("[1]", "ties", "expected a table, got a list"),
        ("[3]", "pair", "expected a list of 2 values, got a list of 1"),
        ("5", "quality", "expected a table, got 5"),
        ("0", "count", "'count' must be >= 1: 0"),
        ('"a/b"', "raw", "must not hold a slash"),
    ],
)
def test_a_value_of_the_wrong_sort_is_told_not_converted(refused, written, key, expected):
    assert refused(f"[stages.s.settings]\n{key} = {written}") == [
        f"pipekit.toml:2: stages.s.settings.{key}: {expected}"
    ]


def test_a_text_in_a_list_of_lists_is_not_taken_apart_into_letters(refused):
    assert refused('[stages.s.settings]\nwords = [["a"],\n "bc"]') == [
        (
            "pipekit.toml:3: stages.s.settings.words[1]: expected a list, such as ['a', 'b'], "
            'got the string "bc"'
        )
    ]


def test_all_problems_of_nested_tables_are_told_with_their_lines(refused):
    text = """\
[stages.s.settings]
count = 0
rawe = "x"
slots = ["07:30", "noon"]
quality.max_bad = "high"
[[stages.s.settings.sources]]
glob = "*.csv"
[[stages.s.settings.sources]]
glob = "a/*.csv"
timezon = "UTC"
[[stages.s.settings.sources]]
timezone = 3
weights = {es = [1.0,
  "x"]}
"""
    assert refused(text) == [
        "pipekit.toml:2: stages.s.settings.count: 'count' must be >= 1: 0",
        "pipekit.toml:3: stages.s.settings.rawe: unknown key; did you mean 'raw'?",
        (
            'pipekit.toml:4: stages.s.settings.slots[1]: expected a time such as "07:30", '
            'got the string "noon"'
        ),
        (
            "pipekit.toml:5: stages.s.settings.quality.max_bad: expected a number, "
            'got the string "high"'
        ),
        "pipekit.toml:9: stages.s.settings.sources[1].glob: must not hold a slash",
        (
            "pipekit.toml:10: stages.s.settings.sources[1].timezon: unknown key; "
            "did you mean 'timezone'?"
        ),
        (
            "pipekit.toml:11: stages.s.settings.sources[2].glob: this key is required: "
            "The files, from the project's root."
        ),
        (
            "pipekit.toml:12: stages.s.settings.sources[2].timezone: expected a string, "
            "got 3; strings need quotes"
        ),
        (
            "pipekit.toml:14: stages.s.settings.sources[2].weights.es[1]: expected a number, "
            'got the string "x"'
        ),
    ]


def test_all_fields_that_a_validator_refuses_are_told_at_once(refused):
    assert refused('[stages.s.settings]\ncount = 0\nraw = "a/b"') == [
        "pipekit.toml:2: stages.s.settings.count: 'count' must be >= 1: 0",
        "pipekit.toml:3: stages.s.settings.raw: must not hold a slash",
    ]


def test_a_list_written_item_by_item_in_the_environment_says_that_it_is_a_list(refused):
    environ = {"PIPEKIT_STAGES__S__SETTINGS__SOURCES__0__GLOB": "x"}
    assert refused("", environ=environ) == [
        (
            "PIPEKIT_STAGES__S__SETTINGS__SOURCES__0__GLOB: stages.s.settings.sources: "
            "expected a list, got a table"
        )
    ]


@attrs.frozen
class Range:
    low: int = setting("The lower end.", default=0)
    high: int = setting("The upper end.", default=9)

    def __attrs_post_init__(self):
        if self.low > self.high:
            raise ValueError("low must not be above high")


def test_what_a_class_refuses_as_a_whole_is_told_of_its_table(configured):
    config = configured("[sinks.s]\nlow = 10")
    with pytest.raises(ConfigError, match=r"pipekit.toml:1: sinks.s: low must not be above high"):
        config.settings_for("sinks", "s", Range)


def test_settings_for_a_plugin_that_takes_none_are_an_error(configured):
    config = configured("[sinks.s]\nlow = 10\n[sinks.t]")
    assert config.settings_for("sinks", "t", None) is None
    with pytest.raises(ConfigError, match=r"^pipekit.toml:2: sinks.s.low: unknown key: 's' has no"):
        config.settings_for("sinks", "s", None)


class OldTie(str, Enum):  # noqa: UP042  # as plugins still write it
    STOP = "stop"


def _even(value):
    if value % 2:
        raise ValueError("must be even")
    return value


def _known(instance, _attribute, value):
    if not value and not instance.all:
        raise ValueError("name some, or set all")


@attrs.frozen
class Odd:
    tie: OldTie = setting("A choice.", default=OldTie.STOP)
    pages: int = setting("Pages.", default=2, converter=_even)
    all: bool = setting("All names.", default=True)
    names: tuple[str, ...] = setting("Some names.", default=(), validator=_known)
    _hidden: int = setting("Written without the underscore.", default=0)


def test_an_enum_of_strings_of_any_make_is_an_enum(configured):
    assert configured("[sinks.s]\ntie = 'stop'").settings_for("sinks", "s", Odd).tie is OldTie.STOP


def test_a_private_field_is_written_without_its_underscore(configured):
    assert configured("[sinks.s]\nhidden = 3").settings_for("sinks", "s", Odd)._hidden == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pages = 3", ["pipekit.toml:2: sinks.s.pages: must be even"]),
        ("all = false", ["pipekit.toml:1: sinks.s.names: name some, or set all"]),
        (
            "pages = 3\ntie = 1\nnames = [5]",
            [
                "pipekit.toml:2: sinks.s.pages: must be even",
                "pipekit.toml:3: sinks.s.tie: expected one of 'stop', got 1",
                "pipekit.toml:4: sinks.s.names[0]: expected a string, got 5; strings need quotes",
            ],
        ),
    ],
)
def test_what_converters_and_validators_refuse_is_told_of_the_key(configured, text, expected):
    with pytest.raises(ConfigError) as caught:
        configured(f"[sinks.s]\n{text}").settings_for("sinks", "s", Odd)
    assert caught.value.problems == expected


@attrs.frozen
class Rules:
    rules: tuple[Source, ...] = setting("The rules.", default=())


def test_the_policy_called_rules_is_configured_by_an_array_of_tables(configured):
    text = '[lifecycle]\nmax_files = 9\n[[lifecycle.rules]]\nglob = "x"\n[[lifecycle.rules]]\n'
    config = configured(text + 'glob = "y"')
    assert list(config.policies) == ["rules"]
    rules = config.settings_for("lifecycle", "rules", Rules).rules
    assert [rule.glob for rule in rules] == ["x", "y"]
    with pytest.raises(ConfigError, match=r"pipekit.toml:7: lifecycle.rules\[1\].globb: unknown"):
        configured(text + 'glob="y"\nglobb="y"').settings_for("lifecycle", "rules", Rules)


def test_a_policy_of_a_third_party_is_configured_by_a_table_of_its_own(configured):
    config = configured("[lifecycle.scratch]\nlow = 3")
    assert config.settings_for("lifecycle", "scratch", Range).low == 3


def test_a_policy_cannot_have_the_name_of_a_lifecycle_key(configured):
    with pytest.raises(PluginError, match="'roots'"):
        configured("").settings_for("lifecycle", "roots", Range)


@attrs.frozen
class Contradictory:
    raw: str = setting("Where.", default="a/b", validator=_no_slash)
    count: int = setting("How many.", default=1)


def test_defaults_that_a_class_itself_refuses_are_the_plugins_fault(configured):
    with pytest.raises(PluginError, match="Contradictory refuses its own defaults: must not hold"):
        configured("").settings_for("sinks", "s", Contradictory)


@attrs.frozen
class Strange:
    thing: complex = setting("A type that no value can be made of.", default=1j)


def test_a_type_that_no_value_can_be_made_of_is_the_plugins_fault(configured):
    with pytest.raises(PluginError, match="complex"):
        configured("[sinks.s]\nthing = 1").settings_for("sinks", "s", Strange)


def test_settings_are_made_once(configured):
    config = configured("[sinks.s]\nlow = 3")
    assert config.settings_for("sinks", "s", Range) is config.settings_for("sinks", "s", Range)


def test_a_choice_of_types_may_be_unset_like_any_other():
    """As the defaults of a settings class are, where its own tables hold one."""

    @attrs.frozen
    class Choice:
        header: bool | int | None = setting("Lines.", default=None)

    assert structured(Choice, {"header": None}) == Choice()
    assert [structured(Choice, {"header": value}).header for value in (True, 2)] == [True, 2]
