"""Text from files, programs and plugins controls no terminal and hides nothing."""

from __future__ import annotations

import json
import sys

import pytest

from pipekit.model.text import escaped, escaped_output, json_text

DANGEROUS = [
    *map(chr, range(32)),  # C0
    *map(chr, range(127, 160)),  # DEL and C1
    *"\u200b\u200e\u200f\u2028\u2029\ufeff\u061c",  # invisible, or a mark of direction
    *map(chr, range(0x202A, 0x202F)),  # turns of direction
    *map(chr, range(0x2066, 0x206A)),
    "\U000e0041",  # a tag: an invisible copy of A
    "\udc80",  # a byte of a file name that is not UTF-8
]


@pytest.mark.parametrize("character", DANGEROUS, ids=ascii)
def test_what_cannot_be_seen_is_written_out(character):
    shown = escaped(f"a{character}b")
    assert shown.isprintable()
    assert shown == f"a{character.encode('unicode_escape').decode()}b"


@pytest.mark.parametrize("text", ["", "plain", "naïve", "日本語", "a\\x1bb", "👍", "עברית"])
def test_what_can_be_seen_stays(text):
    assert escaped(text) == text


def test_a_title_of_the_terminal_becomes_text():
    assert escaped("\x1b]0;owned\x07") == r"\x1b]0;owned\x07"


def test_output_keeps_its_lines_and_tabs():
    text = "a\tb\r\n10 %\r20 %\n\x1b[31mred\n"
    assert escaped_output(text) == "a\tb\n10 %\n20 %\n\\x1b[31mred\n"


@pytest.mark.parametrize("character", DANGEROUS, ids=ascii)
def test_json_has_the_same_value_and_only_characters_that_can_be_seen(character):
    value = {f"a{character}": [f"b{character}"]}
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value


def test_json_is_strict():
    """NaN and infinity are no JSON."""
    value = {"a": [float("nan"), (float("inf"), 1.5)], "b": sys}
    assert json.loads(json_text(value, indent=1)) == {"a": [None, [None, 1.5]], "b": str(sys)}
