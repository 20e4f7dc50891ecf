"""A configuration that asks for too much time or memory is refused in a sentence, soon."""

from __future__ import annotations

import time

import pytest

from pipekit.config import load
from pipekit.errors import ConfigError

DEEP = "pipekit.toml: nested more than 32 levels deep; make it simpler"
MANY = "pipekit.toml: more than 20,000 values; make it simpler"
BOMBS = {
    "lists": ("a = " + "[" * 200_000 + "]" * 200_000, DEEP),
    "a few lists": ("a = " + "[" * 3_000 + "]" * 3_000, DEEP),
    "tables": ("a = " + "{a = " * 50_000 + "1" + "}" * 50_000, DEEP),
    "a dotted key": (" . ".join(["a"] * 150_000) + " = 1", DEEP),
    "a short dotted key": (".".join(["a"] * 40) + " = 1", DEEP),
    "a header": ("[" + ".".join(["a"] * 250_000) + "]", DEEP),
    "keys": ("\n".join(f"k{n} = 1" for n in range(30_000)), MANY),
    "items": ("[plugins]\nallow = [" + "1," * 200_000 + "]", MANY),
    "digits": ("a = " + "9" * 5_000, "pipekit.toml: a whole number has more than 64 bits"),
    "a hexadecimal": ("a = 0x" + "f" * 100_000, "pipekit.toml: a whole number has more than"),
    "bytes": ("#" * 1_100_000, "pipekit.toml: larger than 1 MiB; make it simpler"),
    "a long line": ("a = b" + " " * 500_000 + "x", "pipekit.toml:1: not valid TOML"),
    "stages": (
        "[pipeline]\nstages = [" + ",".join(f'"s{n}"' for n in range(9_000)) + "]",
        "pipekit.toml:2: pipeline.stages: lists more than 1,000 stages",
    ),
    "a long key": ('"' + "k" * 500_000 + '" = 1', "pipekit.toml:1: kkkkk"),
    "a long value": ('[pipeline]\ntimezone = "' + "k" * 500_000 + '"', "pipekit.toml:2: pipeline"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_excessive_file_is_refused_soon_in_a_sentence(tmp_path, name):
    text, said = BOMBS[name]
    (tmp_path / "pipekit.toml").write_text(text)
    started = time.process_time()
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, environ={})
    assert time.process_time() - started < 5
    assert str(refused.value).startswith(said)
    assert len(str(refused.value)) < 2_000


def test_of_many_problems_the_first_hundred_are_told(tmp_path):
    (tmp_path / "pipekit.toml").write_text("\n".join(f"k{n} = 1" for n in range(2_000)))
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, environ={})
    assert len(refused.value.problems) == 101
    assert refused.value.problems[-1] == "pipekit.toml: 1,900 more problems"


@pytest.mark.parametrize("value", ["[" * 50_000, '{"a":' * 50_000, "9" * 5_000, "{a = " * 20_000])
def test_an_excessive_variable_or_flag_is_a_text_that_does_not_fit(tmp_path, value):
    (tmp_path / "pipekit.toml").write_text("")
    for environ, flags in (
        ({"PIPEKIT_PIPELINE__WORKERS": value}, []),
        ({}, [f"pipeline.workers={value}"]),
    ):
        with pytest.raises(ConfigError, match="expected an integer, got the string"):
            load(tmp_path, environ=environ, flags=flags)


def test_a_variable_or_flag_of_many_parts_is_refused(tmp_path):
    (tmp_path / "pipekit.toml").write_text("")
    environ = {"PIPEKIT_STAGES__" + "__".join(["A"] * 5_000): "1"}
    flag = "stages." + ".".join(["a"] * 5_000) + "=1"
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, environ=environ, flags=[flag])
    assert [text.endswith("more than 32 levels deep") for text in refused.value.problems] == [
        True
    ] * 2
